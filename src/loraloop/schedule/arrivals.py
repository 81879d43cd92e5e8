"""What came since the last good run, asked of a store: rows, corrections, judgements, topics."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Protocol

from ..ports import Store
from ..types import CONSENTS_TO_LEARN, Arrived, Conversation, Mark
from .config import SchedulerConfig
from .drift import MOST_PEOPLE, level_of, look_number, topic_counts, topic_drift
from .facts import Drift

log = logging.getLogger(__name__)


class Arrivals(Protocol):
    """Who knows what came; a scheduler without one counts with ``new_rows``."""

    def mark(self) -> Mark | None:
        """Return the mark of the last dataset."""
        ...

    def since(self, mark: Mark | None) -> Arrived:
        """Return what came after a mark."""
        ...

    def drift(self, mark: Mark | None, config: SchedulerConfig) -> Drift | None:
        """Return how far topics are from those of the mark's dataset; ``None`` before there is enough to compare."""
        ...


class StoreArrivals:
    """Arrivals of one bot's store.

    Args:
        store: where conversations are. bot: whose. secret: key of the topics' buckets.
    """

    def __init__(self, store: Store, bot: str, secret: bytes) -> None:
        self._store, self._bot, self._secret = store, bot, secret

    def mark(self) -> Mark | None:
        """See ``Arrivals``."""
        return self._store.arrivals.mark(self._bot)

    def since(self, mark: Mark | None) -> Arrived:
        """See ``Arrivals``."""
        return self._store.arrivals.since(self._bot, mark)

    def drift(self, mark: Mark | None, config: SchedulerConfig) -> Drift | None:
        """See ``Arrivals``; compared once for each doubling of new people, and the numbers kept, never the words."""
        dataset = self._store.datasets.get(mark.dataset_id) if mark else None
        if dataset is None:
            return None
        people = self._store.arrivals.people_since(self._bot, dataset.created_at)
        look = look_number(people, config.drift_min_people)
        if look is None:
            return None
        asked = {"dataset_id": dataset.id, "look": look, "alpha": config.drift_false_alarm_frac}
        kept = self._store.state.read(self._key) or {}
        if {key: kept.get(key) for key in asked} == asked:
            return Drift(**kept["drift"]) if kept["drift"] else None
        found = self._compared(dataset.created_at, level_of(look, config.drift_false_alarm_frac))
        self._store.state.write(self._key, {**asked, "drift": dict(found) if found else None})
        return found

    @property
    def _key(self) -> str:
        return f"drift:{self._bot}"

    def _compared(self, at: datetime, level: float) -> Drift | None:
        before: dict[str, dict[int, int]] = {}
        since: dict[str, dict[int, int]] = {}
        for conversation in self._store.conversations.iterate(self._bot):
            if conversation.consent not in CONSENTS_TO_LEARN:
                continue
            side = since if conversation.created_at > at else before
            who = conversation.user or conversation.session or conversation.id
            added = side.pop(who, {})  # the newest come last, and stay
            for bucket, count in topic_counts(_questions(conversation), self._secret).items():
                added[bucket] = added.get(bucket, 0) + count
            side[who] = added
            if len(side) > MOST_PEOPLE:
                del side[next(iter(side))]
        if min(len(before), len(since)) < 2:
            return None
        found = topic_drift(list(before.values()), list(since.values()), level=level)
        log.info("topics compared: %d people before, %d since, p %.3g", found.before, found.since, found.p_value)
        return found


def _questions(conversation: Conversation) -> Iterator[Any]:
    return (message.text for message in conversation.messages if message.role == "user")
