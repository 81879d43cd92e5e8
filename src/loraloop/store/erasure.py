"""Erasure inside the database: every row of a person, every quotation, every name; and which values learnt from them.

What is deleted is overwritten (``secure_delete``), the write-ahead log is emptied and the file written anew, so that no
byte of it is left. On PostgreSQL the tables are rewritten; its own log of writes is its administrator's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from ..types import Part
from . import codec, tables
from .database import Database
from .datasets import datasets_with
from .tombstones import Tombstones

FORGOTTEN = "forgotten"
"""What stands where a name of a forgotten person or conversation stood."""
QUOTE_CHARS = 12
"""Characters in a row that an answer may share with a forgotten text; more is a quotation."""
_PAGE = 500
_C = tables.conversations
_NAMED: tuple[tuple[sa.Table, str], ...] = (
    (tables.records, "body"), (tables.releases, "body"), (tables.events, "facts"), (tables.events, "actor"),
    (tables.state, "value"), (tables.jobs, "actor"), (tables.jobs, "reason"), (tables.jobs, "stages"),
    (tables.jobs, "metadata"), (tables.jobs, "error"), (tables.job_events, "facts"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Erased:
    """What an erasure took out. Texts and names live only as long as this value.

    Attributes:
        people, conversations: pseudonyms and ids.
        texts: everything they said, to look for it in files.
        rows: table -> rows deleted. quotations: items of reports that quoted them.
        datasets, adapters, releases: ids of what learnt from them. bots: whose.
    """

    people: frozenset[str]
    conversations: frozenset[str]
    texts: frozenset[str]
    rows: dict[str, int]
    quotations: int
    datasets: tuple[str, ...]
    adapters: tuple[str, ...]
    releases: tuple[str, ...]
    bots: tuple[str, ...]


class Eraser:
    """Takes people and conversations out of one database."""

    def __init__(self, database: Database, tombstones: Tombstones) -> None:
        self._database, self._tombstones = database, tombstones

    def conversations_of(self, people: Collection[str]) -> set[str]:
        """Return the ids of everything some people said."""
        with self._database.read() as connection:
            return _ids(connection, _C, _C.c.id, _C.c.person, people)

    def older_than(self, moment: datetime) -> list[str]:
        """Return the ids of all conversations held before a moment, of whichever bot, but for public corpora."""
        query = sa.select(_C.c.id).where(_C.c.created_at < codec.stamp(moment), _C.c.consent != "public")
        with self._database.read() as connection:
            return list(connection.execute(query).scalars())

    def erase(self, people: Collection[str], conversations: Collection[str], *, for_ever: bool = True) -> Erased:
        """Delete people and conversations with all that hangs on them, in one transaction.

        Args:
            people: pseudonyms; all they said goes, and all feedback they gave.
            conversations: ids.
            for_ever: leave tombstones; without them the same talk may be added again.
        """
        with self._database.write() as connection:
            ids = set(conversations) | _ids(connection, _C, _C.c.id, _C.c.person, people)
            texts, bots = _said(connection, ids, people)
            datasets = sorted(datasets_with(connection, ids))
            adapters = _adapters_of(connection, datasets)
            releases = _releases_of(connection, adapters)
            rows = _deleted(connection, ids, people)
            quotations = _unquoted(connection, ids, texts)
            _unnamed(connection, ids | set(people))
            if for_ever:
                meant = [*(("person", one) for one in people), *(("conversation", one) for one in ids)]
                digests = [digest for kind, value in meant for digest in self._tombstones.digests_of(kind, value)]
                self._tombstones.add(connection, digests)
        return Erased(
            frozenset(people), frozenset(ids), frozenset(texts), rows, quotations,
            tuple(datasets), tuple(adapters), tuple(releases), tuple(sorted(bots)),
        )  # fmt: skip

    def scrub(self) -> None:
        """Leave no byte of what was deleted: empty the write-ahead log and write the file anew."""
        self._database.scrub()


def _pages(values: Collection[str]) -> Iterator[list[str]]:
    listed = sorted(values)
    for begin in range(0, len(listed), _PAGE):
        yield listed[begin : begin + _PAGE]


def _ids(connection: sa.Connection, table: sa.Table, wanted: Any, column: Any, values: Collection[str]) -> set[str]:
    found: set[str] = set()
    for page in _pages(values):
        found.update(connection.execute(sa.select(wanted).select_from(table).where(column.in_(page))).scalars())
    return found


def _said(connection: sa.Connection, ids: Collection[str], people: Collection[str]) -> tuple[set[str], set[str]]:
    """All texts of some conversations and of what some people said of others, and the bots they were said to."""
    texts: set[str] = set()
    bots: set[str] = set()
    for page in _pages(ids):
        query = sa.select(_C.c.bot, _C.c.messages, _C.c.session).where(_C.c.id.in_(page))
        for bot, messages, session in connection.execute(query):
            bots.add(bot)
            parts = [codec.decode(Part, json.dumps(part)) for said in json.loads(messages) for part in said["content"]]
            texts.update(part.text for part in parts)
            texts.update([session] if session else [])
    for _, body in _feedback(connection, ids, people):
        texts.add(json.loads(body).get("text", ""))
    return {text for text in texts if len(text) >= QUOTE_CHARS}, bots


def _feedback(connection: sa.Connection, ids: Collection[str], people: Collection[str]) -> list[tuple[int, str]]:
    """Feedback on some conversations, and by some people on any."""
    f = tables.feedback
    by_them = [f'%"actor": {json.dumps(one, ensure_ascii=False)}%' for one in people]
    where = [f.c.conversation_id.in_(page) for page in _pages(ids)] + [f.c.body.like(pattern) for pattern in by_them]
    found: dict[int, str] = {}
    for condition in where:
        for feedback_id, body in connection.execute(sa.select(f.c.id, f.c.body).where(condition)):
            found[feedback_id] = body
    return list(found.items())


def _adapters_of(connection: sa.Connection, datasets: Sequence[str]) -> list[str]:
    """Adapters taught with some datasets, and those that were warm-started from one of them."""
    r = tables.records
    taught: dict[str, tuple[str | None, str | None]] = {}
    for adapter_id, body in connection.execute(sa.select(r.c.id, r.c.body).where(r.c.kind == "Adapter")):
        facts = json.loads(body)
        taught[adapter_id] = (facts.get("dataset_id"), facts.get("parent_id"))
    touched = {one for one, (dataset, _) in taught.items() if dataset in set(datasets)}
    while more := {one for one, (_, parent) in taught.items() if parent in touched} - touched:
        touched |= more
    return sorted(touched)


def _releases_of(connection: sa.Connection, adapters: Sequence[str]) -> list[str]:
    r = tables.releases
    found = connection.execute(sa.select(r.c.id, r.c.body))
    return sorted(release_id for release_id, body in found if json.loads(body).get("adapter_id") in set(adapters))


def _deleted(connection: sa.Connection, ids: Collection[str], people: Collection[str]) -> dict[str, int]:
    """Delete from every table that names a conversation or a person; returns table -> rows."""
    gone = {"feedback": 0, "drops": 0, "opinions": _opinions_deleted(connection, ids, people)}
    f, d = tables.feedback, tables.drops
    for feedback_id, _ in _feedback(connection, ids, people):
        gone["feedback"] += connection.execute(sa.delete(f).where(f.c.id == feedback_id)).rowcount
    targets = [t for t in connection.execute(sa.select(d.c.target)).scalars() if t.partition("#")[0] in ids]
    for page in _pages(targets):
        gone["drops"] += connection.execute(sa.delete(d).where(d.c.target.in_(page))).rowcount
    for table in reversed(tables.metadata.sorted_tables):
        named = (("conversation_id", ids), ("person", people), ("person_id", people))
        for column, values in (
            *named,
            *((("id", ids),) if table is _C else (("id", people),) if table is tables.people else ()),
        ):
            if column in table.c and table is not f:
                for page in _pages(values):
                    done = connection.execute(sa.delete(table).where(table.c[column].in_(page))).rowcount
                    gone[table.name] = gone.get(table.name, 0) + done
    return gone


def _opinions_deleted(connection: sa.Connection, ids: Collection[str], people: Collection[str]) -> int:
    """Delete what anybody said of their answers, and what they said of any; returns how many."""
    o, c, count = tables.opinions, tables.completions, 0
    of_answers = [
        o.c.completion_id.in_(sa.select(c.c.id).where(column.in_(page)))
        for column, values in ((c.c.conversation_id, ids), (c.c.person, people))
        for page in _pages(values)
    ]
    for condition in (*of_answers, *(o.c.actor.in_(page) for page in _pages(people))):
        count += connection.execute(sa.delete(o).where(condition)).rowcount
    return count


def quotes(text: str, shingles: Collection[str]) -> bool:
    """Return whether ``QUOTE_CHARS`` characters in a row of a text stand in one of the forgotten ones."""
    return any(text[at : at + QUOTE_CHARS] in shingles for at in range(len(text) - QUOTE_CHARS + 1))


def shingles_of(texts: Collection[str]) -> set[str]:
    """Return every run of ``QUOTE_CHARS`` characters in some texts."""
    return {text[at : at + QUOTE_CHARS] for text in texts for at in range(len(text) - QUOTE_CHARS + 1)}


def _unquoted(connection: sa.Connection, ids: Collection[str], texts: Collection[str]) -> int:
    """Empty the items of reports that asked or quoted them, and drop the losses on their rows; returns how many."""
    r, shingles, count = tables.records, shingles_of(texts), 0
    for report_id, body in connection.execute(sa.select(r.c.id, r.c.body).where(r.c.kind == "Report")).all():
        report = json.loads(body)
        changed = 0
        for item in report.get("items", ()):
            theirs = str(item.get("item", "")).partition("#")[0] in ids
            if theirs or quotes(item.get("answer", ""), shingles) or quotes(item.get("question", ""), shingles):
                # without its digest nobody takes the empty answer for one that is known
                item.update(answer="", question="", asked="", item=FORGOTTEN if theirs else item["item"])
                changed += 1
        losses = [loss for loss in report.get("losses", ()) if loss["conversation_id"] not in ids]
        if changed or len(losses) != len(report.get("losses", ())):
            text = codec.json_text({**report, "losses": losses})
            where = (r.c.kind == "Report", r.c.id == report_id)
            connection.execute(sa.update(r).where(*where).values(body=text))
            count += changed
    return count


def _unnamed(connection: sa.Connection, names: Collection[str]) -> None:
    """Put a word in place of pseudonyms and ids wherever values, events and small state name them."""
    if not names:
        return
    pattern = re.compile("|".join(map(re.escape, sorted(names, key=len, reverse=True))))
    for table, column in _NAMED:
        keys = list(table.primary_key.columns)
        for row in connection.execute(sa.select(*keys, table.c[column])).all():
            *identity, text = row
            if pattern.search(text):
                where = [key == value for key, value in zip(keys, identity, strict=True)]
                values = {column: pattern.sub(FORGOTTEN, text)}
                connection.execute(sa.update(table).where(*where).values(values))
