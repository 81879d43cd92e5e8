"""A clock for tests: it stands still until it is moved."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


class MovedClock:
    """Tells the same time until ``move`` is called.

    Args:
        start: the first time it tells, aware.
    """

    def __init__(self, start: datetime = START) -> None:
        self._now = start

    def now(self) -> datetime:
        """See ``ports.Clock``."""
        return self._now

    def move(self, *, hours: float = 0.0, seconds: float = 0.0) -> None:
        """Move on, or back where the sum is negative."""
        self._now += timedelta(hours=hours, seconds=seconds)
