"""What the scheduler must remember over a restart."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..ports import StateStore
from ..types import utc


@dataclass
class Memory:
    """Counters and moments of one scheduler.

    Attributes:
        seen_rows: conversations there were when the last turn began; what came since is new.
        failures: failed tries since the last good turn.
        last_reason: why the last look ran or skipped, in words.
    """

    last_training_time: datetime | None = None
    last_failed_at: datetime | None = None
    total_training_runs: int = 0
    successful_runs: int = 0
    failed_runs: int = 0
    failures: int = 0
    seen_rows: int = 0
    last_reason: str = ""

    def plain(self) -> dict[str, Any]:
        """Return it as JSON-able data."""
        return {key: value.isoformat() if isinstance(value, datetime) else value for key, value in vars(self).items()}


class MemoryKeeper:
    """Reads and writes a memory under one key; without a store it lasts as long as the process."""

    def __init__(self, state: StateStore | None, key: str) -> None:
        self._state, self._key = state, key

    def load(self) -> Memory:
        """Return what was last kept, or an empty memory."""
        raw = self._state.read(self._key) if self._state is not None else None
        if not isinstance(raw, dict):
            return Memory()
        known = {key: raw[key] for key in vars(Memory()) if key in raw}
        for key in ("last_training_time", "last_failed_at"):
            known[key] = utc(known.get(key))
        return Memory(**known)

    def keep(self, memory: Memory) -> None:
        """Write it durably."""
        if self._state is not None:
            self._state.write(self._key, memory.plain())
