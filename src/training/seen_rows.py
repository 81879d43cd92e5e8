"""How many good conversations a caller's collector has ever shown: what the scheduler counts new ones by."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from loraloop.data.records import record_time
from loraloop.ports import StateStore

log = logging.getLogger(__name__)


class SeenRows:
    """Counts on over a restart, whatever the collector forgets meanwhile.

    A collector's own count may begin anew when its process does, and a window of days loses rows at its end; the
    scheduler needs a number that only grows.

    Args:
        collector: with ``get_recent_data(days)``; where it has ``get_collection_statistics()``, that is asked, for it
            reads no text.
        is_good: whether a record would be learnt from.
        state: where the count is kept, under ``key``.
    """

    def __init__(
        self, collector: Any, is_good: Callable[[Mapping[str, Any]], bool], state: StateStore, key: str
    ) -> None:
        self._collector, self._is_good = collector, is_good
        self._state, self._key = state, key

    def __call__(self) -> int:
        """Return the count; a collector that fails shows nothing new this time."""
        kept = {"total": 0, "valid": 0, "newest": "", **(self._state.read(self._key) or {})}
        try:
            now = self._looked(kept)
        except Exception as error:  # a caller's code; the scheduler must go on looking
            log.warning("the data collector failed (%s); nothing new is counted", type(error).__name__)
            return int(kept["total"])
        if now != kept:
            self._state.write(self._key, now)
        return int(now["total"])

    def _looked(self, kept: Mapping[str, Any]) -> dict[str, Any]:
        valid = self._valid_samples()
        if valid is not None:
            new = valid - kept["valid"] if valid >= kept["valid"] else valid  # fewer: it began anew
            return {**kept, "total": kept["total"] + new, "valid": valid}
        times = [
            moment.isoformat()
            for record in self._collector.get_recent_data(7) or ()
            if isinstance(record, Mapping)
            and (moment := record_time(record)).isoformat() > kept["newest"]
            and self._is_good(record)
        ]
        return {**kept, "total": kept["total"] + len(times), "newest": max(times, default=kept["newest"])}

    def _valid_samples(self) -> int | None:
        ask = getattr(self._collector, "get_collection_statistics", None)
        if not callable(ask):
            return None
        statistics = ask()
        try:
            return int(statistics["quality_stats"]["valid_samples"])
        except (KeyError, TypeError, ValueError):
            return None
