"""A home saved into one verified file, while others work on it.

Saved: settings, one state of the database, every adapter of that state and its names, receipts, tombstones and, unless
it is kept elsewhere, the key. Not saved: bases (made anew), logs, checkpoints of unfinished trainings, the production
folder (derived from the database), files outside the home that settings name.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from . import __version__
from .errors import LoraloopError, StoreError, UsageError
from .homes import SETTINGS_FILE
from .ports import Progress
from .store.artifacts import LocalArtifacts
from .store.backup_file import BackupWriter, verify
from .store.durable import fsync_path
from .store.ledger import Ledger
from .store.snapshot import SnapshotFacts, facts_of
from .store.sql import HOW_POSTGRES_IS_SAVED

if TYPE_CHECKING:
    from .wiring import Home

DATABASE, KEY, TOMBSTONES = "loraloop.db", "secret.key", "tombstones"
SUFFIX = ".tar"
_TRIES = 3


@dataclass(frozen=True)
class Saved:
    """A backup that was written and read back.

    Attributes:
        path: of the file. size_bytes: of it. conversations, adapters: how many are in it. with_key: whether the key is.
        left_out: adapters whose files are damaged or gone, in words. live_left_out: whether a live one is among them.
    """

    path: Path
    size_bytes: int
    conversations: int
    adapters: int
    with_key: bool
    left_out: tuple[str, ...]
    live_left_out: bool


def back_up(home: Home, target: Path, *, with_key: bool, progress: Progress) -> Saved:
    """Write a home into one file, read it back, and only then give it its name.

    Args:
        target: a new file, or a folder in which one named by the time is made.
        with_key: put the key of pseudonyms in; without it a restore must be handed the key.

    Raises:
        UsageError: the file is there already or its folder is not, or it lies in the home. StoreError: the disk is full
            or may not be written, or the database is a PostgreSQL server.
    """
    if home.settings.store.url:
        raise StoreError("[store] url names another database than the home's own", hint=HOW_POSTGRES_IS_SAVED)
    path = _free_name(target)
    if home.folder.resolve() in path.resolve().parents:
        raise UsageError(f"{path} lies in the home, which a backup should outlast", hint="name a place outside of it")
    staged = path.with_name(f".{path.name}.{os.getpid()}")
    copy = staged.with_name(f"{staged.name}.db")
    try:
        with told_of(path):
            saved = _write_again(home, copy, staged, with_key=with_key, progress=progress)
            verify(staged, progress)
            os.rename(staged, path)
            fsync_path(path.parent)
    finally:
        for leftover in (staged, copy, copy.with_name(copy.name + "-journal")):
            with suppress(OSError):
                leftover.unlink()
    return dataclasses.replace(saved, path=path)


def _write_again(home: Home, copy: Path, staged: Path, *, with_key: bool, progress: Progress) -> Saved:
    """Write until nobody took a file away meanwhile, at most three times; what is damaged stays so and is left out."""
    for left in range(_TRIES - 1, -1, -1):
        try:
            saved = _write(home, copy, staged, with_key=with_key, progress=progress)
            if not saved.live_left_out or not left:
                break
        except FileNotFoundError:  # clean-up raced with us; the next state does not need that file
            if not left:
                raise
        finally:
            copy.unlink(missing_ok=True)
        staged.unlink(missing_ok=True)
    return saved


def _write(home: Home, copy: Path, staged: Path, *, with_key: bool, progress: Progress) -> Saved:
    os.close(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    home.store.snapshot(copy, progress)
    facts = facts_of(copy)
    found, left_out = _adapters(home.artifacts, facts)
    files = {
        f"objects/{path.parent.name}/{path.name}": path
        for folder in found.values()
        for path in sorted(folder.iterdir())
    }
    receipts = sorted((home.folder / "receipts").glob("*.json"))
    files.update({f"receipts/{path.name}": path for path in receipts})
    total = copy.stat().st_size + sum(path.stat().st_size for path in files.values())
    keys = home.secrets
    ledger = Ledger.beside(home.folder, home.settings.privacy.tombstones)
    writer = BackupWriter(staged, progress, total)
    try:
        writer.add(SETTINGS_FILE, home.folder / SETTINGS_FILE)
        writer.add(DATABASE, copy)
        for name, path in files.items():
            writer.add(name, path)
        if with_key:
            writer.add(KEY, home.folder / KEY)
        writer.add_bytes(TOMBSTONES, "".join(f"{digest}\n" for digest in sorted(ledger.digests())).encode())
        writer.finish({
            "loraloop": __version__, "made_at": datetime.now(UTC).isoformat(timespec="seconds"), "bot": home.bot,
            "revision": facts.revision, "conversations": facts.conversations, "keys": key_ids(keys),
            "left_out": left_out, "names": _names(home.folder, found), "live": facts.live,
        })  # fmt: skip
    finally:
        writer.close()
    out = tuple(f"{digest[:16]}: {said}" for digest, said in sorted(left_out.items()))
    gone = any(digest in left_out for digest in facts.live.values())
    return Saved(staged, staged.stat().st_size, facts.conversations, len(found), with_key, out, gone)


def _adapters(artifacts: LocalArtifacts, facts: SnapshotFacts) -> tuple[dict[str, Path], dict[str, str]]:
    """The folders of whole adapters, and what is wrong with the others; what clean-up removed is not missed."""
    found: dict[str, Path] = {}
    left_out: dict[str, str] = {}
    present = set(artifacts.digests())
    for digest in facts.adapters:
        if digest not in present:
            if digest in facts.live.values():
                left_out[digest] = "its files are gone"
            continue
        try:
            found[digest] = artifacts.verified(digest)
        except LoraloopError as error:
            left_out[digest] = str(error)
    return found, left_out


def _names(folder: Path, found: Mapping[str, Path]) -> dict[str, str]:
    """``BOT/NAME`` -> digest of every name that leads to an adapter."""
    links = sorted(path for path in (folder / "adapters").glob("*/*") if path.is_symlink())
    return {
        f"{path.parent.name}/{path.name}": name for path in links if (name := Path(os.readlink(path)).name) in found
    }


def key_ids(keys: Collection[bytes]) -> list[str]:
    """What tells keys apart without giving them away."""
    return [hashlib.sha256(b"loraloop key " + key).hexdigest()[:16] for key in keys]


def _free_name(target: Path) -> Path:
    target = target.expanduser().absolute()
    path = target / f"loraloop-{datetime.now(UTC):%Y%m%d-%H%M%S}{SUFFIX}" if target.is_dir() else target
    if path.exists():
        raise UsageError(f"{path} is there already", hint="name another file, or a folder")
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {path.parent}", hint="make it first")
    return path


@contextmanager
def told_of(path: Path) -> Iterator[None]:
    """Turn what the system says of a disk into our errors, with a remedy."""
    try:
        yield
    except LoraloopError:
        raise
    except OSError as error:
        raise StoreError(
            f"cannot write {path}: {error.strerror or error}", hint="free some space, or name another place"
        ) from error
