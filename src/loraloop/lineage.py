"""Which rows taught the adapter that gave this answer, and which answers did this row teach? One walk, both ways."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from .errors import UnknownThing
from .ports import Store
from .types import Adapter, Record

ALL = 1_000_000
"""A limit that no home reaches."""


@dataclass(frozen=True, slots=True)
class Lineage(Record):
    """Everything on the way from an id to both ends, by id and never by text.

    Attributes:
        id: what was asked about. kind: ``"conversation"``, ``"dataset"``, ``"adapter"`` or ``"release"``.
        taught_by: conversations whose rows taught it.
        datasets, adapters, releases: what stands between.
        answers: conversations that its releases answered.
    """

    id: str
    kind: str
    taught_by: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    adapters: tuple[str, ...] = ()
    releases: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()


def lineage(store: Store, bot: str, thing: str) -> Lineage:
    """Walk from an id both ways.

    From a conversation: the release that answered it and what taught that one, and the datasets, adapters and releases
    that its own rows taught, with their answers. From a dataset, adapter or release: its rows, and its answers.

    Args:
        thing: id of a conversation (or ``ID#INDEX``), dataset, adapter or release; an adapter's name.

    Raises:
        UnknownThing: the bot has nothing of that id.
    """
    walk = _Walk(store, bot)
    conversation_id = thing.partition("#")[0]
    found = store.conversations.get(conversation_id)
    if found is not None and found.bot == bot:
        return walk.of_conversation(thing, conversation_id, found.release_id)
    if thing in walk.releases:
        adapter_id = walk.releases[thing]
        return walk.of("release", thing, {adapter_id} if adapter_id else set(), {thing})
    for adapter in walk.adapters.values():
        if thing in (adapter.id, adapter.name):
            return walk.of("adapter", adapter.id, {adapter.id}, walk.releases_of({adapter.id}))
    if thing in walk.rows:
        taught = {one.id for one in walk.adapters.values() if one.dataset_id == thing}
        return walk.of("dataset", thing, taught, walk.releases_of(taught), {thing})
    raise UnknownThing(f"bot {bot!r} has nothing called {thing!r}", hint="ids are shown by loraloop history and chat")


class _Walk:
    """The values of one bot, read once."""

    def __init__(self, store: Store, bot: str) -> None:
        self._store, self._bot = store, bot
        self.adapters: dict[str, Adapter] = {one.id: one for one in store.adapters.list(bot, ALL)}
        self.releases = {one.id: one.adapter_id for one in store.releases.history(bot, ALL)}
        self.rows = {one.id: {row.conversation_id for row in one.rows if row.split == "train"}
                     for one in store.datasets.list(bot, ALL)}  # fmt: skip

    def of_conversation(self, thing: str, conversation_id: str, answered_by: str | None) -> Lineage:
        datasets = {one for one, rows in self.rows.items() if conversation_id in rows}
        taught = self._with_heirs({one.id for one in self.adapters.values() if one.dataset_id in datasets})
        down = self.of("conversation", thing, taught, self.releases_of(taught), datasets, rows=False)
        if answered_by is None:
            return down
        adapter_id = self.releases.get(answered_by)
        up = self.of("conversation", thing, {adapter_id} if adapter_id else set(), {answered_by}, answers=False)
        return replace(
            down,
            taught_by=up.taught_by,
            datasets=_sorted({*up.datasets, *down.datasets}),
            adapters=_sorted({*up.adapters, *down.adapters}),
            releases=_sorted({*up.releases, *down.releases}),
        )

    def of(self, kind: str, thing: str, adapters: set[str], releases: set[str], datasets: set[str] | None = None,
           *, rows: bool = True, answers: bool = True) -> Lineage:  # fmt: skip
        line = self._with_parents(adapters) if rows else adapters
        named = {dataset for one in line if one in self.adapters and (dataset := self.adapters[one].dataset_id)}
        made_of = named | (datasets or set())
        taught_by = {cid for one in made_of for cid in self.rows.get(one, ())} if rows else set()
        talks = self._store.conversations.iterate(self._bot) if answers else ()
        return Lineage(
            thing,
            kind,
            taught_by=_sorted(taught_by),
            datasets=_sorted(made_of),
            adapters=_sorted(line),
            releases=_sorted(releases),
            answers=_sorted(talk.id for talk in talks if talk.release_id in releases),
        )

    def releases_of(self, adapters: set[str]) -> set[str]:
        return {one for one, adapter_id in self.releases.items() if adapter_id in adapters}

    def _with_parents(self, adapters: set[str]) -> set[str]:
        """With every adapter that training of one of them started from: what taught those taught these."""
        line = set(adapters)
        while more := {p for one in line if one in self.adapters and (p := self.adapters[one].parent_id)} - line:
            line |= more
        return line

    def _with_heirs(self, adapters: set[str]) -> set[str]:
        line = set(adapters)
        while more := {one.id for one in self.adapters.values() if one.parent_id in line} - line:
            line |= more
        return line


def _sorted(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(values))
