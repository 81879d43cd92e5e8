"""What was found out about a text, remembered without the text: nobody's words outlast their erasure in memory."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
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

    def get(self, text: str) -> bool | None:
        """Return what is remembered of a text, ``None`` where nothing is."""
        return self._known.get(_digest(text)) if len(text) <= MOST_CHARS else None

    def put(self, text: str, answer: bool) -> None:
        """Remember the answer for a text, unless it is too long."""
        if len(text) <= MOST_CHARS:
            if len(self._known) >= self._most:
                self._known.clear()
            self._known[_digest(text)] = answer

    def of(self, text: str, find_out: Callable[[str], bool]) -> bool:
        """Return what is remembered of a text, or find it out and remember it."""
        known = self.get(text)
        if known is None:
            known = find_out(text)
            self.put(text, known)
        return known


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16, key=_KEY).digest()
