"""What was found out about a text, remembered without the text: nobody's words outlast their erasure in memory."""

from __future__ import annotations

import hashlib
import os
from typing import Final

MOST_CHARS: Final = 2_000
"""Longest text that is remembered; longer ones are rare, and their digest costs as much as a look."""
_KEY: Final = os.urandom(32)


class Remembered:
    """Yes or no of texts, each under a digest that no other process can make.

    Args:
        most: texts remembered at once; one more forgets all.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: dict[bytes, bool] = {}

    def key(self, text: str) -> bytes:
        """Return under what the answer for a text is remembered; empty for a text too long to be."""
        return _digest(text) if len(text) <= MOST_CHARS else b""

    def get(self, key: bytes) -> bool | None:
        """Return what is remembered under a key, ``None`` where nothing is."""
        return self._known.get(key)

    def put(self, key: bytes, answer: bool) -> None:
        """Remember the answer for a text under its key."""
        if key:
            if len(self._known) >= self._most:
                self._known.clear()
            self._known[key] = answer


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16, key=_KEY).digest()
