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
    for values in np.ascontiguousarray(bands_NB.T):
        # rows that share a value with no new row need not be sorted
        chosen = np.flatnonzero(_among(values, values[first_new:])) if first_new else np.arange(rows)
        keys = values[chosen].astype(np.uint64) << np.uint64(32) | chosen.astype(np.uint64)
        keys.sort()  # by value, then by row: one sort of plain numbers takes a fifth of the time of an argsort
        held = keys >> np.uint64(32)
        places = np.flatnonzero(held[1:] == held[:-1]) + 1  # of the rows that are not their value's first holder
        if not len(places):
            continue
        order = keys.astype(np.uint32).astype(np.int64)
        run_begins = np.concatenate(([True], places[1:] != places[:-1] + 1))
        firsts = (places[run_begins] - 1)[np.cumsum(run_begins) - 1]
        new = order[places]
        codes += [new * rows + order[firsts], new * rows + order[places - 1]]
    found = np.concatenate(codes) if codes else np.empty(0, dtype=np.int64)
    found = found[found >= first_new * rows]
    found.sort()
    found = found[np.concatenate(([True], found[1:] != found[:-1]))] if len(found) else found
    return np.stack((found // rows, found % rows), axis=1) if len(found) else np.empty((0, 2), dtype=np.int64)


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
