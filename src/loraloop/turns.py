"""What is remembered of a bot's last whole turn, for the schedule that counts on from it."""

from __future__ import annotations

from datetime import datetime

from .ports import StateStore, Store
from .types import Mark


def last_turn(state: StateStore, bot: str) -> tuple[int, datetime, Mark | None] | None:
    """Return how many conversations there were when a bot's last whole turn began, when it ended, and its mark.

    The schedule counts on from there; what its own runs learn from, it remembers itself.
    """
    kept = state.read(_key(bot))
    if not kept:
        return None
    mark = Mark(**kept["mark"]) if kept.get("mark") else None
    return int(kept["rows"]), datetime.fromisoformat(kept["at"]), mark


def remember_turn(store: Store, bot: str, rows: int, at: datetime) -> None:
    """Write down that a whole turn ended which began with so many conversations."""
    mark = store.arrivals.mark(bot)
    store.state.write(_key(bot), {"rows": rows, "at": at.isoformat(), "mark": dict(mark) if mark else None})


def _key(bot: str) -> str:
    return f"turn:{bot}"
