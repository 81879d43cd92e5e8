"""Datasets: what they have in common is stored once.

A turn's dataset is nearly the one before it. So its rows are runs of rows: those it shares with the dataset before it
stay where they are, and only those that are new are written. Whose conversation is forgotten has no row in any of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import sqlalchemy as sa

from ..errors import DataError
from ..failpoints import reached
from ..types import CONSENTS_TO_LEARN, Dataset, DatasetRow, DatasetRows, Mark
from . import bulk, codec, tables
from .arrivals import write_mark
from .database import Database
from .events import Events
from .values import Values

_R, _D, _N = tables.records, tables.dataset_rows, tables.dataset_runs
_OF_ROW = (_D.c.conversation_id, _D.c.message_index, _D.c.split, _D.c.digest)
_IN_RUN = (_D.c.dataset_id == _N.c.rows_of) & _D.c.position.between(_N.c.first_position, _N.c.last_position)
MOST_RUNS = 256
"""A dataset of more runs is written anew: each run is looked up when its rows are asked for."""


class Run(NamedTuple):
    """Rows of a dataset that stand together under a dataset's id, from one position to another, both included."""

    rows_of: str
    first: int
    last: int


def runs_of(own: str, rows: Sequence[DatasetRow], stored: Iterable[Sequence[Any]] = ()) -> list[Run]:
    """Return rows as runs, with those that are not stored yet at their places under an id of their own. Pure.

    Args:
        own: the id.
        rows: in their order.
        stored: rows of an earlier dataset, in its order: under whose id each stands, its position, and what it says.

    Example:
        >>> a, b = (DatasetRow(f"cv-{name}", 1, "train", name) for name in "ab")
        >>> runs_of("ds-2", [a, b], [("ds-1", 7, "cv-a", 1, "train", "a")])
        [Run(rows_of='ds-1', first=7, last=7), Run(rows_of='ds-2', first=1, last=1)]
    """
    places: dict[tuple[Any, ...], int] = {}
    found: list[list[Any]] = []  # runs that can still grow
    done = 0
    for rows_of, position, *said in stored:
        place = done
        if place == len(rows) or _stated(rows[place]) != said:
            places = places or {(one.conversation_id, one.message_index): n for n, one in enumerate(rows)}
            place = places.get((said[0], said[1]), -1)
            if place < done or _stated(rows[place]) != said:
                continue
        if place > done:
            found.append([own, done, place - 1])
        if found and found[-1][0] == rows_of and found[-1][2] == position - 1:
            found[-1][2] = position
        else:
            found.append([rows_of, position, position])
        done = place + 1
    if done < len(rows):
        found.append([own, done, len(rows) - 1])
    return [Run(*run) for run in found]


def _stated(row: DatasetRow) -> list[Any]:
    return [row.conversation_id, row.message_index, row.split, row.digest]


class Datasets(Values[Dataset]):
    """Datasets, with their rows in tables that can be searched both ways and that refuse rows without consent."""

    def __init__(self, database: Database, events: Events) -> None:
        super().__init__(database, events, Dataset, "DatasetBuilt", lambda d: {"dataset_id": d.id, "rows": len(d.rows)})

    def put(self, value: Dataset, seen_feedback: int | None = None) -> Dataset:
        """Store a dataset and, in the same transaction, up to where it has read.

        Args:
            seen_feedback: number of the last word of feedback before its rows were chosen; ``None`` moves no mark.

        Raises:
            DataError: a conversation may not be learnt from, or is gone.
        """
        with self._database.write() as connection:
            stored = self._put_within(connection, value)
            reached("dataset.written")
            if seen_feedback is not None:
                write_mark(connection, value.bot, Mark(value.id, seen_feedback))
            reached("dataset.marked")
        return stored

    def ids(self, bot: str) -> list[str]:
        """Return the ids of a bot's datasets, the newest first, without reading their rows."""
        with self._database.read() as connection:
            return list(connection.execute(_newest(bot)).scalars())

    def remove(self, dataset_id: str) -> None:
        """Remove a dataset with the rows that no other one has; the same rows may be stored again."""
        with self._database.write() as connection:
            named = sa.select(_N.c.rows_of).where(_N.c.dataset_id == dataset_id).distinct()
            places = connection.execute(named).scalars().all()
            connection.execute(sa.delete(_N).where(_N.c.dataset_id == dataset_id))
            connection.execute(sa.delete(_R).where(_R.c.kind == "Dataset", _R.c.id == dataset_id))
            for rows_of in places:
                _delete_unnamed(connection, rows_of)

    def check_consent(self, dataset: Dataset) -> None:
        """Ask again what was asked when the dataset was stored: people may have withdrawn since.

        Raises:
            DataError: a conversation may not be learnt from any more, or is gone.
        """
        with self._database.read() as connection:
            if connection.execute(_learnable(dataset)).scalar_one() != len(dataset.rows):
                self._refuse_unconsented(connection, dataset)

    def _insert(self, connection: sa.Connection, value: Dataset, row: dict[str, Any]) -> None:
        newest = connection.execute(_newest(value.bot).limit(1)).scalar()
        stored = connection.execute(_stored_rows(newest)) if newest else ()
        own = _free_id(connection, value.id)
        runs = runs_of(own, value.rows, stored)
        if len(runs) > MOST_RUNS:
            runs = runs_of(own, value.rows)
        connection.execute(sa.insert(_R), {**row, "body": codec.encode(replace(value, rows=()))})
        try:
            with connection.begin_nested():
                for run in (run for run in runs if run.rows_of == own):
                    _insert_run(connection, run, value.rows)
                numbered = [(value.id, number, *run) for number, run in enumerate(runs)]
                bulk.insert_rows(connection, _N, [column.name for column in _N.c], numbered)
        except sa.exc.DBAPIError:  # the tables' own guards say no, but not to whom
            self._refuse_unconsented(connection, value)
            raise

    def _find(self, connection: sa.Connection, value_id: str) -> Dataset | None:
        found = super()._find(connection, value_id)
        if found is None:
            return None
        rows = DatasetRows(DatasetRow(*row[2:]) for row in connection.execute(_stored_rows(value_id)))
        return replace(found, rows=rows)

    def _refuse_unconsented(self, connection: sa.Connection, dataset: Dataset) -> None:
        """Say which row lacks consent; the database itself refuses it too (triggers made by the migrations)."""
        t, without = tables.conversations, list[str]()
        for page in bulk.pages(list(dict.fromkeys(row.conversation_id for row in dataset.rows))):
            joined, allowed = _allowed(t, dataset.bot)
            asked = bulk.among(connection, t.c.id, page)
            counted = sa.select(sa.func.count()).select_from(joined).where(asked, *allowed)
            if connection.execute(counted).scalar_one() != len(page):
                named = connection.execute(sa.select(t.c.id).select_from(joined).where(asked, *allowed))
                without += sorted(set(page) - set(named.scalars()))
        if without:
            raise DataError(
                f"{len(without)} conversations may not be learnt from, {without[0]} for one: no consent",
                hint="run it again: the next dataset is without them",
            )


def datasets_with(connection: sa.Connection, conversations: Collection[str]) -> set[str]:
    """Return the ids of all datasets that have a row of one of some conversations."""
    found: set[str] = set()
    for page in bulk.pages(list(conversations)):
        query = sa.select(_N.c.dataset_id).select_from(_D.join(_N, _IN_RUN)).distinct()
        found.update(connection.execute(query.where(bulk.among(connection, _D.c.conversation_id, page))).scalars())
    return found


def _newest(bot: str) -> sa.Select[Any]:
    mine = sa.select(_R.c.id).where(_R.c.kind == "Dataset", _R.c.bot == bot)
    return mine.order_by(_R.c.created_at.desc(), _R.c.id.desc())


def _free_id(connection: sa.Connection, dataset_id: str) -> str:
    """Under what new rows of a dataset stand: its id, unless rows of it were kept for others when it was removed."""
    own = dataset_id
    while connection.execute(sa.select(sa.exists().where(_D.c.dataset_id == own))).scalar():
        own += "+"
    return own


def _insert_run(connection: sa.Connection, run: Run, rows: Sequence[DatasetRow]) -> None:
    """Write the rows of a run, which stand at its places, a page at a time."""
    for begin in range(run.first, run.last + 1, bulk.PAGE):
        page = enumerate(rows[begin : min(begin + bulk.PAGE, run.last + 1)], begin)
        new = [(run.rows_of, n, one.conversation_id, one.message_index, one.split, one.digest) for n, one in page]
        bulk.insert_rows(connection, _D, [column.name for column in _D.c], new)


def _stored_rows(dataset_id: str) -> sa.Select[Any]:
    """The rows of a dataset in order: under whose id each stands, at which position, and what it says."""
    rows = sa.select(_D.c.dataset_id, _D.c.position, *_OF_ROW).select_from(_N.join(_D, _IN_RUN))
    return rows.where(_N.c.dataset_id == dataset_id).order_by(_N.c.number, _D.c.position)


def _delete_unnamed(connection: sa.Connection, rows_of: str) -> None:
    """Delete the rows under an id that are in no run of any dataset."""
    kept = sa.select(_N.c.first_position, _N.c.last_position).where(_N.c.rows_of == rows_of)
    begin, ours = 0, _D.c.dataset_id == rows_of
    for first, last in connection.execute(kept.order_by(_N.c.first_position)).all():
        if first > begin:
            connection.execute(sa.delete(_D).where(ours, _D.c.position.between(begin, first - 1)))
        begin = max(begin, last + 1)
    connection.execute(sa.delete(_D).where(ours, _D.c.position >= begin))


def _learnable(dataset: Dataset) -> sa.Select[Any]:
    """How many rows of a stored dataset may be learnt from now: one question, where all may be as a rule."""
    t = tables.conversations
    joined, allowed = _allowed(_N.join(_D, _IN_RUN).join(t, t.c.id == _D.c.conversation_id), dataset.bot)
    return sa.select(sa.func.count()).select_from(joined).where(_N.c.dataset_id == dataset.id, *allowed)


def _allowed(conversations: sa.FromClause, bot: str) -> tuple[sa.FromClause, tuple[sa.ColumnElement[bool], ...]]:
    """What to ask, and on which conditions a bot may learn from what is found."""
    t, p = tables.conversations, tables.people
    too_young = (p.c.age_group == "under_14") & (p.c.guardian_consent == 0)
    refuses = (p.c.id == t.c.person) & (p.c.withdrawn_at.is_not(None) | too_young)
    allowed = (t.c.bot == bot, t.c.consent.in_(CONSENTS_TO_LEARN), p.c.id.is_(None))
    return conversations.outerjoin(p, refuses), allowed
