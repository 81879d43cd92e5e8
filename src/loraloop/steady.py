"""A clock that nobody can set, and which boot of the machine it belongs to."""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path

Steady = tuple[str, float]
"""Which boot of which machine, and seconds since it began, sleep included."""


def steady_clock() -> Steady | None:
    """Return the time by a clock that nobody can set and that goes on in sleep; ``None`` where there is none.

    **Source**: Linux, clock_gettime(2), CLOCK_BOOTTIME; /proc/sys/kernel/random/boot_id.
    """
    boot = boot_id()
    return (boot, time.clock_gettime(time.CLOCK_BOOTTIME)) if boot else None


def waking_clock() -> Steady:
    """Return the time by a clock that nobody can set and that stands still in sleep, the same for every process.

    For leases: a machine that slept has not let its workers miss a heartbeat.

    **Source**: Linux, clock_gettime(2), CLOCK_MONOTONIC.
    """
    return boot_id(), time.monotonic()


@cache
def boot_id() -> str:
    """Return which boot of which machine this is; empty where nothing tells."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
