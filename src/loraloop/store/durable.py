"""Files that are whole or absent after a crash.

Source: write to a new file, fsync it, rename over the old one, fsync the folder (POSIX rename is atomic; without the
last fsync the rename itself may be lost).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path

from ..errors import StoreError
from ..failpoints import reached


def fsync_path(path: Path) -> None:
    """Force a file's content, or a folder's entries, to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_durably(path: Path, content: str | bytes) -> None:
    """Replace ``path`` by ``content`` (text as UTF-8); readers see the old file or the new one, never a part.

    Raises:
        StoreError: the disk is full or may not be written; the old file is still there.
    """
    raw = content.encode() if isinstance(content, str) else content
    staged = ""
    try:
        handle, staged = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        reached("file.staged")
        os.replace(staged, path)
        reached("file.replaced")
        fsync_path(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(staged)
        raise StoreError(f"cannot write {path}: {error.strerror}") from error


def replace_link(link: Path, target: Path) -> None:
    """Make ``link`` a symbolic link to ``target`` in one step; it leads to the old or the new place at every instant.

    The link is relative where both lie under one folder, so that the folder can be moved.

    Raises:
        StoreError: the disk may not be written, or a real folder is in the way.
    """
    try:
        link.parent.mkdir(parents=True, exist_ok=True)
        staged = link.parent / f".{link.name}.{os.getpid()}.link"
        with contextlib.suppress(FileNotFoundError):
            staged.unlink()
        staged.symlink_to(os.path.relpath(target, link.parent))
        os.replace(staged, link)
        fsync_path(link.parent)
    except OSError as error:
        raise StoreError(f"cannot point {link} to {target.name}: {error.strerror}") from error


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
