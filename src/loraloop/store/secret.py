"""The home's secret: the key of pseudonyms and row digests."""

from __future__ import annotations

import secrets
from collections.abc import Callable
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


def kept_secrets(path: Path, is_any_known: Callable[[], bool]) -> list[bytes]:
    """Return the secrets of a home; one is made only where nobody is known by another.

    A new one would find nobody who came before: whoever asks to be forgotten would be told that nothing was stored.

    Raises:
        StoreError: the file is gone, is damaged, or cannot be written.
    """
    if not path.exists() and is_any_known():
        raise StoreError(
            f"{path} is gone, and people are stored who can only be found with it",
            hint="put it back; if it is lost for good: loraloop data new-key (nobody of before is found by name then)",
        )
    return home_secrets(path)


def rotate_secret(path: Path) -> None:
    """Put a new secret before those there are; only the owner can read the file."""
    _put_first(path, home_secrets(path))


def _put_first(path: Path, older: list[bytes]) -> bytes:
    secret = secrets.token_bytes(32)
    write_durably(path, "\n".join(one.hex() for one in (secret, *older)))
    path.chmod(0o600)
    return secret
