"""How fast a key may ask: a token bucket for each."""

from __future__ import annotations

import time
from collections.abc import Callable


class Buckets:
    """One token bucket a key.

    Args:
        per_minute: tokens that flow in. burst: most that a bucket holds.
        clock: seconds that only go forward.
    """

    def __init__(self, per_minute: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_s, self._burst, self._clock = per_minute / 60.0, float(burst), clock
        self._state: dict[str, tuple[float, float]] = {}

    def take(self, key: str) -> float:
        """Take a token; returns 0, or the seconds after which there will be one."""
        now = self._clock()
        held, at = self._state.get(key, (self._burst, now))
        held = min(self._burst, held + (now - at) * self._per_s)
        if held < 1.0:
            self._state[key] = (held, now)
            return (1.0 - held) / self._per_s
        self._state[key] = (held - 1.0, now)
        return 0.0
