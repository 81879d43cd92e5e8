"""A home made anew from a backup: checked as a whole first, and whoever was forgotten since stays forgotten."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Collection, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .backups import DATABASE, KEY, TOMBSTONES, key_ids, told_of
from .errors import BadBackup, LoraloopError, StoreBusy, StoreError, StoreTooNew, UsageError
from .ports import Progress
from .store.artifacts import LocalArtifacts
from .store.backup_file import unpack, verify
from .store.durable import fsync_path, replace_link
from .store.ledger import Ledger
from .store.location import checked_name
from .store.secret import home_secrets
from .store.snapshot import SnapshotFacts, facts_of, faults_of, is_in_use, let_go
from .store.sql import known_revisions
from .telling import under_way

_LISTED = {"revision": str, "keys": list, "names": dict, "left_out": dict, "made_at": str}
"""What the list of a backup says beside its files, as ``backups`` writes it."""


def restore(
    backup: Path,
    folder: Path,
    *,
    progress: Progress,
    key: Path | None = None,
    tombstones: Path | None = None,
    replace: bool = False,
) -> dict[str, Any]:
    """Make a home from a backup: all of it is checked before the home has its name, and people forgotten since are.

    Args:
        folder: of the home; must not be there, or be empty, unless ``replace`` sets the one that is there aside.
        key: file with the key, where the backup holds none.
        tombstones: a ledger kept elsewhere; the one beside ``folder`` and the backup's own are heeded in any case.

    Returns:
        What was done: ``home, set_aside, conversations, adapters, left_out, tombstones, recovered, checks``.

    Raises:
        BadBackup: it was cut off or changed. UsageError: there is a home, or the key is missing or another.
        StoreTooNew: a newer version made it. StoreBusy: somebody uses the home that is there. StoreError: the disk is
            full or may not be written.
    """
    occupied = folder.exists() and any(folder.iterdir())
    if occupied and not replace:
        raise UsageError(f"{folder} is there already", hint="--replace sets it aside; or name another --home")
    if occupied and is_in_use(folder / DATABASE):
        raise StoreBusy(f"another process uses {folder}", hint="stop serve, schedule run and the like first")
    if not backup.is_file():
        raise UsageError(f"there is no backup {backup}", hint="name the file that loraloop backup made")
    manifest = verify(backup, progress)
    wrong = [name for name, kind in _LISTED.items() if not isinstance(manifest.get(name), kind)]
    if wrong:
        raise BadBackup(f"{backup}: its list of files is malformed ({', '.join(wrong)})")
    if manifest["revision"] not in known_revisions():
        raise StoreTooNew(
            f"the backup's database is at revision {manifest['revision']}, which this version does not know"
        )
    _check_space(folder.parent, sum(int(one["size_bytes"]) for one in manifest["files"].values()))
    staged = folder.with_name(f".{folder.name}.restoring-{os.getpid()}-{secrets.token_hex(4)}")
    with told_of(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            staged.mkdir(mode=0o700)
            unpack(backup, staged, progress)
            facts = _checked(staged, manifest, key)
            extra = [folder] if occupied else []
            written = _gather_tombstones(staged, folder, [*extra, *([tombstones] if tombstones else [])])
            aside = _swap(staged, folder, occupied)
        finally:
            shutil.rmtree(staged, ignore_errors=True)
    adapters = len({name.split("/")[1] for name in manifest["files"] if name.startswith("objects/")})
    return {
        "home": str(folder), "set_aside": str(aside) if aside else None, "conversations": facts.conversations,
        "adapters": adapters, "left_out": manifest["left_out"],
        "made_at": manifest["made_at"], "tombstones": written, **_opened(folder, progress),
    }  # fmt: skip


def _checked(staged: Path, manifest: Mapping[str, Any], key: Path | None) -> SnapshotFacts:
    """Put the key and the names where they belong, and see that every part is whole."""
    if key is not None:
        shutil.copyfile(key, staged / KEY)
    if not (staged / KEY).is_file():
        raise UsageError("this backup holds no key", hint="hand in the home's secret.key: --key FILE")
    (staged / KEY).chmod(0o600)
    fsync_path(staged / KEY)
    if not set(manifest["keys"]) <= set(key_ids(home_secrets(staged / KEY))):
        raise UsageError("the key is not this backup's: its people could not be found", hint="--key FILE")
    faults = faults_of(staged / DATABASE)
    if faults:
        raise BadBackup(f"the backup's database is damaged: {faults[0]}")
    let_go(staged / DATABASE)
    artifacts = LocalArtifacts(staged)
    for digest in artifacts.digests():
        artifacts.verified(digest)
    for name, digest in manifest["names"].items():
        bot, _, alias = str(name).partition("/")
        if digest in artifacts.digests():
            replace_link(
                staged / "adapters" / checked_name(bot, "bot") / checked_name(alias), staged / "objects" / digest
            )
    return facts_of(staged / DATABASE)


def _gather_tombstones(staged: Path, folder: Path, elsewhere: Collection[Path]) -> int:
    """Write every tombstone there is beside the home that is to be; returns how many there are."""
    from .settings import load_settings

    ledger = Ledger.beside(folder, load_settings(staged).privacy.tombstones)
    ledger.add((staged / TOMBSTONES).read_text(encoding="ascii").split())
    (staged / TOMBSTONES).unlink()
    for path in elsewhere:
        if path.is_dir():  # the home that is set aside: its settings may name another ledger
            with suppress(LoraloopError):
                ledger.add(Ledger.beside(path, load_settings(path).privacy.tombstones).digests())
        else:
            found = Ledger(path).digests()
            if not found:
                raise UsageError(f"there are no tombstones in {path}", hint="name the file HOME.tombstones")
            ledger.add(found)
    return len(ledger.digests())


def _swap(staged: Path, folder: Path, occupied: bool) -> Path | None:
    aside = None
    if occupied:
        aside = folder.with_name(f"{folder.name}.before-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}")
        os.rename(folder, aside)
    os.replace(staged, folder)  # takes the place of an empty folder too
    fsync_path(folder.parent)
    return aside


def _opened(folder: Path, progress: Progress) -> dict[str, Any]:
    """Open the restored home once: people forgotten since are erased again, and everything is checked."""
    from .health import examine
    from .wiring import open_home

    with open_home(folder) as home, under_way(progress, "examine"):
        return {"recovered": list(home.recovered), "checks": examine(home)}


def _check_space(folder: Path, needed_bytes: int) -> None:
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free < needed_bytes:
        raise StoreError(
            f"the backup needs {needed_bytes / 1e6:.0f} MB and {free / 1e6:.0f} MB are free in {folder}",
            hint="free some space, or name another --home",
        )
