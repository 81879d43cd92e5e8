"""What goes on beside the requests while a gateway serves: one sees when it stops, and its end raises nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

log = logging.getLogger(__name__)


class Loop:
    """One such task.

    Args:
        name: what it does, in words; ``/readyz`` names it where it has stopped.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._task: asyncio.Task[None] | None = None

    @property
    def has_stopped(self) -> bool:
        """Whether it was started, nobody closed it, and yet it does not run any more."""
        return self._task is not None and self._task.done()

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Begin."""
        self._task = asyncio.create_task(work)
        self._task.add_done_callback(self._tell)

    async def close(self) -> None:
        """Stop it, whatever it died of."""
        task, self._task = self._task, None
        await ended(task)

    def _tell(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            log.error("%s has stopped: %s", self.name, type(task.exception()).__name__)


async def ended(task: asyncio.Task[Any] | None) -> None:
    """Cancel a task and wait for its end; what it died of is not raised, so that whoever closes goes on closing."""
    if task is not None:
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # heard
