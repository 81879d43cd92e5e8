"""The port of whatever keeps sketches of rows; ``ports.Store`` holds one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from .types import Signature


class SignatureStore(Protocol):
    """Keeps sketches of rows, so that near-duplicates are looked for among new rows only."""

    def marks(self, conversations: Sequence[str]) -> dict[tuple[str, int], str]:
        """What is known of the answers of some conversations: ``(conversation, message)`` -> mark."""
        ...

    def add(self, bot: str, signatures: Iterable[Signature]) -> None:
        """Keep signatures, in place of older ones of the same answers."""
        ...

    def bands(self, bot: str) -> Iterator[tuple[Sequence[int], Sequence[int], bytes]]:
        """Pages of numbers, clusters and bands, one after another, of all signatures of a bot, oldest first."""
        ...

    def sketches(self, ids: Sequence[int]) -> dict[int, bytes]:
        """The sketches of some signatures by number."""
        ...

    def clusters(self, conversations: Sequence[str]) -> Iterator[tuple[str, int, int]]:
        """``(conversation, message, cluster)`` of the signatures of some conversations."""
        ...
