"""Processes by an identity that no later process can have, whether they live, and how a whole tree of them is ended."""

from __future__ import annotations

import hashlib
import os
import signal
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

from .steady import boot_id

_POLL_S = 0.02
_NICEST, _NICE_TRIES, _NICE_AGAIN_S = 19, 5, 0.06
_KILLED_S = 10.0


def identity(pid: int) -> str:
    """Return ``"PLACE PID START"`` of a process of this machine; empty where there is none, or no ``/proc``.

    Numbers of processes are used again; a number with the moment of its start, in one boot, is not. The place names the
    boot and the namespace of numbers: two containers of one machine may each have a process 7.
    """
    start = _start_of(pid)
    return f"{_place()} {pid} {start}" if start and _place() else ""


def is_gone(who: str) -> bool:
    """Return whether a process has surely ended: it is of this very place, and there is none such."""
    place, pid, start = _parts(who)
    return bool(pid) and place == _place() and _start_of(pid) != start


def is_stopped(who: str) -> bool:
    """Return whether a process of this machine was stopped (SIGSTOP) and not let go on."""
    place, pid, _ = _parts(who)
    return place == _place() and not is_gone(who) and next(iter(_stat_of(pid)), "") == "T"


def run_on_leftovers(pid: int) -> None:
    """Let a process that has one thread yet, and all that it starts, run on what everything else leaves.

    Where Linux groups processes by session (autogroup), how nice one is counts only within its session: measured on a
    busy core, nice 19 and SCHED_IDLE left the other session 46 % of it, the group's own number 99 %.

    **Source**: Linux, sched(7), "The autogroup feature" and SCHED_IDLE.
    """
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, _NICEST)
    if hasattr(os, "SCHED_IDLE"):
        with suppress(OSError):
            os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0))
    for _ in range(_NICE_TRIES):
        try:
            Path(f"/proc/{pid}/autogroup").write_text(str(_NICEST))
        except BlockingIOError:  # the kernel hears one such wish in a tenth of a second, whoever's it is
            time.sleep(_NICE_AGAIN_S)
        except OSError:
            return
        else:
            return


def end_tree(who: str, grace_s: float) -> bool:
    """End a process and all that descend from it: TERM, after ``grace_s`` seconds KILL; wait until none is left.

    TERM goes to the first alone: it ends its own children in order. What is stopped is let go on, so that it can end.

    Returns:
        Whether they are surely gone; false for a process of another machine or container.
    """
    place, pid, _ = _parts(who)
    if not pid or place != _place():
        return False
    tree = [who, *descendants(pid)] if not is_gone(who) else [who]
    if grace_s > 0:
        _send(who, signal.SIGTERM)
        _send(who, signal.SIGCONT)
        tree = _waited(tree, grace_s)
    for one in [*tree, *(below for above in tree for below in descendants(_parts(above)[1]))]:
        _send(one, signal.SIGKILL)
    return not _waited(tree, _KILLED_S)


def descendants(pid: int) -> list[str]:
    """Return the identities of all processes that descend from one, nearest first."""
    parents = {int(path.name): _parent_of(int(path.name)) for path in Path("/proc").glob("[0-9]*")}
    found: list[int] = []
    waiting = [pid]
    while waiting:
        above = waiting.pop(0)
        children = [child for child, parent in parents.items() if parent == above]
        found += children
        waiting += children
    return [who for child in found if (who := identity(child))]


def _waited(tree: list[str], seconds: float) -> list[str]:
    """Wait until all are gone, or so long; returns those that are left."""
    end = time.monotonic() + seconds
    while (left := [one for one in tree if not is_gone(one)]) and time.monotonic() < end:
        time.sleep(_POLL_S)
    return left


def _send(who: str, number: signal.Signals) -> None:
    if not is_gone(who):
        try:
            os.kill(_parts(who)[1], number)
        except (ProcessLookupError, PermissionError):
            return


def _stat_of(pid: int) -> list[str]:
    """What stands in ``/proc/PID/stat`` after the name; empty for a process that has ended, reaped or not."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
    return [] if words[0] in "ZX" else words


def _start_of(pid: int) -> str:
    return next(iter(_stat_of(pid)[19:]), "")


def _parent_of(pid: int) -> int:
    return int(next(iter(_stat_of(pid)[1:]), "0"))


def place_code() -> str:
    """Return 8 hex digits that name this machine, its boot and its space of process numbers."""
    return hashlib.sha256(_place().encode()).hexdigest()[:8]


@cache
def _place() -> str:
    try:
        return f"{boot_id()}/{os.stat('/proc/self/ns/pid').st_ino}" if boot_id() else ""
    except OSError:
        return ""


def _parts(who: str) -> tuple[str, int, str]:
    words = who.split()
    return (words[0], int(words[1]), words[2]) if len(words) == 3 and words[1].isdigit() else ("", 0, "")
