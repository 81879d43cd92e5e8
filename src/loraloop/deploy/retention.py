"""What clean-up may remove: a pure decision."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stored:
    """An adapter on disk.

    Attributes:
        name: its newest name. digest: of its object; ``None`` for a plain folder somebody put there.
    """

    name: str
    digest: str | None


def removable(stored: Sequence[Stored], protected: Collection[str], keep_count: int) -> list[Stored]:
    """Return the adapters clean-up may remove: neither among the newest ``keep_count`` nor protected.

    Args:
        stored: newest first.
        protected: names and digests that must stay.

    Example:
        >>> removable([Stored("c", "3"), Stored("b", "2"), Stored("a", "1")], {"1"}, 1)
        [Stored(name='b', digest='2')]
    """
    return [one for one in stored[keep_count:] if one.name not in protected and one.digest not in protected]
