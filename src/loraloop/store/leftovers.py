"""What writes that were cut off left in a home: half-written files, links and folders that nobody will finish.

Only names that this program gives while it writes are known here; nothing of a person's own is ever named.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

GIVEN_UP_S = 3600.0
"""A staged file without its writer's process id is given up after so long; a write takes seconds."""
_OF_PROCESS = re.compile(r"\..+\.(?P<pid>\d+)(\.link)?|\..+\.restoring-(?P<restorer>\d+)-[0-9a-f]{8}")
_STAGED = re.compile(r"\.(?P<name>[\w.-]+)\.[a-z0-9_]{8}")
_BACKUP = re.compile(r"\.[\w.-]+-\d{8}-\d{6}-\d{6}")
_IN_HOME = frozenset({"loraloop.toml", "secret.key"})
_FOLDERS = ("receipts", "triggers", "triggers/*", "evaluations", "production/*", "adapters/*", "backups/*")


def leftovers(folder: Path, *, only_old: bool = False) -> list[Path]:
    """Return what cut-off writes left in a home and beside it, sorted; all of it may be removed.

    Args:
        only_old: leave out what has lain there for less than an hour.
    """
    found = [path for path in _candidates(folder) if _is_given_up(path)]
    found += [path for path in folder.parent.glob(f".{folder.name}.restoring-*") if _is_given_up(path)]
    return sorted(path for path in found if _is_old(path) or not only_old)


def alive(pid: int) -> bool:
    """Return whether a process of this number runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _candidates(folder: Path) -> Iterator[Path]:
    for path in folder.glob(".*"):
        match = _STAGED.fullmatch(path.name)
        if match and match["name"] in _IN_HOME:
            yield path
    for pattern in _FOLDERS:
        for place in folder.glob(pattern):
            if place.is_dir() and not place.is_symlink():
                yield from place.glob(".*")


def _is_given_up(path: Path) -> bool:
    of_process = _OF_PROCESS.fullmatch(path.name)
    if of_process:
        return not alive(int(of_process["pid"] or of_process["restorer"]))
    return bool(_STAGED.fullmatch(path.name) or _BACKUP.fullmatch(path.name)) and _is_old(path)


def _is_old(path: Path) -> bool:
    try:
        return time.time() - path.lstat().st_mtime > GIVEN_UP_S
    except FileNotFoundError:
        return False
