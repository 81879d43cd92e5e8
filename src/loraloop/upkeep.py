"""What a process that serves for weeks does now and then, as opening a home does once: what is owed is settled."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from .errors import LoraloopError

if TYPE_CHECKING:
    from .wiring import Home

log = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def looked_after(home: Home, every_s: float) -> AsyncIterator[None]:
    """While this context lasts, settle every so often, in a thread, what is owed to people who were forgotten.

    Overdue releases go back, what a restored backup brought is erased again, and what is kept too long is pruned.
    """
    task = asyncio.create_task(_look_after(home, every_s))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _look_after(home: Home, every_s: float) -> None:
    while True:
        await asyncio.sleep(every_s)
        try:
            for done in await asyncio.to_thread(home.forgetting.look_after):
                log.info("%s", done)
        except (LoraloopError, OSError) as error:
            log.warning("what is owed to people who were forgotten cannot be settled now: %s", error)
