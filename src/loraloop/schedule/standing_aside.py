"""How a job stands aside for users, from whoever makes it do so to the store: each second is told once."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any


class StandingAside:
    """What a heartbeat says of it; heard in one thread and told in another.

    Example:
        >>> aside = StandingAside()
        >>> aside.told()
        {}
        >>> aside.hear(True, 2.0)
        >>> told = aside.told()
        >>> told
        {'yielding': 1, 'yielded_s': 2.0}
        >>> aside.hear(False, 1.0)
        >>> aside.was_heard(told)
        >>> aside.told()
        {'yielding': 0, 'yielded_s': 1.0}
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stands: bool | None = None
        self._seconds = 0.0

    def hear(self, stands: bool, seconds: float) -> None:
        """Take in whether it stands aside now, and for how long it did since the last word."""
        with self._lock:
            self._stands, self._seconds = stands, self._seconds + seconds

    def told(self) -> dict[str, Any]:
        """Return what a heartbeat says; nothing where it never stood aside."""
        with self._lock:
            return {} if self._stands is None else {"yielding": int(self._stands), "yielded_s": self._seconds}

    def was_heard(self, told: Mapping[str, Any]) -> None:
        """The store has heard this."""
        with self._lock:
            self._seconds -= told.get("yielded_s", 0.0)
