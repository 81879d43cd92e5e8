"""Adapters by name: found in the adapter folder, checked, and taken into the artifact store."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from ..errors import ArtifactError, StoreError, UnknownThing
from ..lm.adapter_files import ALLOWED_FILES, adapter_digest, read_config
from ..ports import ArtifactStore, Store
from ..store.location import checked_name, inside
from ..types import Adapter
from .history import ALL
from .retention import Stored

Find = Callable[[Path, str], Path]


def folder_of(adapter_dir: Path, name: str) -> Path:
    """Return the folder in which an adapter is kept, whether or not it is there.

    Raises:
        BadName: the name could lead elsewhere.
    """
    return inside(adapter_dir, checked_name(name))


def adopt(
    name: str,
    adapter_dir: Path,
    artifacts: ArtifactStore,
    store: Store,
    *,
    bot: str,
    now: datetime,
    find: Find = folder_of,
) -> Adapter:
    """Return the adapter of a name as a stored, verified value; a plain folder is copied into the store first.

    It bears the name asked for, also where the very same weights are known under another.

    Raises:
        BadName: the name could lead elsewhere. UnknownThing: nothing has it. ArtifactError: its files are unsafe.
    """
    folder = find(adapter_dir, name).resolve()
    if not folder.is_dir():
        raise UnknownThing(f"there is no adapter {name!r} in {adapter_dir}", hint="train it first")
    digest = adapter_digest(folder)
    if digest not in artifacts.digests():
        staged = artifacts.staging()
        try:
            for path in folder.iterdir():
                if path.name in ALLOWED_FILES and path.name != "manifest.json":
                    shutil.copyfile(path, staged / path.name)
        except OSError as error:
            shutil.rmtree(staged, ignore_errors=True)
            raise StoreError(f"cannot copy adapter {name}: {error.strerror}") from error
        artifacts.publish(staged, digest)
    artifacts.verified(digest)
    known = store.adapters.get(f"ad-{digest[:16]}")
    if known is not None and known.bot == bot:
        return replace(known, name=name)
    base = str(read_config(folder).get("base_model_name_or_path") or "")
    if not base:
        raise ArtifactError(f"adapter {name!r} does not say for which base it was made")
    return store.adapters.put(
        Adapter(
            id=f"ad-{digest[:16]}",
            bot=bot,
            name=name,
            digest=digest,
            base_id=base,
            path=str(folder),
            created_at=now,
        )
    )


def adapter_of(store: Store, adapter_id: str) -> Adapter:
    """Return the adapter of an id.

    Raises:
        UnknownThing: it is not stored any more.
    """
    adapter = store.adapters.get(adapter_id)
    if adapter is None:
        raise UnknownThing(f"adapter {adapter_id} is not stored any more", hint="restore it from a backup")
    return adapter


def stored_adapters(adapter_dir: Path, artifacts: ArtifactStore, store: Store, bot: str) -> list[Stored]:
    """Return every adapter of a bot on disk once, newest first: those of the store, then plain folders by age.

    A plain folder that another bot took its adapter from is that bot's.
    """
    present = set(artifacts.digests())
    found: dict[str, Stored] = {}
    adopted: set[str] = set()
    for adapter in (adapter for any_bot in store.bots() for adapter in store.adapters.list(any_bot, ALL)):
        if adapter.digest in present:
            adopted.add(adapter.path)
            if adapter.bot == bot:
                found.setdefault(adapter.digest, Stored(adapter.name, adapter.digest))
    for name, path in _plain_folders(adapter_dir):
        if str(path.resolve()) not in adopted:
            found.setdefault(str(path), Stored(name, None))
    return list(found.values())


def forget(one: Stored, adapter_dir: Path, artifacts: ArtifactStore) -> None:
    """Remove an adapter's files, every name that leads to them, and the plain folder they were taken from."""
    if one.digest is None:
        shutil.rmtree(inside(adapter_dir, one.name), ignore_errors=True)
        return
    for path in sorted(adapter_dir.iterdir()) if adapter_dir.is_dir() else ():
        if path.is_symlink() and path.readlink().name == one.digest:
            path.unlink()
    for _, path in _plain_folders(adapter_dir):
        if _digest_of(path) == one.digest:
            shutil.rmtree(path, ignore_errors=True)
    artifacts.remove(one.digest)


def _digest_of(folder: Path) -> str | None:
    """The digest of a plain folder's adapter; ``None`` where it holds none, or one that is unsafe."""
    try:
        return adapter_digest(folder)
    except (ArtifactError, OSError):
        return None


def _plain_folders(adapter_dir: Path) -> Iterator[tuple[str, Path]]:
    if not adapter_dir.is_dir():
        return
    folders = [path for path in adapter_dir.iterdir() if path.is_dir() and not path.is_symlink()]
    for path in sorted(folders, key=lambda path: path.stat().st_mtime, reverse=True):
        if (path / "adapter_config.json").is_file() and not path.name.startswith("."):
            yield path.name, path
