"""People: age group, guardian's consent, withdrawal; what the database asks before a row may enter a dataset."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from ..types import Person
from . import bulk, codec, tables
from .database import Database
from .events import Events

_T = tables.people


class People:
    """One row a person, by pseudonym. Who has no row is of unknown age and withdrew nothing."""

    def __init__(self, database: Database, events: Events) -> None:
        self._database, self._events = database, events

    def get(self, person_id: str) -> Person:
        """Return what is known of a person."""
        with self._database.read() as connection:
            return refusing(connection, [person_id], all_of_them=True).get(person_id) or Person(person_id)

    def is_any_known(self) -> bool:
        """Return whether anybody spoke, or was forgotten, who can only be found with the home's key."""
        spoke, gone = tables.conversations.c.person, tables.tombstones.c.digest
        with self._database.read() as connection:
            asked = (sa.select(spoke).where(spoke.is_not(None)).limit(1), sa.select(gone).limit(1))
            return any(connection.execute(query).first() is not None for query in asked)

    def put(self, person: Person, *, bot: str, actor: str) -> Person:
        """Store what holds for a person from now on; the next dataset heeds it."""
        row = {
            "id": codec.checked_text(person.id),
            "age_group": person.age_group,
            "guardian_consent": int(person.guardian_consent),
            "withdrawn_at": codec.stamp(person.withdrawn_at) if person.withdrawn_at else None,
        }
        with self._database.write() as connection:
            connection.execute(sa.delete(_T).where(_T.c.id == person.id))
            connection.execute(sa.insert(_T), row)
            facts = {"person": person.id, "may_be_learnt": person.refusal is None}
            self._events.within(connection, bot, "ConsentChanged", actor, facts)
        return person


def refusing(connection: sa.Connection, person_ids: Iterable[str], *, all_of_them: bool = False) -> dict[str, Person]:
    """Return those of some people who may not be learnt from (or all who have a row), by pseudonym."""
    wanted = sorted(set(person_ids))
    if not wanted:
        return {}
    people = [
        _person(row)
        for page in bulk.pages(wanted)
        for row in connection.execute(sa.select(_T).where(bulk.among(connection, _T.c.id, page))).mappings()
    ]
    return {person.id: person for person in people if all_of_them or person.refusal}


def _person(row: Any) -> Person:
    withdrawn = row["withdrawn_at"]
    return Person(
        id=row["id"],
        age_group=row["age_group"],
        guardian_consent=bool(row["guardian_consent"]),
        withdrawn_at=datetime.fromisoformat(withdrawn) if withdrawn else None,
    )
