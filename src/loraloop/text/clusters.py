"""Rows that say nearly the same, found among many without comparing each with each. Pure.

Each row joins the cluster of the earliest row before it that is alike enough; clusters never merge later, so a number
once given stays. ``data/clusters.py`` looks at the few rows that caps of trust are about, exactly, and anew each time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


_BITS = 18
_LOW = (1 << _BITS) - 1
"""Lowest bits of a value, by which a table tells most that no new row has."""


def proposed(bands_NB: np.ndarray, first_new: int) -> np.ndarray:
    """Return pairs ``(new row, earlier row)`` that share a band: its first holder, and the one just before the new row.

    **Shapes**: bands (N rows, B bands) -> (pairs, 2), sorted by the new row, then by the earlier one.
    """
    asking = Asking(bands_NB[first_new:])
    asking.read(bands_NB[:first_new])
    return asking.pairs()


class Asking:
    """New rows that ask which earlier ones share a band with them; those are read in order, and not kept.

    **Shapes**: bands (T new rows, B bands).
    """

    def __init__(self, new_TB: np.ndarray) -> None:
        import numpy as np

        self.earlier = 0
        self._new_BT = np.ascontiguousarray(new_TB.T)
        self._values = [_distinct(values.copy()) for values in self._new_BT]
        self._firsts, self._lasts = ([np.full(len(one), -1, dtype=np.int32) for one in self._values] for _ in range(2))
        self._tables_BV = np.zeros((len(self._values), 1 << _BITS), dtype=bool)
        for table, values in zip(self._tables_BV, self._values, strict=True):
            table[values & _LOW] = True

    def read(self, bands_NB: np.ndarray) -> None:
        """Note which of the next earlier rows are the first and the last so far to hold a value."""
        import numpy as np

        for band, values in enumerate(bands_NB.T if len(self._new_BT[0]) else ()):
            rows = np.flatnonzero(self._tables_BV[band][values & _LOW])
            asked, wanted = values[rows], self._values[band]
            places = np.minimum(np.searchsorted(wanted, asked), len(wanted) - 1)
            same = wanted[places] == asked
            places, rows = places[same], rows[same] + self.earlier
            firsts = self._firsts[band]
            unheld = firsts[places] < 0
            firsts[places[unheld][::-1]] = rows[unheld][::-1]  # of equal places the last assignment stays
            self._lasts[band][places] = rows
        self.earlier += len(bands_NB)

    def pairs(self) -> np.ndarray:
        """Return what ``proposed`` does; rows are counted from the first earlier one."""
        import numpy as np

        total, codes = self.earlier + self._new_BT.shape[1], [np.empty(0, dtype=np.int64)]
        for values, first, last in zip(self._new_BT, self._firsts, self._lasts, strict=True):
            keys = values.astype(np.uint64) << np.uint64(32) | np.arange(len(values), dtype=np.uint64)
            keys.sort()  # by value, then by row: one sort of plain numbers takes a fifth of the time of an argsort
            rows = keys.astype(np.uint32).astype(np.int64) + self.earlier
            begins = np.concatenate(([True], keys[1:] >> np.uint64(32) != keys[:-1] >> np.uint64(32)))[: len(keys)]
            run = np.cumsum(begins) - 1
            held = first[run] >= 0
            before = np.where(begins, last[run], np.roll(rows, 1))
            first_of = np.where(held, first[run], rows[begins][run])
            asks = held | ~begins
            codes += [rows[asks] * total + first_of[asks], rows[asks] * total + before[asks]]
        found = _distinct(np.concatenate(codes))
        return np.stack((found // max(total, 1), found % max(total, 1)), axis=1)


def _distinct(numbers: np.ndarray) -> np.ndarray:
    """The distinct ones of some numbers, sorted, in a fraction of the time that ``np.unique`` takes; sorts in place."""
    import numpy as np

    numbers.sort()
    found: np.ndarray = numbers[np.concatenate(([True], numbers[1:] != numbers[:-1]))[: len(numbers)]]
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
    partner: dict[int, int] = {}
    for row, earlier in pairs:
        partner.setdefault(int(row), int(earlier))
    before, found = len(clusters), list[int]()
    for row in range(before, before + new):
        earlier = partner.get(row, row)
        if earlier < row:
            found.append(clusters[earlier] if earlier < before else found[earlier - before])
        else:
            found.append(next_cluster)
            next_cluster += 1
    return found
