"""Exchanges are redacted and written in a process of their own, so that the gateway's one has its time for answers.

Python runs one thread of a process at a time: what redaction and rows take in the gateway's process, every answer that
is being passed on waits for. ``python -m loraloop.keeper`` is spoken to by ``ApartKeeper`` only; words go over a pipe
and touch no disk but the database.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import fields
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from operator import attrgetter
from typing import TYPE_CHECKING, Any

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
        self._spec = (home.folder, home.settings, home.bot)
        self._log_path = home.folder / "keeper.log"
        self._lock = threading.Lock()
        self._child, self._pipe = self._started()

    def keep(self, batch: Sequence[Served]) -> None:
        """Store exchanges, all or none, in one transaction; returns when they are durable.

        Raises:
            DataError: one of them can never be stored. StoreError: the database cannot be written now, or the process
                ended or stood still; whether these were stored is not known then, and the next batch gets a new one.
        """
        with self._lock:
            if self._child.poll() is not None:
                self._pipe.close()
                self._child, self._pipe = self._started()
            said = self._asked([_facts(one) for one in batch])
        if said is not None:
            raise (DataError if said["never"] else StoreError)(f"exchanges were not stored ({said['error']})")

    def close(self) -> None:
        """End the process; what it was handed is written."""
        with self._lock:
            self._pipe.close()
            with suppress(subprocess.TimeoutExpired):
                self._child.wait(_END_S)
            self._end()

    def _started(self) -> tuple[subprocess.Popen[bytes], Connection]:
        ours, theirs = Pipe()
        with self._log_path.open("ab") as log, theirs:
            child = subprocess.Popen(
                [*child_command("loraloop.keeper"), str(theirs.fileno())], stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, env=child_environment(), start_new_session=True, pass_fds=[theirs.fileno()],
            )  # fmt: skip
        ours.send(self._spec)
        return child, ours

    def _asked(self, rows: list[tuple[Any, ...]]) -> Any:
        """Hand rows over and return what is said of them: nothing where they are stored."""
        began, patience = time.monotonic(), threading.Timer(LONGEST_S, self._child.kill)
        patience.start()
        try:
            self._pipe.send(rows)
            return self._pipe.recv()
        except (OSError, EOFError) as error:
            self._end()
            how = f"did not answer for {LONGEST_S:.0f} s" if time.monotonic() - began >= LONGEST_S else "ended"
            raise StoreError(f"the process that stores exchanges {how}", hint=f"see {self._log_path}") from error
        finally:
            patience.cancel()

    def _end(self) -> None:
        self._child.kill()
        self._child.wait()


def main() -> None:
    """Keep what comes in over the pipe, whose number is the first argument, until it ends."""
    die_with_parent()
    from .wiring import Home

    pipe = Connection(int(sys.argv[1]))
    with pipe, Home(*pipe.recv()) as home:
        archive = HomeArchive(home.store, home.bot, home.secret)
        while True:
            try:
                rows = pipe.recv()
            except EOFError:
                return
            try:
                archive.keep([Served(*row) for row in rows])
                said = None
            except Exception as error:  # only its kind: its words may be somebody's
                said = {"error": type(error).__name__, "never": isinstance(error, ValueError)}
            pipe.send(said)


if __name__ == "__main__":
    main()
