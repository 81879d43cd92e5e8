"""Keeps what was said, off the request's path or before it is acknowledged, many requests' rows in one transaction."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from ..traffic import Served

log = logging.getLogger(__name__)

Keep = Callable[[Sequence[Served]], None]


class Keeper(Protocol):
    """Stores exchanges in an archive's place, apart from the process that answers."""

    def keep(self, batch: Sequence[Served]) -> None:
        """As ``Archive.keep``."""
        ...

    def close(self) -> None:
        """Called once, after the last exchange was handed over."""
        ...


BATCH = 256
RETRY_S = 1.0
"""After a failed write: how long strict capture refuses before it tries the store again."""
LINGER_S = 0.5
"""How long rows gather when nobody waits for them: a transaction costs as much as some ten of its rows."""
_Waiting = tuple[Served, "asyncio.Future[None] | None"]


class Recorder:
    """A bounded queue and one thread that writes what waits in it, all of it at a time.

    Args:
        keep: writes a batch, all or none, redacting it first; raises where it cannot, a ``ValueError`` where one of
            the exchanges can never be stored.
        most: how many may wait.
        linger_s: how long the thread lets rows gather when nobody waits for them.

    Attributes:
        stored, dropped, failed: how many exchanges were written, found the queue full, or were lost with a batch.
    """

    def __init__(self, keep: Keep, most: int, linger_s: float = LINGER_S) -> None:
        self._keep, self._most, self._linger_s = keep, most, linger_s
        self._queue: deque[_Waiting] = deque()
        self._wake, self._written = threading.Condition(), threading.Condition()
        self._awake = self._stopping = self._urgent = False
        self._failed_at = -RETRY_S
        self.stored = self.dropped = self.failed = 0
        self._put = 0  # exchanges queued so far; all but those that wait were stored or failed
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """How many exchanges wait to be written."""
        return len(self._queue)

    @property
    def is_broken(self) -> bool:
        """Whether the last write failed, a moment ago."""
        return time.monotonic() - self._failed_at < RETRY_S

    def offer(self, served: Served) -> bool:
        """Best effort: put an exchange on the queue and go on; a full queue drops and counts it."""
        if len(self._queue) >= self._most or self._stopping:
            self.dropped += 1
            return False
        self._put += 1
        self._queue.append((served, None))
        if not self._awake:
            self._notify(urgent=False)
        return True

    async def keep(self, served: Sequence[Served]) -> None:
        """Strict: return when these exchanges are durable.

        Raises:
            Exception: whatever the store said; they are not stored.
        """
        if len(self._queue) >= self._most or self._stopping:
            self.dropped += len(served)
            raise BufferError("the queue of exchanges to be written is full")
        loop = asyncio.get_running_loop()
        waiting = [(one, loop.create_future()) for one in served]
        self._put += len(waiting)
        self._queue.extend(waiting)
        self._notify(urgent=True)
        await asyncio.gather(*(future for _, future in waiting))

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Wait until what is queued now is written, whatever comes after it; returns whether it was.

        Slow: run it in a thread.
        """
        put = self._put
        self._notify(urgent=True)
        with self._written:
            return self._written.wait_for(lambda: self.stored + self.failed >= put, timeout_s)

    def close(self, timeout_s: float = 10.0) -> bool:
        """Write what waits, then stop the thread; returns whether all was written."""
        done = self.flush(timeout_s)
        self._stopping = True
        self._notify(urgent=True)
        self._thread.join(timeout_s)
        return done

    def _notify(self, *, urgent: bool) -> None:
        with self._wake:
            self._awake, self._urgent = True, self._urgent or urgent
            self._wake.notify()

    def _run(self) -> None:
        while True:
            with self._wake:
                self._awake = False
                self._wake.wait_for(lambda: bool(self._queue) or self._stopping)
                if not self._queue:
                    return
                if not self._urgent and len(self._queue) < BATCH:
                    self._wake.wait_for(lambda: self._urgent or self._stopping, self._linger_s)
                self._awake, self._urgent = True, False
            for _ in range(0, len(self._queue), BATCH):  # what comes meanwhile gathers for the next time
                self._write([self._queue.popleft() for _ in range(min(BATCH, len(self._queue)))])
                with self._written:
                    self._written.notify_all()

    def _write(self, batch: Sequence[_Waiting]) -> None:
        fault: Exception | None = None
        try:
            self._keep([served for served, _ in batch])
            self.stored += len(batch)
        except Exception as error:  # whatever it is, only this batch is lost, and it is counted
            if isinstance(error, ValueError) and len(batch) > 1:  # one of them cannot be stored; the others can
                for one in batch:
                    self._write([one])
                return
            fault = error
            if not isinstance(error, ValueError):
                self._failed_at = time.monotonic()
            self.failed += len(batch)
            log.warning("%d exchanges were not stored (%s); see loraloop doctor", len(batch), type(error).__name__)
        for _, future in batch:
            if future is not None:
                future.get_loop().call_soon_threadsafe(_settle, future, fault)


def _settle(future: asyncio.Future[None], fault: Exception | None) -> None:
    if future.done():  # whoever waited has gone
        return
    if fault is None:
        future.set_result(None)
    else:
        future.set_exception(fault)
