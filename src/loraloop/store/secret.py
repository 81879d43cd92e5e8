"""The home's secret: the key of pseudonyms and row digests."""

from __future__ import annotations

import secrets
from pathlib import Path

from ..errors import StoreError
from .durable import write_durably


def home_secrets(path: Path) -> list[bytes]:
    """Return the secrets kept in a file, one a line and the newest first; the first one is made where there is none.

    The newest makes new pseudonyms and digests; by the older ones people are found who came before it.

    Raises:
        StoreError: the file is damaged, or cannot be written.
    """
    try:
        found = [bytes.fromhex(line) for line in path.read_text(encoding="ascii").split()]
        if not found or not all(found):
            raise ValueError("no key")
        return found
    except FileNotFoundError:
        return [_put_first(path, [])]
    except ValueError as error:
        raise StoreError(f"{path} is damaged", hint="restore it from a backup; without it nobody is known") from error


def rotate_secret(path: Path) -> None:
    """Put a new secret before those there are; only the owner can read the file."""
    _put_first(path, home_secrets(path))


def _put_first(path: Path, older: list[bytes]) -> bytes:
    secret = secrets.token_bytes(32)
    write_durably(path, "\n".join(one.hex() for one in (secret, *older)))
    path.chmod(0o600)
    return secret
