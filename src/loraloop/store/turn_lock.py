"""Whose turn it is: one at a time turns a bot's loop, whether by hand, from Python or by its schedule."""

from __future__ import annotations

import fcntl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import StoreBusy, StoreError


class TurnLock:
    """Held while a bot's loop is turned: two that train, decide and clean up at once would undo each other.

    Who holds it may take it again, for a turn is made of steps that take it themselves. A process that dies lets go.

    Args:
        folder: the home. bot: whose loop.
    """

    def __init__(self, folder: Path, bot: str) -> None:
        self._path, self._bot = folder / f"turn-{bot}.lock", bot
        self._holder: int | None = None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold it for as long as the block lasts.

        Raises:
            StoreBusy: another process or thread holds it; nobody waits. StoreError: the home cannot be written to.
        """
        if self._holder == threading.get_ident():
            yield
            return
        try:
            file = self._path.open("a")
        except OSError as error:
            raise StoreError(f"cannot write to {self._path}: {error.strerror}") from error
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise StoreBusy(
                    f"the loop of bot {self._bot!r} is being turned already, here or by another process",
                    hint="wait for that turn to end, or stop it",
                ) from None
            self._holder = threading.get_ident()
            try:
                yield
            finally:
                self._holder = None
