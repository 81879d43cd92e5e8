"""Exchanges are redacted and written in a process of their own, so that the gateway's one has its time for answers.

Python runs one thread of a process at a time: what redaction and rows take in the gateway's process, every answer that
is being passed on waits for. ``python -m loraloop.keeper`` is spoken to by ``ApartKeeper`` only; words go over pipes
and touch no disk but the database.
"""

from __future__ import annotations

import os
import pickle
import struct
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import fields
from operator import attrgetter
from pathlib import Path
from select import POLLIN, POLLOUT, poll
from typing import IO, TYPE_CHECKING, Any

from .archive import HomeArchive
from .errors import DataError, StoreError
from .lm.child import child_command, child_environment, die_with_parent
from .traffic import Served

if TYPE_CHECKING:
    from .wiring import Home

LONGEST_S = 90.0
"""A batch takes milliseconds, or as long as the database is locked (30 s at most) and again after a fault of it."""
_END_S = 10.0
_facts = attrgetter(*(field.name for field in fields(Served)))


class ApartKeeper:
    """Keeps exchanges as ``HomeArchive`` does, but in a process of its own, which begins with it.

    Args:
        home: whose exchanges. What the process says goes to its ``keeper.log``.
    """

    def __init__(self, home: Home) -> None:
        self._spec = {"home": str(home.folder), "settings": home.settings, "bot": home.bot}
        self._log_path = home.folder / "keeper.log"
        self._lock = threading.Lock()
        self._child = self._started()

    def keep(self, batch: Sequence[Served]) -> None:
        """Store exchanges, all or none, in one transaction; returns when they are durable.

        Raises:
            DataError: one of them can never be stored. StoreError: the database cannot be written now, or the process
                ended or stood still; whether these were stored is not known then, and the next batch gets a new one.
        """
        with self._lock:
            if self._child.poll() is not None:
                self._end()
                self._child = self._started()
            said = self._asked([_facts(one) for one in batch])
        if said is not None:
            raise (DataError if said["never"] else StoreError)(f"exchanges were not stored ({said['error']})")

    def close(self) -> None:
        """End the process; what it was handed is written."""
        with self._lock:
            assert self._child.stdin is not None
            self._child.stdin.close()
            with suppress(subprocess.TimeoutExpired):
                self._child.wait(_END_S)
            self._end()

    def _started(self) -> subprocess.Popen[bytes]:
        with self._log_path.open("ab") as log:
            child = subprocess.Popen(
                child_command("loraloop.keeper"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                env=child_environment(), start_new_session=True,
            )  # fmt: skip
        assert child.stdin is not None
        os.set_blocking(child.stdin.fileno(), False)  # so that a child that stands still is told from a slow one
        _write(child.stdin.fileno(), self._spec)
        return child

    def _asked(self, rows: list[tuple[Any, ...]]) -> Any:
        """Hand rows over and return what is said of them: nothing where they are stored."""
        into, out = self._child.stdin, self._child.stdout
        assert into is not None
        assert out is not None
        try:
            _write(into.fileno(), rows)
            if not _ready(out.fileno(), POLLIN):
                raise TimeoutError
            return _read(out)
        except (OSError, EOFError) as error:
            self._end()
            how = f"did not answer for {LONGEST_S:.0f} s" if isinstance(error, TimeoutError) else "ended"
            raise StoreError(f"the process that stores exchanges {how}", hint=f"see {self._log_path}") from error

    def _end(self) -> None:
        self._child.kill()
        with self._child:  # waits, and closes the pipes
            pass


def _ready(fd: int, event: int) -> bool:
    waiting = poll()
    waiting.register(fd, event)
    return bool(waiting.poll(LONGEST_S * 1000))


def _write(fd: int, value: object) -> None:
    """Write a value to a pipe.

    Raises:
        TimeoutError: nobody reads. OSError: nobody ever will.
    """
    body = pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
    left = memoryview(struct.pack(">I", len(body)) + body)
    while left:
        if not _ready(fd, POLLOUT):
            raise TimeoutError
        left = left[os.write(fd, left) :]


def _read(pipe: IO[bytes]) -> Any:
    """Read what the other end of a pipe wrote.

    Raises:
        EOFError: it is gone.
    """
    head = pipe.read(4)
    body = pipe.read(struct.unpack(">I", head)[0]) if len(head) == 4 else b""
    if not body:
        raise EOFError
    return pickle.loads(body)  # by our own other half


def main() -> None:
    """Keep what comes in on standard input until it ends."""
    die_with_parent()
    source, out = sys.stdin.buffer, os.dup(1)
    os.dup2(2, 1)  # whatever a library prints goes to the log, never between the answers
    from .wiring import Home

    spec = _read(source)
    with Home(Path(spec["home"]), spec["settings"], spec["bot"]) as home:
        archive = HomeArchive(home.store, home.bot, home.secret)
        while True:
            try:
                rows = _read(source)
            except EOFError:
                return
            try:
                archive.keep([Served(*row) for row in rows])
                said = None
            except Exception as error:  # only its kind: its words may be somebody's
                said = {"error": type(error).__name__, "never": isinstance(error, ValueError)}
            _write(out, said)


if __name__ == "__main__":
    main()
