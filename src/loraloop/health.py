"""Is this home whole? Every check that ``loraloop doctor`` makes, each a function from a home to faults in words."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from importlib import metadata
from typing import TYPE_CHECKING, Any

from . import __version__
from .errors import LoraloopError
from .store.leftovers import leftovers
from .store.sql import known_revisions

if TYPE_CHECKING:
    from .wiring import Home

MIN_FREE_BYTES = 500_000_000
"""Disk space below which a turn may not finish."""

MIN_FREE_FILES = 1_000
"""Files that must still fit on the disk: a turn makes some dozens."""

Check = Callable[["Home"], Iterator[str]]


def database(home: Home) -> Iterator[str]:
    """The database is whole and every pointer in it leads somewhere."""
    yield from home.store.faults()


def adapters(home: Home) -> Iterator[str]:
    """Every stored adapter's files are what they were when it was made."""
    for digest in home.artifacts.digests():
        try:
            home.artifacts.verified(digest)
        except LoraloopError as error:
            yield f"{error} ({error.hint})"


def live_adapter(home: Home) -> Iterator[str]:
    """The live adapter of every bot exists and verifies, and this bot's belongs to the base in use."""
    for bot in home.store.bots():
        release = home.store.releases.live(bot)
        if release is None or release.adapter_id is None:
            continue
        adapter = home.store.adapters.get(release.adapter_id)
        if adapter is None:
            yield f"the live adapter {release.adapter_name} of {bot} is not stored any more"
            continue
        try:
            home.artifacts.verified(adapter.digest)
        except LoraloopError as error:
            yield f"the live adapter {adapter.name} of {bot}: {error} (loraloop doctor --repair)"
        try:
            if bot == home.bot and adapter.base_id != home.base.id:
                yield f"the live adapter {adapter.name} was made for {adapter.base_id}, the base is {home.base.id}"
        except LoraloopError:
            continue  # that the base is not there is told by its own check


def current_link(home: Home) -> Iterator[str]:
    """``production/current`` shows what is live."""
    info = home.deployer.get_current_production_info()
    shown = (home.deployer.production_dir / "current" / "adapter_model.safetensors").is_file()
    if "adapter_name" in info and not (info["has_metadata"] and shown):
        yield "production/current does not show the live adapter; it is put right when the home is opened"


def base_model(home: Home) -> Iterator[str]:
    """The base model is on this machine."""
    try:
        _ = home.base.id
    except LoraloopError as error:
        yield f"{error} ({error.hint})"


def suites(home: Home) -> Iterator[str]:
    """Every suite that is asked can be read."""
    from .evaluate.suites import load_suite

    for name in home.evaluator.config.suites:
        try:
            load_suite(name)
        except LoraloopError as error:
            yield f"suite {name}: {error}"


def disk(home: Home) -> Iterator[str]:
    """There is room for another turn, in bytes and in files."""
    free = shutil.disk_usage(home.folder).free
    if free < MIN_FREE_BYTES:
        yield f"only {free / 1e6:.0f} MB are free under {home.folder}, {MIN_FREE_BYTES / 1e6:.0f} MB are advised"
    counts = os.statvfs(home.folder)
    if counts.f_files and counts.f_favail < MIN_FREE_FILES:
        yield f"only {counts.f_favail} more files fit under {home.folder}"


def writable(home: Home) -> Iterator[str]:
    """What must be written to can be, by whoever runs this: a file another user made may stand in the way."""
    names = ("loraloop.db", "loraloop.db.lock", "objects", "staging", "adapters", "production", "backups", "receipts")
    locks = home.folder.glob("*.lock")
    for path in sorted({home.folder, *(home.folder / name for name in names), *locks}):
        if path.exists() and not os.access(path, os.W_OK):
            yield f"{path} cannot be written to by this user; give it back: chown -R {os.geteuid()} {home.folder}"


def unfinished(home: Home) -> Iterator[str]:
    """No write that was cut off has left anything that lies there for an hour and more."""
    for path in leftovers(home.folder, only_old=True):
        yield f"left by a write that was cut off: {path} (loraloop doctor --repair)"


def schema(home: Home) -> Iterator[str]:
    """The tables are those of this version."""
    revision, newest = home.store.revision, known_revisions()[0]
    if revision != newest:
        yield f"the tables are of revision {revision}, this version's are {newest}; open the home with one version only"


def versions(home: Home) -> Iterator[str]:
    """The installed packages are at least those that this program was written for."""
    try:
        required = metadata.requires("loraloop") or ()
    except metadata.PackageNotFoundError:
        required = ()  # run from its source, not installed: there is nothing to compare with
    for line in required:
        found = re.match(r"(?P<name>[\w.-]+)[^;]*?>=(?P<least>[\d.]+)", line)
        if found is None:
            continue
        try:
            installed = metadata.version(found["name"])
        except metadata.PackageNotFoundError:
            continue  # an extra that is not wanted here
        if _numbers(installed) < _numbers(found["least"]):
            yield f"{found['name']} is {installed}, at least {found['least']} is needed; install loraloop again"


def permissions(home: Home) -> Iterator[str]:
    """The key of pseudonyms is there, where people are known by it, and readable by its owner alone."""
    path = home.folder / "secret.key"
    if not path.exists() and home.store.people.is_any_known():
        yield f"{path} is gone, and people are stored who can only be found with it; put it back"
    if path.exists() and path.stat().st_mode & 0o077:
        yield f"{path} can be read by others; run: chmod 600 {path} (or loraloop doctor --repair)"


CHECKS: dict[str, Check] = {
    check.__name__: check
    for check in (
        database, schema, adapters, base_model, live_adapter, current_link, suites, disk, writable, unfinished,
        permissions, versions,
    )
}  # fmt: skip
"""All checks, in the order in which they are made."""


def examine(home: Home) -> dict[str, list[str]]:
    """Make every check; returns the faults of each, an empty list where there are none."""
    return {name: list(check(home)) for name, check in CHECKS.items()}


def facts_of(home: Home) -> dict[str, Any]:
    """Return what whoever helps asks for first: versions, the revision of the tables, free disk space."""
    return {
        "loraloop": __version__,
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "revision": home.store.revision,
        "free_bytes": shutil.disk_usage(home.folder).free,
    }


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version.split("+")[0])[:3])
