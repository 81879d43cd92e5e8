"""A thread that does what is due, again and again; somebody who asks, in this process or another, wakes it at once."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from .asking import NOTICED_EVERY_S, Inbox

log = logging.getLogger(__name__)


class Lookout:
    """Calls one function, waits as long as it says, and calls it again.

    Args:
        look: does what is due; returns the seconds to wait, 0 for none. It handles its own errors.
        inbox: where other processes ask.

    Attributes:
        is_running: whether the thread goes on.
    """

    def __init__(self, look: Callable[[], float], inbox: Inbox | None) -> None:
        self._look, self._inbox = look, inbox
        self._wake = threading.Condition()
        self._thread: threading.Thread | None = None
        self._knocked = False
        self.is_running = False

    def start(self) -> bool:
        """Start the thread; returns whether there was none."""
        with self._wake:
            if self.is_running:
                return False
            self.is_running = True
            self._thread = threading.Thread(target=self._look_on, name="loraloop-scheduler", daemon=True)
            self._thread.start()
            return True

    def stop(self, timeout_s: float) -> bool:
        """Stop, and wait that long for what is under way; nothing follows it. Returns whether the thread ran."""
        with self._wake:
            was_running, self.is_running = self.is_running, False
            self._wake.notify_all()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout_s)
            if thread.is_alive():
                log.warning("a run is still under way; it ends by itself and nothing follows it")
        return was_running

    def knock(self) -> None:
        """Let it look now."""
        with self._wake:
            self._knocked = True
            self._wake.notify_all()

    def _look_on(self) -> None:
        while True:
            with self._wake:
                if not self.is_running or threading.current_thread() is not self._thread:
                    return
                self._knocked = False
            seconds = self._look()
            with self._wake:
                self._wait(seconds)

    def _wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while self.is_running and not self._knocked and (left := end - time.monotonic()) > 0:
            if self._inbox is not None and self._inbox.changed():
                return
            self._wake.wait(left if self._inbox is None else min(left, NOTICED_EVERY_S))
