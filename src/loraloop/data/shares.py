"""How much of a dataset one thing may be: rows that say nearly the same, and rows that a bot wrote itself. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple


class Said(NamedTuple):
    """A training row, as far as its cluster's share goes: ``conversation#message`` and its cluster."""

    key: str
    cluster: int | None
    is_correction: bool


def past_cluster(rows: Sequence[Said], most: int) -> set[str]:
    """Return the keys of rows beyond the first ``most`` of their cluster; corrections count first, then the oldest.

    Example:
        >>> rows = [Said("a#1", 1, False), Said("b#1", 1, False), Said("c#1", 1, True)]
        >>> past_cluster(rows, 2)
        {'b#1'}
    """
    seen: Counter[int] = Counter()
    left: set[str] = set()
    for row in sorted(rows, key=lambda row: not row.is_correction):
        if row.cluster is not None:
            seen[row.cluster] += 1
            if seen[row.cluster] > most:
                left.add(row.key)
    return left


def over_share(own: Sequence[str], others: int, most_frac: float, least: int = 0) -> set[str]:
    """Return the keys of the oldest bot-written rows that must go for the others to be at least their share.

    Text that a model wrote itself, learnt again and again, narrows what it says.

    Args:
        own: keys of the bot-written rows, oldest first.
        others: how many other rows there are.
        most_frac: share of bot-written rows, 0..1.
        least: bot-written rows that stay however few the others are.

    Example:
        >>> sorted(over_share(["0", "1", "2"], 2, 0.5)), over_share(["0", "1", "2"], 2, 1.0)
        (['0'], set())

    **Source**: Shumailov et al., "AI models collapse when trained on recursively generated data" (Nature 2024).
    """
    if most_frac >= 1:
        return set()
    allowed = max(least, int(others * most_frac / (1 - most_frac) + 1e-9))
    return set(own[: max(0, len(own) - allowed)])
