"""How much of a dataset one thing may be: rows that say nearly the same, and rows that a bot wrote itself. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple


class Said(NamedTuple):
    """A training row, as far as its share goes: ``conversation#message``, its cluster, and who wrote the answer."""

    key: str
    cluster: int | None
    is_correction: bool
    self_written: bool


def past_cluster(rows: Sequence[Said], most: int) -> set[str]:
    """Return the keys of rows beyond the first ``most`` of their cluster; corrections count first, then the oldest.

    Example:
        >>> rows = [Said("a#1", 1, False, False), Said("b#1", 1, False, False), Said("c#1", 1, True, False)]
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


def over_share(rows: Sequence[Said], most_frac: float, least: int = 0) -> set[str]:
    """Return the keys of the oldest bot-written rows that must go for the others to be at least their share.

    Text that a model wrote itself, learnt again and again, narrows what it says.

    Args:
        rows: oldest first.
        most_frac: share of bot-written rows, 0..1.
        least: bot-written rows that stay however few the others are.

    Example:
        >>> rows = [Said(str(n), None, False, n < 3) for n in range(5)]
        >>> sorted(over_share(rows, 0.5)), over_share(rows, 1.0)
        (['0'], set())

    **Source**: Shumailov et al., "AI models collapse when trained on recursively generated data" (Nature 2024).
    """
    own = [row.key for row in rows if row.self_written]
    others = len(rows) - len(own)
    if most_frac >= 1:
        return set()
    allowed = max(least, int(others * most_frac / (1 - most_frac) + 1e-9))
    return set(own[: max(0, len(own) - allowed)])
