"""The home's secret: the key of pseudonyms and row digests."""

from __future__ import annotations

import secrets
from pathlib import Path

from ..errors import StoreError
from .durable import write_durably


def home_secret(path: Path) -> bytes:
    """Return the 32 bytes kept in a file, made at random where there is none; only its owner can read it.

    Raises:
        StoreError: the file is damaged, or cannot be written.
    """
    try:
        return bytes.fromhex(path.read_text(encoding="ascii"))
    except FileNotFoundError:
        secret = secrets.token_bytes(32)
        write_durably(path, secret.hex())
        path.chmod(0o600)
        return secret
    except ValueError as error:
        raise StoreError(f"{path} is damaged", hint="restore it from a backup; without it nobody is known") from error
