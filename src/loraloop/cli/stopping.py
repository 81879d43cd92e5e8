"""Commands that go on until they are told to stop: SIGTERM and SIGINT end them in order."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def told_to_stop(then: Callable[[], object] = lambda: None) -> Iterator[threading.Event]:
    """Give an event that is set when this process is told to stop.

    Args:
        then: called at that moment, in the main thread, whatever that is doing.
    """
    stop = threading.Event()

    def asked(number: int, frame: FrameType | None) -> None:
        stop.set()
        then()

    before = {one: signal.signal(one, asked) for one in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
