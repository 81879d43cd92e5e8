"""Work in small steps beside something that must not wait for it: a little of it whenever there is a moment."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator

from ..errors import LoraloopError

Told = Callable[[LoraloopError | None, float], None]
"""Called once at the end, with what went wrong if anything did, and the longest time, in seconds, taken at once."""


class Changes:
    """Changes that are made one after another, each step by step."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Iterator[None], Told]] = deque()
        self._longest_s = 0.0  # of the change that is under way

    def __len__(self) -> int:
        """How many are not done."""
        return len(self._waiting)

    def add(self, steps: Iterator[None], told: Told) -> None:
        """Queue a change."""
        self._waiting.append((steps, told))

    def advance(self, seconds: float) -> None:
        """Take steps for so long; the one that is under way then is finished."""
        start = time.perf_counter()
        while self._waiting and time.perf_counter() < start + seconds:
            steps, told = self._waiting[0]
            is_over, fault = False, None
            try:
                is_over = next(steps, steps) is steps
            except LoraloopError as error:
                is_over, fault = True, error
            self._longest_s = max(self._longest_s, time.perf_counter() - start)
            if is_over:
                self._waiting.popleft()
                told(fault, self._longest_s)
                self._longest_s = 0.0
