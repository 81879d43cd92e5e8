"""A backup as one file: a tar whose last member lists every other one with its size and SHA-256.

A file that was cut off lacks that list and is refused. Names are matched against what a home holds, so that nothing is
written outside the folder a backup is unpacked into; links, devices and strange names are refused.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO

from ..errors import BadBackup, StoreError
from ..ports import Progress
from .durable import fsync_path

MANIFEST = "backup.json"
SCHEMA_VERSION = 1
_ALLOWED = re.compile(
    r"loraloop\.toml|secret\.key|loraloop\.db|tombstones|receipts/[\w.-]+\.json|objects/[0-9a-f]{64}/\w[\w.-]*"
)
_CHUNK = 1 << 20
_MANIFEST_BYTES = 64 << 20
_MEBIBYTE = 1 << 20


class _Digesting(io.RawIOBase):
    """Reads through to a file, and knows the digest of what was read."""

    def __init__(self, file: BinaryIO, heard: Callable[[int], None]) -> None:
        self._file, self._heard = file, heard
        self.sha256 = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        """Read on."""
        part = self._file.read(min(size, _CHUNK) if size >= 0 else _CHUNK)
        self.sha256.update(part)
        self._heard(len(part))
        return part


class BackupWriter:
    """Adds files to a backup; ``finish`` makes it whole.

    Args:
        path: of a new file, readable by its owner alone.
        progress: hears mebibytes, of ``total_bytes``.
    """

    def __init__(self, path: Path, progress: Progress, total_bytes: int) -> None:
        self._file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb")
        self._tar = tarfile.open(fileobj=self._file, mode="w", format=tarfile.PAX_FORMAT)  # noqa: SIM115 - closed below
        self._files: dict[str, dict[str, Any]] = {}
        self._heard = _counted(progress, "backup", total_bytes)

    def add(self, name: str, path: Path) -> None:
        """Add a file of the disk."""
        with path.open("rb") as file:
            self._add(name, file, os.fstat(file.fileno()).st_size)

    def add_bytes(self, name: str, content: bytes) -> None:
        """Add a file of these bytes."""
        self._add(name, io.BytesIO(content), len(content))

    def finish(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Write the list of all files with ``facts`` beside it, durably; returns it."""
        manifest = {"schema_version": SCHEMA_VERSION, **facts, "files": self._files}
        content = json.dumps(manifest, indent=1, sort_keys=True).encode()
        self._tar.addfile(_member(MANIFEST, len(content)), io.BytesIO(content))
        self._tar.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        return manifest

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _add(self, name: str, file: BinaryIO, size: int) -> None:
        if not _ALLOWED.fullmatch(name):
            raise StoreError(f"{name!r} is no name for a file of a backup")
        reading = _Digesting(file, self._heard)
        self._tar.addfile(_member(name, size), reading)
        self._files[name] = {"size_bytes": size, "sha256": reading.sha256.hexdigest()}


def verify(path: Path, progress: Progress) -> dict[str, Any]:
    """Read a backup through and return its list, after every file was checked against it.

    Raises:
        BadBackup: it was cut off or changed, or holds what no backup holds. StoreError: it cannot be read.
    """
    return _read(path, None, _counted(progress, "verify", path.stat().st_size if path.is_file() else 0))


def unpack(path: Path, into: Path, progress: Progress) -> dict[str, Any]:
    """Write a backup's files into an empty folder, durably, checking each on the way; returns its list.

    Raises:
        BadBackup: as ``verify``. StoreError: the disk is full or may not be written.
    """
    return _read(path, into, _counted(progress, "restore", path.stat().st_size))


def _read(path: Path, into: Path | None, heard: Callable[[int], None]) -> dict[str, Any]:
    found: dict[str, dict[str, Any]] = {}
    manifest: dict[str, Any] | None = None
    with _told(path), tarfile.open(path, mode="r:") as tar:
        for member in tar:
            if manifest is not None or not member.isreg() or member.name in found:
                raise BadBackup(f"{path} holds {member.name!r}, which no backup holds there")
            file = tar.extractfile(member)
            assert file is not None
            if member.name == MANIFEST:
                manifest = _parsed(path, file, member.size)
                continue
            if not _ALLOWED.fullmatch(member.name):
                raise BadBackup(f"{path} holds {member.name!r}, which no backup holds")
            target = None if into is None else into / member.name
            found[member.name] = {"size_bytes": member.size, "sha256": _copy(file, target, heard)}
    if manifest is None:
        raise BadBackup(f"{path} was cut off: the list of its files is missing")
    listed = manifest["files"]
    wrong = sorted(name for name in listed.keys() | found.keys() if listed.get(name) != found.get(name))
    if wrong:
        raise BadBackup(
            f"{path} is damaged: {', '.join(wrong[:3])} {'differ' if len(wrong) > 1 else 'differs'} from its list"
        )
    if into is not None:
        for folder in sorted({(into / name).parent for name in found} | {into}, reverse=True):
            fsync_path(folder)
    return manifest


def _parsed(path: Path, file: IO[bytes], size: int) -> dict[str, Any]:
    if size > _MANIFEST_BYTES:
        raise BadBackup(f"{path}: its list of files is larger than any backup's")
    try:
        manifest = json.loads(file.read())
    except ValueError as error:
        raise BadBackup(f"{path}: its list of files cannot be read ({error})") from error
    if not isinstance(manifest, dict) or not isinstance(manifest.get("files"), dict):
        raise BadBackup(f"{path}: its list of files is malformed")
    if manifest.get("schema_version") != SCHEMA_VERSION:
        raise BadBackup(
            f"{path} is a backup of schema {manifest.get('schema_version')}, known is {SCHEMA_VERSION}",
            hint="restore it with the version of loraloop that made it",
        )
    return manifest


def _copy(file: IO[bytes], target: Path | None, heard: Callable[[int], None]) -> str:
    digest = hashlib.sha256()
    written: IO[bytes] | None = None
    if target is not None:
        target.parent.mkdir(parents=True, exist_ok=True)
        written = os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
    try:
        while part := file.read(_CHUNK):
            digest.update(part)
            heard(len(part))
            if written is not None:
                written.write(part)
        if written is not None:
            written.flush()
            os.fsync(written.fileno())
    finally:
        if written is not None:
            written.close()
    return digest.hexdigest()


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    return member


def _counted(progress: Progress, stage: str, total_bytes: int) -> Callable[[int], None]:
    done, total = 0, max(1, total_bytes // _MEBIBYTE)

    def heard(more: int) -> None:
        nonlocal done
        done += more
        progress(stage, min(done // _MEBIBYTE, total), total)

    return heard


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except tarfile.TarError as error:
        raise BadBackup(f"{path} is no backup, or was cut off ({error})") from error
    except EOFError as error:
        raise BadBackup(f"{path} was cut off") from error
    except StoreError:
        raise
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror or error}") from error
