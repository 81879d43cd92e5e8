"""Rows that say nearly the same, found among many without comparing each with each. Pure.

Each row joins the cluster of the earliest row before it that is alike enough; clusters never merge later, so a number
once given stays. ``data/clusters.py`` looks at the few rows that caps of trust are about, exactly, and anew each time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
        self.earlier = 0
        self._new = len(new_TB)
        self._bands = [_Band(values) for values in new_TB.T]

    def read(self, bands_NB: np.ndarray) -> None:
        """Note which of the next earlier rows are the first and the last so far to hold a value."""
        for band, values in zip(self._bands, bands_NB.T, strict=True):
            if self._new and len(values):
                band.read(values, self.earlier)
        self.earlier += len(bands_NB)

    def pairs(self) -> np.ndarray:
        """Return what ``proposed`` does; rows are counted from the first earlier one."""
        import numpy as np

        total = max(1, self.earlier + self._new)
        codes = [new * total + before for band in self._bands for new, before in band.pairs(self.earlier)]
        found = np.concatenate(codes) if codes else np.empty(0, dtype=np.int64)
        found.sort()  # with its neighbours looked at, a fraction of the time that np.unique takes
        found = found[np.concatenate(([True], found[1:] != found[:-1]))[: len(found)]]
        return np.stack((found // total, found % total), axis=1)


class _Band:
    """One band of new rows: those that hold the same value stand together, in order, and begin at ``_begins``."""

    def __init__(self, values: np.ndarray) -> None:
        import numpy as np

        keys = values.astype(np.uint64) << np.uint64(32) | np.arange(len(values), dtype=np.uint64)
        keys.sort()  # by value, then by row: one sort of plain numbers takes a fifth of the time of an argsort
        held = (keys >> np.uint64(32)).astype(np.uint32)
        self._rows = keys.astype(np.uint32)
        self._begins = np.flatnonzero(np.concatenate(([True], held[1:] != held[:-1]))[: len(held)])
        self._values = held[self._begins]
        self._first, self._last = (np.full(len(self._values), -1, dtype=np.int32) for _ in range(2))
        self._table: np.ndarray | None = None

    def read(self, values: np.ndarray, earlier: int) -> None:
        """Note who of the next earlier rows holds a value; ``earlier`` were read before."""
        import numpy as np

        if self._table is None:
            self._table = np.zeros(1 << _BITS, dtype=bool)
            self._table[self._values & _LOW] = True
        rows = np.flatnonzero(self._table[values & _LOW])
        asked = values[rows]
        places = np.minimum(np.searchsorted(self._values, asked), len(self._values) - 1)
        same = self._values[places] == asked
        places, rows = places[same], rows[same] + earlier
        unheld = self._first[places] < 0
        self._first[places[unheld][::-1]] = rows[unheld][::-1]  # of equal places the last assignment stays
        self._last[places] = rows

    def pairs(self, earlier: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield new rows, each with the first holder of its value, and with the one just before it."""
        import numpy as np

        rows, old = self._rows.astype(np.int64) + earlier, self._first >= 0
        first = np.where(old, self._first, rows[self._begins])
        counts = np.diff(self._begins, append=len(rows))
        follows = np.ones(len(rows), dtype=bool)
        follows[self._begins] = False
        later = np.flatnonzero(follows)
        yield rows[later], np.repeat(first, counts - 1)
        yield rows[later], rows[later - 1]
        begin = rows[self._begins[old]]
        yield begin, first[old]
        yield begin, self._last[old].astype(np.int64)


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
