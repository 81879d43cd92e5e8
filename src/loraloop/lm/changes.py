"""Work in small steps beside something that must not wait for it: a little of it whenever there is a moment."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator

from ..errors import LoraloopError

Told = Callable[[LoraloopError | None], None]
"""Called once at the end, with what went wrong if anything did."""


class Changes:
    """Changes that are made one after another, each step by step."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Iterator[None], Told]] = deque()

    def __len__(self) -> int:
        """How many are not done."""
        return len(self._waiting)

    def add(self, steps: Iterator[None], told: Told) -> None:
        """Queue a change."""
        self._waiting.append((steps, told))

    def advance(self, seconds: float) -> None:
        """Take steps for so long; the one that is under way then is finished."""
        until = time.perf_counter() + seconds
        while self._waiting and time.perf_counter() < until:
            steps, told = self._waiting[0]
            fault = None
            try:
                if next(steps, steps) is not steps:
                    continue
            except LoraloopError as error:
                fault = error
            self._waiting.popleft()
            told(fault)
