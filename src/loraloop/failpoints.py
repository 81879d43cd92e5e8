"""Named places at which tests let a process die, fail, wait or stop. One comparison each, where none is armed.

``LORALOOP_FAILPOINTS="artifact.renamed=exit;release.published=sleep:2"`` arms them for a process and its children. A
place is called *after* what its name says has happened. Actions: ``exit`` (at once, as SIGKILL would: nothing is
cleaned up), ``raise`` (an I/O error, as a disk would), ``sleep:SECONDS``, ``stop`` (SIGSTOP; somebody lets it go on).

Source: the failpoints of etcd and FreeBSD (github.com/etcd-io/gofail, fail(9)).
"""

from __future__ import annotations

import errno
import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from .errors import UsageError

VARIABLE = "LORALOOP_FAILPOINTS"
EXIT_CODE = 86
"""Of a process that ended at a failpoint."""
POINTS: dict[str, str] = {
    "capture.written": "rows of a conversation are written, their transaction is not committed",
    "capture.committed": "a conversation is durable, whoever sent it does not know yet",
    "artifact.listed": "an adapter's files and manifest are staged and durable",
    "artifact.renamed": "an adapter lies among the objects, the folder's entry is not synced",
    "artifact.published": "an adapter is durable, no row tells of it",
    "checkpoint.staged": "a checkpoint's files are written and durable under their staged name",
    "checkpoint.renamed": "a checkpoint has its name, older ones are still there",
    "migration.begun": "the transaction of a migration is open, nothing is changed",
    "migration.changed": "all tables are changed, the transaction is not committed",
    "migration.done": "the new tables are durable",
    "dataset.written": "a dataset's rows are written, up to where it has read is not",
    "dataset.marked": "rows and mark are written, their transaction is not committed",
    "release.backed_up": "what serves was copied to the backups, the pointer has not moved",
    "release.switched": "the pointer's rows are written, their transaction is not committed",
    "release.published": "the pointer has moved, the production folder shows the one before",
    "release.shown": "the production folder shows the new release",
    "rollback.published": "the way back is live, the release left is not marked as reverted",
    "forget.remembered": "tombstones stand beside the home, every row is still there",
    "forget.erased": "a person's rows are gone in a transaction that is not committed yet",
    "forget.recorded": "the erasure is committed, the database file still holds deleted bytes",
    "forget.scrubbed": "no byte is left, the receipt is not written",
    "file.staged": "a small file is written under another name",
    "file.replaced": "a small file has its name, the folder's entry is not synced",
}
"""Every place, and what has happened when it is reached."""


def _parsed(text: str) -> dict[str, str]:
    armed: dict[str, str] = {}
    for part in filter(None, (one.strip() for one in text.split(";"))):
        name, _, action = part.partition("=")
        kind, _, amount = action.partition(":")
        if name not in POINTS:
            raise UsageError(f"there is no failpoint {name!r}", hint=f"one of: {', '.join(sorted(POINTS))}")
        if kind not in ("exit", "raise", "sleep", "stop") or (kind == "sleep") != bool(amount):
            raise UsageError(f"{action!r} is no action of a failpoint", hint="exit, raise, sleep:SECONDS or stop")
        armed[name] = action
    return armed


_armed: dict[str, str] = _parsed(os.environ.get(VARIABLE, ""))


def reached(name: str) -> None:
    """Do what this place is armed to do; nothing where it is not."""
    if _armed:
        _act(name)


@contextmanager
def armed(actions: Mapping[str, str]) -> Iterator[None]:
    """Arm some places of this process for a block.

    Raises:
        UsageError: a name or an action is unknown.
    """
    global _armed
    before, _armed = _armed, _parsed(";".join(f"{name}={action}" for name, action in actions.items()))
    try:
        yield
    finally:
        _armed = before


def _act(name: str) -> None:
    kind, _, amount = _armed.get(name, "").partition(":")
    if kind == "exit":
        os._exit(EXIT_CODE)
    if kind == "raise":
        raise OSError(errno.EIO, f"failpoint {name}")
    if kind == "sleep":
        time.sleep(float(amount))
    if kind == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
