"""Rows that say nearly the same, found among many without comparing each with each. Pure.

Each row joins the cluster of the earliest row before it that is alike enough; clusters never merge later, so a number
once given stays. ``data/clusters.py`` looks at the few rows that caps of trust are about, exactly, and anew each time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def proposed(bands_NB: np.ndarray, first_new: int) -> np.ndarray:
    """Return pairs ``(new row, earlier row)`` that share a band: its first holder, and the one just before the new row.

    **Shapes**: bands (N rows, B bands) -> (pairs, 2), sorted by the new row, then by the earlier one.
    """
    import numpy as np

    rows, codes = len(bands_NB), []
    is_new = np.arange(rows) >= first_new
    for band in range(bands_NB.shape[1]):
        values = bands_NB[:, band]
        if first_new:  # rows that share a value with no new row need not be sorted
            chosen = np.flatnonzero(is_new | _among(values, values[first_new:]))
            order = chosen[np.argsort(values[chosen], kind="stable")]
        else:
            order = np.argsort(values, kind="stable")
        ordered = values[order]
        begins = np.concatenate(([True], ordered[1:] != ordered[:-1]))
        first = order[np.maximum.accumulate(np.where(begins, np.arange(len(order)), 0))]
        for earlier in (first, np.concatenate((order[:1], order[:-1]))):
            pairs = ~begins & is_new[order]
            codes.append(order[pairs].astype(np.int64) * rows + earlier[pairs])
    found = np.concatenate(codes)
    found.sort()
    found = found[np.concatenate(([True], found[1:] != found[:-1]))] if len(found) else found
    return np.stack((found // rows, found % rows), axis=1)


def _among(values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Which values are among some others; by a table of their lowest 20 bits, so that a few more may be."""
    import numpy as np

    table = np.zeros(1 << 20, dtype=bool)
    table[wanted & 0xFFFFF] = True
    found: np.ndarray = table[values & 0xFFFFF]
    return found


def joined(clusters: Sequence[int], pairs: Sequence[Sequence[int]], new: int, next_cluster: int) -> list[int]:
    """Return the clusters of new rows.

    Args:
        clusters: of the rows before them.
        pairs: ``(new row, earlier row)`` that are alike, sorted.
        new: how many new rows there are.
        next_cluster: the first number that is free.

    Example:
        >>> joined([5], [(1, 0), (3, 1)], 3, 6)
        [5, 6, 5]
    """
    found = list(clusters)
    partner: dict[int, int] = {}
    for row, earlier in pairs:
        partner.setdefault(int(row), int(earlier))
    for row in range(len(clusters), len(clusters) + new):
        if row in partner:
            found.append(found[partner[row]])
        else:
            found.append(next_cluster)
            next_cluster += 1
    return found[len(clusters) :]
