"""Runs asked for from other processes: one small file each in a folder of the home, noticed within milliseconds."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import secrets
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import LoraloopError, StoreBusy, StoreError
from ..store.durable import write_durably
from ..store.location import checked_name

log = logging.getLogger(__name__)

NOTICED_EVERY_S = 0.02
"""Seconds between looks at the folder: one ``stat`` each, a few microseconds."""
_TICK_NS = 50_000_000
_TRIES = 3


class Inbox:
    """Where one bot's requests lie until the scheduler has written them down.

    A request is a file that is whole or absent. It is removed after the job is in the scheduler's memory, and a job
    remembers its request, so that a crash in between makes neither none nor two of it.

    Args:
        folder: the home. bot: whose scheduler.
    """

    def __init__(self, folder: Path, bot: str) -> None:
        self._folder, self._bot = folder / "triggers" / bot, bot
        self._lock = folder / f"schedule-{bot}.lock"
        self._seen: int | None = None

    def ask(self, name: str) -> str:
        """Ask for a run under a name; returns the request's id.

        Raises:
            BadName: the name could not name an adapter. StoreError: the home cannot be written to.
        """
        checked_name(name)
        request = secrets.token_hex(8)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_durably(self._folder / f"{request}.json", json.dumps({"name": name}))
        except OSError as error:
            raise StoreError(f"cannot write to {self._folder}: {error.strerror}") from error
        return request

    def changed(self) -> bool:
        """Return whether something came or went since this was last asked; one ``stat``."""
        try:
            now = self._folder.stat().st_mtime_ns
        except OSError:
            now = None
        was, self._seen = self._seen, now
        if now is None:
            return False
        # A folder's time moves in ticks of some milliseconds: what came within the tick that was seen shows only here.
        return now != was or abs(time.time_ns() - now) < _TICK_NS

    def waiting(self) -> list[tuple[str, str]]:
        """Return ``(request, name)`` of what was asked for, oldest first; what is no request is removed, aloud."""
        found = []
        for path in sorted(self._folder.glob("*.json"), key=_age):
            try:
                found.append((path.stem, checked_name(json.loads(path.read_text(encoding="utf-8"))["name"])))
            except FileNotFoundError:
                continue
            except (OSError, LoraloopError, ValueError, KeyError, TypeError) as error:
                log.warning("%s is no request (%s) and is removed", path.name, type(error).__name__)
                path.unlink(missing_ok=True)
        return found

    def take(self, known: Collection[str], keep: Callable[[str, str], object]) -> None:
        """Hand each request to ``keep(name, request)``, and forget it only when that has returned.

        Args:
            known: requests that are kept already.
        """
        for request, name in self.waiting():
            if request not in known:
                keep(name, request)
            (self._folder / f"{request}.json").unlink(missing_ok=True)

    @contextmanager
    def looked_after(self) -> Iterator[None]:
        """Be the one scheduler that looks after this bot, for as long as the block lasts.

        Raises:
            StoreBusy: another process or thread does. StoreError: the home cannot be written to.
        """
        try:
            file = self._lock.open("a")
        except OSError as error:
            raise StoreError(f"cannot write to {self._lock}: {error.strerror}") from error
        with file:
            for left in reversed(range(_TRIES)):  # somebody who only asks holds it for an instant
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if not left:
                        raise StoreBusy(
                            f"a scheduler of bot {self._bot!r} is looking on already",
                            hint="ask it for a run: loraloop schedule trigger NAME; or stop it first",
                        ) from None
                    time.sleep(NOTICED_EVERY_S)
            yield

    def is_looked_after(self) -> bool:
        """Return whether a scheduler is looking on."""
        try:
            with self._lock.open("a") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            pass
        return False


def _age(path: Path) -> tuple[int, str]:
    try:
        return os.stat(path).st_mtime_ns, path.name
    except OSError:
        return 0, path.name
