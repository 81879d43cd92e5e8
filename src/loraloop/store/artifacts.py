"""LocalArtifacts: immutable folders by the SHA-256 of what they hold.

An object is published whole or not at all: stage on the same file system, fsync each file, write the manifest, fsync
the folder, rename into ``objects/``, fsync the parent. It is verified, file by file, before every use.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..errors import ArtifactError, StoreError, TamperedArtifact, UnknownThing
from ..failpoints import reached
from ..processes import place_code
from .durable import file_digest, fsync_path, replace_link
from .leftovers import alive
from .location import checked_name, inside

MANIFEST = "manifest.json"
SCHEMA_VERSION = 1
_DIGEST = re.compile(r"[0-9a-f]{64}")
_CODE = frozenset({".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".py", ".so"})
_STALE_S = 24 * 3600.0


class LocalArtifacts:
    """Objects under ``root/objects``, staged under ``root/staging``.

    Args:
        root: made when first written to.
    """

    def __init__(self, root: Path) -> None:
        self._objects, self._staging = Path(root) / "objects", Path(root) / "staging"

    def staging(self) -> Path:
        """Return a new empty folder on the same file system, to be filled and published."""
        try:
            self._staging.mkdir(parents=True, exist_ok=True)
            return Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-{place_code()}-", dir=self._staging))
        except OSError as error:
            raise StoreError(f"cannot write to {self._staging}: {error.strerror}") from error

    def publish(self, staged: Path, digest: str, facts: Mapping[str, Any] | None = None) -> Path:
        """Make ``staged`` the object ``digest``, durably; where it exists and is whole, ``staged`` is dropped.

        Args:
            staged: from ``staging()``; holds plain files only.
            digest: SHA-256 (hex) of its canonical content, as its maker defines it.
            facts: kept in the manifest beside the files' digests.

        Raises:
            ArtifactError: it holds a link, a folder or a file that could run code.
            StoreError: the disk is full or may not be written; nothing was published.
        """
        final = self._folder(digest)
        try:
            if final.is_dir() and self._faults(final) == []:
                shutil.rmtree(staged)
                return final
            self._write_manifest(staged, digest, facts or {})
            reached("artifact.listed")
            if not self._objects.is_dir():
                self._objects.mkdir(parents=True, exist_ok=True)
                fsync_path(self._objects.parent)  # or a power cut takes the folder away with all that is in it
            if final.is_dir():  # damaged: the whole one takes its place, the old one is kept for a look
                set_aside(self._objects.parent, digest)
            os.replace(staged, final)
            reached("artifact.renamed")
            fsync_path(self._objects)
            reached("artifact.published")
        except (ArtifactError, StoreError, OSError) as error:
            shutil.rmtree(staged, ignore_errors=True)
            if not isinstance(error, OSError):
                raise
            raise StoreError(f"cannot publish an artifact: {error.strerror}") from error
        return final

    def verified(self, digest: str) -> Path:
        """Return the folder of an object after every file was checked against its manifest.

        Raises:
            UnknownThing: there is no such object. TamperedArtifact: a file is missing, extra or changed.
        """
        folder = self._folder(digest)
        if not folder.is_dir():
            raise UnknownThing(f"no artifact {digest[:16]} is stored", hint="restore it from a backup, or train again")
        faults = self._faults(folder)
        if faults:
            raise TamperedArtifact(f"artifact {digest[:16]}: {'; '.join(faults)}")
        return folder

    def facts(self, digest: str) -> dict[str, Any]:
        """Return what the manifest says beside the files' digests."""
        return dict(self._manifest(self._folder(digest)).get("facts", {}))

    def digests(self) -> list[str]:
        """Return the digests of all objects, sorted."""
        if not self._objects.is_dir():
            return []
        return sorted(path.name for path in self._objects.iterdir() if _DIGEST.fullmatch(path.name))

    def remove(self, digest: str) -> None:
        """Remove an object; it disappears in one step."""
        folder, gone = self._folder(digest), self.staging()
        try:
            with suppress(FileNotFoundError):
                os.replace(folder, gone / "removed")
        except OSError as error:
            raise StoreError(f"cannot remove artifact {digest[:16]}: {error.strerror}") from error
        finally:
            shutil.rmtree(gone, ignore_errors=True)

    def sweep_staging(self) -> int:
        """Remove what processes that are gone left in staging; returns how many folders.

        Of a process of another machine or container nobody knows here: what it staged goes by its age alone.
        """
        swept = 0
        for path in self._staging.iterdir() if self._staging.is_dir() else ():
            owner, _, rest = path.name.partition("-")
            ours = owner.isdigit() and rest.startswith(f"{place_code()}-")
            with suppress(FileNotFoundError):  # another process sweeps too
                old = time.time() - path.stat().st_mtime > _STALE_S
                if (ours and not alive(int(owner))) or old:
                    shutil.rmtree(path, ignore_errors=True)
                    swept += 1
        return swept

    def alias(self, folder: Path, name: str, digest: str) -> Path:
        """Let ``folder/name`` lead to an object; a real folder in the way is moved aside, never deleted."""
        link = inside(folder, checked_name(name))
        if link.is_dir() and not link.is_symlink():
            _move_aside(link)
        replace_link(link, self._folder(digest))
        return link

    # -- how it is done -----------------------------------------------------------------------------------------------

    def _folder(self, digest: str) -> Path:
        if not _DIGEST.fullmatch(digest):
            raise ArtifactError(f"{digest!r} is no SHA-256 digest")
        return self._objects / digest

    def _write_manifest(self, staged: Path, digest: str, facts: Mapping[str, Any]) -> None:
        files: dict[str, Any] = {}
        for path in sorted(staged.iterdir()):
            if path.is_symlink() or not path.is_file():
                raise ArtifactError(f"{path.name} is a link, folder or device; only plain files are published")
            if path.suffix.lower() in _CODE:
                raise ArtifactError(f"{path.name} could run code when loaded; it is not published")
            if path.name != MANIFEST:
                files[path.name] = {"sha256": file_digest(path), "size_bytes": path.stat().st_size}
                fsync_path(path)
        manifest = {"schema_version": SCHEMA_VERSION, "digest": digest, "files": files, "facts": dict(facts)}
        (staged / MANIFEST).write_text(json.dumps(manifest, indent=2, sort_keys=True, default=str) + "\n", "utf-8")
        fsync_path(staged / MANIFEST)
        fsync_path(staged)

    def _manifest(self, folder: Path) -> dict[str, Any]:
        try:
            manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise TamperedArtifact(f"artifact {folder.name[:16]}: {MANIFEST} cannot be read ({error})") from error
        if not isinstance(manifest, dict) or not isinstance(manifest.get("files"), dict):
            raise TamperedArtifact(f"artifact {folder.name[:16]}: {MANIFEST} is malformed")
        if manifest.get("schema_version") != SCHEMA_VERSION:
            raise TamperedArtifact(
                f"artifact {folder.name[:16]}: schema {manifest.get('schema_version')}, known is {SCHEMA_VERSION}"
            )
        return manifest

    def _faults(self, folder: Path) -> list[str]:
        """What is wrong with an object, in words; empty when it is whole."""
        try:
            manifest = self._manifest(folder)
        except TamperedArtifact as error:
            return [str(error)]
        faults = [] if manifest.get("digest") == folder.name else ["the manifest is of another object"]
        present = {path.name: path for path in folder.iterdir() if path.name != MANIFEST}
        for name in sorted(present.keys() - manifest["files"].keys()):
            faults.append(f"{name} does not belong to it")
        for name, expected in sorted(manifest["files"].items()):
            path = present.get(name)
            if path is None:
                faults.append(f"{name} is missing")
            elif path.is_symlink() or not path.is_file():
                faults.append(f"{name} is no plain file")
            elif path.stat().st_size != expected.get("size_bytes") or file_digest(path) != expected.get("sha256"):
                faults.append(f"{name} was changed")
        return faults


def _move_aside(folder: Path) -> None:
    aside = folder.with_name(f"{folder.name}.before-{time.strftime('%Y%m%d-%H%M%S')}-{time.time_ns() % 10**9:09d}")
    try:
        folder.rename(aside)
    except OSError as error:
        raise StoreError(f"cannot move {folder} aside: {error.strerror}") from error


def set_aside(root: Path, digest: str) -> Path:
    """Move a damaged object out of the way, for a person to look at; it disappears in one step.

    Args:
        root: of the store, as handed to ``LocalArtifacts``.

    Raises:
        StoreError: the disk may not be written.
    """
    aside = Path(root) / "damaged" / f"{digest[:16]}-{time.strftime('%Y%m%d-%H%M%S')}-{time.time_ns() % 10**9:09d}"
    try:
        aside.parent.mkdir(exist_ok=True)
        os.replace(Path(root) / "objects" / digest, aside)
        fsync_path(aside.parent)
        fsync_path(Path(root) / "objects")
    except OSError as error:
        raise StoreError(f"cannot set artifact {digest[:16]} aside: {error.strerror}") from error
    return aside
