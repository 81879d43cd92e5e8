"""The ledger of tombstones: a file beside the home that a restored backup of the home does not turn back."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

from ..errors import StoreError
from .durable import fsync_path


class Ledger:
    """Keyed digests, one a line, only ever appended.

    Args:
        path: of the file; made when first written to.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def beside(cls, home: Path, named: str = "") -> Ledger:
        """Return the ledger of a home: the file that is named, else ``HOME.tombstones`` beside it.

        Beside the folder itself, by whichever way somebody came to it: ``..`` or a link have another place beside them.
        """
        folder = home.resolve()
        return cls(Path(named).expanduser() if named else folder.with_name(f"{folder.name}.tombstones"))

    def digests(self) -> set[str]:
        """Return every digest; a line that was cut off by a crash, or is no line of a ledger, counts as not written.

        Raises:
            StoreError: the file cannot be read.
        """
        try:
            lines = self.path.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return set()
        except OSError as error:
            raise StoreError(f"cannot read {self.path}: {error.strerror}") from error
        found = set()
        for line in lines:
            try:
                found.add(str(json.loads(line)["digest"]))
            except (ValueError, KeyError, TypeError):
                continue
        return found

    def add(self, digests: Iterable[str]) -> None:
        """Append those that are not there yet, durably.

        Raises:
            StoreError: the file cannot be written.
        """
        new = sorted(set(digests) - self.digests())
        if not new:
            return
        text = "".join(json.dumps({"digest": digest}) + "\n" for digest in new)
        try:
            handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            with os.fdopen(handle, "ab") as file:  # which writes all of it or says so; a full disk takes a part
                file.write(("\n" + text).encode())  # after whatever part of a line a crash left
                file.flush()
                os.fsync(file.fileno())
            fsync_path(self.path.parent)
        except OSError as error:
            raise StoreError(
                f"cannot write {self.path}: {error.strerror}", hint="name another file: [privacy] tombstones"
            ) from error
