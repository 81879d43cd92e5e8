"""What ``loraloop doctor --repair`` mends: only what can be mended without losing anything, each thing said.

Opening a home has ended overdue trials and put the production folder right before (``deploy/recovery.py``). A damaged
adapter is made whole from a copy that verifies; where there is none and it is live, the newest whole release takes its
place, else the base alone. Locks need no mending: the system lets go of them when their process ends. A damaged
database is never touched: restore a backup.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .deploy.history import ALL
from .errors import LoraloopError
from .store.artifacts import MANIFEST, set_aside
from .store.durable import file_digest, fsync_path
from .store.leftovers import leftovers

if TYPE_CHECKING:
    from .wiring import Home

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Mended:
    """One thing that was put right.

    Attributes:
        kind: ``key``, ``leftover``, ``healed``, ``went_back``, ``set_aside``, ``name`` or ``dangling``.
        facts: what the message of its kind tells.
    """

    kind: str
    facts: dict[str, Any]


def mend(home: Home) -> list[Mended]:
    """Mend what is safe, in an order in which each step finds the one before done; returns what was done."""
    done: list[Mended] = []
    for repair in REPAIRS:
        done += repair(home)
    for one in done:
        log.warning("mended: %s %s", one.kind, one.facts)
    return done


def key_permissions(home: Home) -> Iterator[Mended]:
    """Let the owner alone read the key of pseudonyms."""
    path = home.folder / "secret.key"
    if path.exists() and path.stat().st_mode & 0o077:
        path.chmod(0o600)
        yield Mended("key", {"path": str(path)})


def cut_off_writes(home: Home) -> Iterator[Mended]:
    """Remove what writes left that were cut off."""
    for path in leftovers(home.folder):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
        yield Mended("leftover", {"path": str(path)})


def damaged_adapters(home: Home) -> Iterator[Mended]:
    """Make damaged and lost adapters whole from a copy in the production folder or among the backups of releases."""
    for digest in _known_digests(home):
        if _is_whole(home, digest):
            continue
        for copy in _copies(home.folder, digest):
            if _heal(home, digest, copy):
                yield Mended("healed", {"digest": digest[:16], "path": str(copy)})
                break


def live_releases(home: Home) -> Iterator[Mended]:
    """Where a live adapter is still damaged, let the newest release whose files are whole serve, else the base."""
    for bot in home.store.bots():
        if bot == home.bot:
            yield from (Mended("went_back", {"bot": bot, "text": line}) for line in home.deployer.leave_damaged())
            continue
        with home.of(bot) as other:
            yield from (Mended("went_back", {"bot": bot, "text": line}) for line in other.deployer.leave_damaged())


def unusable_adapters(home: Home) -> Iterator[Mended]:
    """Set damaged adapters aside that nothing live leads to: they are never loaded, and a person may look at them."""
    live = [home.store.releases.live(bot) for bot in home.store.bots()]
    needed = {release.adapter_id for release in live if release is not None}
    serving = {
        one.digest for bot in home.store.bots() for one in home.store.adapters.list(bot, ALL) if one.id in needed
    }
    for digest in home.artifacts.digests():
        if digest not in serving and not _is_whole(home, digest):
            yield Mended("set_aside", {"digest": digest[:16], "path": str(set_aside(home.folder, digest))})


def adapter_names(home: Home) -> Iterator[Mended]:
    """Remove names that lead nowhere, and let every newest adapter of a name be found by it."""
    stored = set(home.artifacts.digests())
    for bot in home.store.bots():
        folder = home.folder / "adapters" / bot
        for link in sorted(folder.iterdir()) if folder.is_dir() else ():
            if link.is_symlink() and not link.exists():
                link.unlink()
                yield Mended("dangling", {"path": str(link)})
        newest: dict[str, str] = {}
        for adapter in home.store.adapters.list(bot, ALL):
            newest.setdefault(adapter.name, adapter.digest)
        for name, digest in sorted(newest.items()):
            if digest in stored and not (folder / name).is_symlink() and not (folder / name).exists():
                home.artifacts.alias(folder, name, digest)
                yield Mended("name", {"name": name, "digest": digest[:16]})


REPAIRS: tuple[Callable[[Home], Iterator[Mended]], ...] = (
    key_permissions, cut_off_writes, damaged_adapters, live_releases, unusable_adapters, adapter_names,
)  # fmt: skip
"""All repairs, in the order in which they are made."""


def _known_digests(home: Home) -> list[str]:
    """Digests of all objects and of every adapter that is live, whether or not its files are there."""
    found = set(home.artifacts.digests())
    for bot in home.store.bots():
        live = home.store.releases.live(bot)
        adapter = home.store.adapters.get(live.adapter_id) if live is not None and live.adapter_id else None
        if adapter is not None:
            found.add(adapter.digest)
    return sorted(found)


def _is_whole(home: Home, digest: str) -> bool:
    try:
        home.artifacts.verified(digest)
    except LoraloopError:
        return False
    return True


def _copies(folder: Path, digest: str) -> Iterator[Path]:
    """Folders beside the objects that say they hold this adapter, the newest first."""
    places = [path for pattern in ("production/*/*", "backups/*/*") for path in folder.glob(pattern)]
    real = [path for path in places if path.is_dir() and not path.is_symlink() and not path.name.startswith(".")]
    for path in sorted(real, key=lambda path: path.stat().st_mtime, reverse=True):
        if _manifest(path).get("digest") == digest:
            yield path


def _heal(home: Home, digest: str, copy: Path) -> bool:
    """Publish a copy's files anew if they are what their manifest says and give the adapter's digest."""
    from .lm.adapter_files import adapter_digest

    manifest = _manifest(copy)
    staged = home.artifacts.staging()
    try:
        for name, expected in manifest["files"].items():
            shutil.copyfile(copy / Path(name).name, staged / Path(name).name)
            fsync_path(staged / Path(name).name)
            if file_digest(staged / Path(name).name) != expected["sha256"]:
                return False
        if adapter_digest(staged) != digest:
            return False
        home.artifacts.publish(staged, digest, manifest.get("facts", {}))
    except (LoraloopError, OSError, KeyError, TypeError) as error:
        log.warning("the copy %s of adapter %s cannot be used: %s", copy, digest[:16], error)
        return False
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    return _is_whole(home, digest)


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    whole = isinstance(found, dict) and isinstance(found.get("files"), dict)
    return found if whole else {}
