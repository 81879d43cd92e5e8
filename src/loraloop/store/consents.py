"""What people agreed to, by pseudonym, and what it does to what is stored of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import sqlalchemy as sa

from . import bulk, codec, tables
from .database import Database
from .events import Events

WITHDRAWN = "withdrawn"
_T = tables.consents


class Consents:
    """Keeps each person's last word on whether what they say may be kept and learnt from."""

    def __init__(self, database: Database, events: Events, now: Callable[[], datetime]) -> None:
        self._database, self._events, self._now = database, events, now

    def set(self, bot: str, person: str, consent: str) -> int:
        """Keep a person's word; a withdrawal also marks every conversation of theirs, so that none is learnt from.

        Args:
            person: a pseudonym.
            consent: ``"granted"`` or ``"withdrawn"``.

        Returns:
            How many stored conversations it changed.
        """
        c = tables.conversations
        row = {"bot": bot, "person": person, "consent": consent, "at": codec.stamp(self._now())}
        with self._database.write() as connection:
            connection.execute(sa.delete(_T).where(_T.c.bot == bot, _T.c.person == person))
            connection.execute(sa.insert(_T), row)
            changed = 0
            if consent == WITHDRAWN:
                theirs = sa.update(c).where(c.c.bot == bot, c.c.person == person, c.c.consent != WITHDRAWN)
                changed = connection.execute(theirs.values(consent=WITHDRAWN)).rowcount
            facts = {"person": person, "consent": consent, "conversations": changed}
            self._events.within(connection, bot, "ConsentGiven", person, facts)
        return changed

    def of(self, bot: str, person: str) -> str | None:
        """Return a person's last word, ``None`` where they gave none."""
        with self._database.read() as connection:
            query = sa.select(_T.c.consent).where(_T.c.bot == bot, _T.c.person == person)
            return connection.execute(query).scalar_one_or_none()


def withdrawn_within(connection: sa.Connection, bot: str, people: set[str]) -> set[str]:
    """Return those of these people who withdrew, seen in an open transaction."""
    found: set[str] = set()
    for page in bulk.pages(sorted(people)):
        theirs = bulk.among(connection, _T.c.person, page)
        query = sa.select(_T.c.person).where(_T.c.bot == bot, theirs, _T.c.consent == WITHDRAWN)
        found.update(connection.execute(query).scalars())
    return found
