"""Does a gateway of this home serve on this machine, and is somebody being answered? A sign that dies with its gateway.

The sign is two read locks on a file of the home, so asking costs a system call and nothing is left behind by a gateway
that was killed. Nobody ever takes a write lock: asking only tests whether one could be had. Each boot of each machine
has two bytes of its own, so gateways of other machines that share the home do not count.

**Source**: Linux ``fcntl(2)``, "Open file description locks". Where there are none, nobody is ever seen.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from .steady import boot_id

log = logging.getLogger(__name__)

FILE = "serving.lock"
_FLOCK = struct.Struct("@hhqqi4x")
"""``struct flock`` of 64-bit Linux: type, whence, start, length, process."""
_CAN = hasattr(fcntl, "F_OFD_GETLK")


class ServingSign:
    """What a gateway shows to whoever trains beside it. All calls come from one thread, the gateway's.

    Args:
        folder: the home.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._fd: int | None = None
        self._answers = 0

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Say that users are served here for as long as the block lasts; aloud where the sign cannot be shown."""
        try:
            self._fd = os.open(self._path, os.O_RDONLY | os.O_CREAT, 0o644)
            _lock(self._fd, fcntl.F_RDLCK, _place())
        except OSError as error:
            log.warning("%s: %s; training beside this gateway will not give way to users", self._path, error.strerror)
        try:
            yield
        finally:
            if self._fd is not None:
                os.close(self._fd)
                self._fd = None

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Say that somebody is being answered for as long as the block lasts; blocks may overlap."""
        self._answers += 1
        self._say()
        try:
            yield
        finally:
            self._answers -= 1
            self._say()

    def _say(self) -> None:
        """Lock with the first answer, unlock with the last; neither ever waits."""
        if self._fd is not None and self._answers <= 1:
            with suppress(OSError):  # no room for a lock: an answer matters more
                _lock(self._fd, fcntl.F_RDLCK if self._answers else fcntl.F_UNLCK, _place() + 1)


class SignSeen:
    """Looks at the sign of a home, from another process than the gateway's.

    Args:
        folder: the home.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE

    def is_serving(self) -> bool:
        """Whether a gateway of the home is up on this machine."""
        return self._is_locked(_place())

    def is_answering(self) -> bool:
        """Whether one of them answers somebody now; a few microseconds."""
        return self._is_locked(_place() + 1)

    def _is_locked(self, byte: int) -> bool:
        try:
            fd = os.open(self._path, os.O_RDONLY)
        except OSError:  # no sign can be seen: nobody is kept waiting for one
            return False
        try:
            return _CAN and _found(fd, byte) != fcntl.F_UNLCK
        except OSError:
            return False
        finally:
            os.close(fd)


def _lock(fd: int, kind: int, byte: int) -> None:
    if _CAN:
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _FLOCK.pack(kind, os.SEEK_SET, byte, 1, 0))


def _found(fd: int, byte: int) -> int:
    """The kind of lock that would stand in the way of a write lock."""
    asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, byte, 1, 0)
    return int(_FLOCK.unpack(fcntl.fcntl(fd, fcntl.F_OFD_GETLK, asked))[0])


@cache
def _place() -> int:
    """The first of the two bytes of this boot of this machine."""
    return int.from_bytes(hashlib.sha256(boot_id().encode()).digest()[:7], "big") & ~1
