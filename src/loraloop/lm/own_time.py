"""A clock that stands still while its process is made to stand still: what a child measures is its own time.

Who stops a child (SIGSTOP) adds up the seconds in eight bytes of memory that both see, before it lets the child go on.
"""

from __future__ import annotations

import mmap
import os
import struct
import time

_SECONDS = struct.Struct("d")
_followed: list[mmap.mmap] = []


class StoodTime:
    """Seconds that a child stood still, kept by whoever makes it; Linux only.

    Attributes:
        fd: handed to the child, which follows it. seconds: so far.
    """

    def __init__(self) -> None:
        self.fd = os.memfd_create("loraloop-stood")
        os.ftruncate(self.fd, _SECONDS.size)
        self._memory = mmap.mmap(self.fd, _SECONDS.size)
        self.seconds = 0.0

    def add(self, seconds: float) -> None:
        """Count a stop; called while the child stands still."""
        self.seconds += seconds
        _SECONDS.pack_into(self._memory, 0, self.seconds)

    def close(self) -> None:
        """Let go of the memory."""
        self._memory.close()
        os.close(self.fd)


def follow(fd: int) -> None:
    """Take the seconds that this process stands still from there; called once, by the child."""
    _followed[:] = [mmap.mmap(fd, _SECONDS.size, prot=mmap.PROT_READ)]


def own_s() -> float:
    """Seconds of a clock that only differences of mean anything: ``time.perf_counter`` less what this process stood."""
    while True:
        before, now = _stood_s(), time.perf_counter()
        if _stood_s() == before:  # else it was stopped between the two
            return now - before


def _stood_s() -> float:
    return float(_SECONDS.unpack_from(_followed[0])[0]) if _followed else 0.0
