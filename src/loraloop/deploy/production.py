"""The production folder: what older callers read, derived from the database and repaired from it."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ..errors import StoreError
from ..store.durable import fsync_path, replace_link

log = logging.getLogger(__name__)

METADATA = "deployment.json"
_KEPT_BESIDE_CURRENT = 1


class Production:
    """``production_dir/current`` and the backups.

    ``current`` is a link that is replaced in one step, so it leads to a whole adapter at every instant.

    Args:
        folder: holds one folder a release, and the link.
        backups: holds copies of releases that were replaced.
    """

    def __init__(self, folder: Path, backups: Path) -> None:
        self._folder, self._backups = folder, backups
        self.current = folder / "current"

    def show(self, name: str, adapter: Path, metadata: Mapping[str, Any]) -> None:
        """Make a copy of an adapter's files the current one.

        Args:
            name: of the release's folder.
            adapter: verified files.
            metadata: written beside them.

        Raises:
            StoreError: the disk is full or may not be written; the link leads where it led.
        """
        final = self._folder / name
        try:
            if not final.is_dir():
                staged = self._folder / f".{name}.{os.getpid()}"
                shutil.rmtree(staged, ignore_errors=True)
                _copy(adapter, staged, metadata)
                os.replace(staged, final)
        except OSError as error:
            raise StoreError(f"cannot write {self._folder}: {error.strerror}") from error
        if not self.leads_to(name):
            replace_link(self.current, final)
        try:
            self._sweep(name)
        except OSError as error:  # the release is shown; the next one sweeps again
            log.warning("older folders are left in %s: %s", self._folder, error.strerror)

    def hide(self) -> None:
        """Show no adapter: the base alone serves."""
        try:
            self.current.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"cannot write {self._folder}: {error.strerror}") from error

    def leads_to(self, name: str) -> bool:
        """Return whether ``current`` is a link to the release's folder."""
        return self.current.is_symlink() and Path(os.readlink(self.current)).name == name and self.current.is_dir()

    def metadata(self) -> dict[str, Any]:
        """Return what stands beside the current files; empty where nothing does."""
        try:
            found = json.loads((self.current / METADATA).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def back_up(self, name: str, adapter: Path, metadata: Mapping[str, Any]) -> None:
        """Keep a copy of a release that is about to be replaced."""
        final = self._backups / f"{name}-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}"
        try:
            staged = final.with_name(f".{final.name}")
            _copy(adapter, staged, metadata)
            os.replace(staged, final)
        except OSError as error:
            raise StoreError(f"cannot write {self._backups}: {error.strerror}") from error

    def drop_backups(self, now: datetime, days: float) -> int:
        """Remove backups older than ``days``; returns how many."""
        removed = 0
        oldest = (now - timedelta(days=days)).timestamp()
        for path in sorted(self._backups.iterdir()) if self._backups.is_dir() else ():
            if path.is_dir() and path.stat().st_mtime < oldest:
                shutil.rmtree(path, ignore_errors=True)
                removed += 1
        return removed

    def _sweep(self, current: str) -> None:
        """Remove folders of releases before the last one; a reader of the one just replaced is not disturbed."""
        folders = [path for path in self._folder.iterdir() if path.is_dir() and not path.is_symlink()]
        others = sorted((path for path in folders if path.name != current), key=lambda path: path.stat().st_mtime)
        for path in others[: len(others) - _KEPT_BESIDE_CURRENT]:
            shutil.rmtree(path, ignore_errors=True)


def _copy(adapter: Path, staged: Path, metadata: Mapping[str, Any]) -> None:
    staged.mkdir(parents=True)
    for path in sorted(adapter.iterdir()):
        if path.is_file() and not path.is_symlink():
            shutil.copyfile(path, staged / path.name)
            fsync_path(staged / path.name)
    text = json.dumps(dict(metadata), indent=2, ensure_ascii=False, default=str)
    (staged / METADATA).write_text(text + "\n", encoding="utf-8")
    fsync_path(staged / METADATA)
    fsync_path(staged)
