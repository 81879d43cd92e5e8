"""What a process that serves for weeks does now and then, as opening a home does once: what is owed is settled."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from .errors import in_words
from .serve.loops import Loop

if TYPE_CHECKING:
    from .wiring import Home

log = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def looked_after(home: Home, every_s: float, loop: Loop | None = None) -> AsyncIterator[None]:
    """While this context lasts, settle every so often, in a thread, what is owed to people who were forgotten.

    Overdue releases go back, what a restored backup brought is erased again, and what is kept too long is pruned.

    Args:
        loop: what it runs as, for whoever tells that it has stopped.
    """
    loop = loop or upkeep_loop()
    loop.start(_look_after(home, every_s))
    try:
        yield
    finally:
        await loop.close()


def upkeep_loop() -> Loop:
    """What upkeep runs as."""
    return Loop("the upkeep")


async def _look_after(home: Home, every_s: float) -> None:
    while True:
        await asyncio.sleep(every_s)
        try:
            for done in await asyncio.to_thread(home.forgetting.look_after):
                log.info("%s", done)
        except Exception as error:  # whatever it was, the next time may settle it
            log.warning("what is owed to people who were forgotten cannot be settled now: %s", in_words(error))
