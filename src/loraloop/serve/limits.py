"""How fast a key may ask: a token bucket for each."""

from __future__ import annotations

import time
from collections.abc import Callable

SWEEP_AT = 10_000
"""Buckets that are held before those that are full again, and so say nothing, are let go."""


class Buckets:
    """One token bucket a key.

    Args:
        per_minute: tokens that flow in. burst: most that a bucket holds.
        clock: seconds that only go forward.
    """

    def __init__(self, per_minute: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_s, self._burst, self._clock = per_minute / 60.0, float(burst), clock
        self._state: dict[str, tuple[float, float]] = {}
        self._sweep_at = SWEEP_AT

    def __len__(self) -> int:
        """How many are held."""
        return len(self._state)

    def take(self, key: str) -> float:
        """Take a token; returns 0, or the seconds after which there will be one."""
        now = self._clock()
        if len(self._state) >= self._sweep_at:
            self._sweep(now)
        held = self._held(*self._state.get(key, (self._burst, now)), now)
        if held < 1.0:
            self._state[key] = (held, now)
            return (1.0 - held) / self._per_s
        self._state[key] = (held - 1.0, now)
        return 0.0

    def _held(self, held: float, at: float, now: float) -> float:
        return min(self._burst, held + (now - at) * self._per_s)

    def _sweep(self, now: float) -> None:
        """Whoever sends without a key is told apart by address, and there are more of these than memory."""
        self._state = {key: one for key, one in self._state.items() if self._held(*one, now) < self._burst}
        self._sweep_at = max(SWEEP_AT, 2 * len(self._state))
