"""All near-duplicates between two lists of texts, found by numbers over all of them together. Pure.

What counts as near is said by ``dedupe``; this finds the same pairs as its index does, text by text, several times as
fast. Short texts are filed under hashes of their pieces (``edits.EditIndex`` says which and why none is missed), long
ones under bands of their sketches. Most pairs proposed so are dismissed without reading them: because too many letters
differ, whatever their order, or too few bands are equal. What is left is compared letter by letter.

Source: Li, Deng, Wang, Feng, "Pass-Join" (VLDB 2011); Leskovec, Rajaraman, Ullman, "Mining of Massive Datasets",
chapter 3 (banding).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Final

from .compacting import code_points
from .dedupe import SHORT_CHARS, SHORT_INDEX_CHARS, similar
from .edits import EditIndex, edit_limit
from .sketches import BANDS, bands, sketches

if TYPE_CHECKING:
    import numpy as np

_LEAST_BANDS: Final = 4
"""Equal bands of 32 that two long texts need to be compared: at a similarity of 0.84, 16 are equal as a rule, and fewer
than 4 once in a million."""
_LETTERS: Final = 32
"""Kinds of letters that are counted to tell how many differ."""
_BLOCK: Final = 8192
"""Texts of the longer list in memory at once."""
_ROWS: Final = 1024
_PAIRS: Final = 1 << 16
_TABLE_BITS: Final = 22
_TABLE_LOW: Final = (1 << _TABLE_BITS) - 1
_BASE: Final = 0x9E3779B97F4A7C15
_INVERSE: Final = pow(_BASE, -1, 2**64)


def near_pairs(many: Iterable[str], few: Sequence[str], threshold: float) -> list[tuple[int, int]]:
    """Return the positions in both lists of all texts that are near-duplicates and not equal, sorted.

    Args:
        many: texts as ``dedupe.compact`` gives them, read once and a block at a time.
        few: the shorter list of such texts.
        threshold: as for ``dedupe.NearDuplicates``, 0.84..1.

    Example:
        >>> near_pairs(["오늘저녁은뭐먹을까", "whoareyou"], ["오늘저녁은뭐먹을까요"], 0.9)
        [(0, 0)]
    """
    if threshold >= 1.0 or not few:
        return []
    short, long = _ShortTexts(few, threshold), _LongTexts(few)
    found: list[tuple[int, int]] = []
    read, texts = 0, iter(many)
    while block := list(islice(texts, _BLOCK)):
        proposed = sorted({*short.proposed(block), *long.proposed(block)})
        found += [
            (read + one, other)
            for one, other in proposed
            if block[one] != few[other] and similar(block[one], few[other], threshold)
        ]
        read += len(block)
    return found


class _ShortTexts:
    """The short ones among some texts; proposes those that share a piece and do not differ in too many letters."""

    def __init__(self, texts: Sequence[str], threshold: float) -> None:
        import numpy as np

        self._places = [n for n, form in enumerate(texts) if len(form) < SHORT_INDEX_CHARS]
        self._index = EditIndex(threshold)
        self._texts = _Pieces([texts[n] for n in self._places])
        pieces = self._texts.codes(lambda own: [(own, *piece) for piece in enumerate(self._index.pieces(own))])
        self._filed = _Filed(pieces)
        self._lengths = set(self._texts.lengths.tolist())
        self._limits = np.array([edit_limit(length, threshold) for length in range(SHORT_INDEX_CHARS)])

    def proposed(self, block: Sequence[str]) -> Iterator[tuple[int, int]]:
        """Yield places in a block, each with that of a text that may be near."""
        import numpy as np

        places = [n for n, form in enumerate(block) if len(form) < SHORT_INDEX_CHARS] if self._places else []
        if not places:
            return
        asking = _Pieces([block[n] for n in places])
        asked = asking.codes(lambda own: list(self._index.probes(own, self._lengths)))
        for one, other, _ in self._filed.matched(asked):
            limit = self._limits[np.maximum(asking.lengths[one], self._texts.lengths[other])]
            apart = np.abs(asking.letters[one] - self._texts.letters[other]).sum(axis=1, dtype=np.int64)
            for kept in np.flatnonzero(apart <= 2 * limit).tolist():
                yield places[one[kept]], self._places[other[kept]]


class _LongTexts:
    """The long ones among some texts; proposes those with equal bands."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._places = [n for n, form in enumerate(texts) if len(form) >= SHORT_CHARS]
        self._filed = _Filed(_banded([texts[n] for n in self._places]))

    def proposed(self, block: Sequence[str]) -> Iterator[tuple[int, int]]:
        """Yield places in a block, each with that of a text that may be near."""
        import numpy as np

        places = [n for n, form in enumerate(block) if len(form) >= SHORT_CHARS] if self._places else []
        for one, other, counts in self._filed.matched(_banded([block[n] for n in places])):
            for kept in np.flatnonzero(counts >= _LEAST_BANDS).tolist():
                yield places[one[kept]], self._places[other[kept]]


def _banded(forms: Sequence[str]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield texts and their bands, each salted with its place, together; a sketch is let go of with its batch."""
    import numpy as np

    salts = np.arange(BANDS, dtype=np.uint64) << np.uint64(32)
    for begin in range(0, len(forms), _ROWS):
        found = bands(sketches(forms[begin : begin + _ROWS])).astype(np.uint64) | salts
        yield np.repeat(np.arange(begin, begin + len(found)), BANDS), found.ravel()


class _Pieces:
    """Some short texts as numbers. **Shapes**: ``lengths`` (texts), ``letters`` (texts, ``_LETTERS``)."""

    def __init__(self, forms: Sequence[str]) -> None:
        import numpy as np

        self.lengths = np.array([len(form) for form in forms], dtype=np.int64)
        self._begins = np.cumsum(self.lengths) - self.lengths
        self._powers, self._inverses = (
            np.array([pow(base, n, 2**64) for n in range(SHORT_INDEX_CHARS + 1)], dtype=np.uint64)
            for base in (_BASE, _INVERSE)
        )
        self.letters = np.empty((len(forms), _LETTERS), dtype=np.int8)
        self._sums = np.zeros(int(self.lengths.sum()) + 1, dtype=np.uint64)
        for begin in range(0, len(forms), _ROWS):
            self._read(forms[begin : begin + _ROWS], begin)

    def _read(self, forms: Sequence[str], begin: int) -> None:
        """Count the letters of some texts, and sum up their code points, each times the power of its place."""
        import numpy as np

        lengths, codes = self.lengths[begin : begin + len(forms)], code_points(forms)
        owners = np.repeat(np.arange(len(forms)), lengths)
        counts = np.bincount(owners * _LETTERS + codes % _LETTERS, minlength=len(forms) * _LETTERS)
        self.letters[begin : begin + len(forms)] = counts.reshape(-1, _LETTERS)
        at = self._begins[begin]
        places = np.arange(at, at + len(codes)) - np.repeat(self._begins[begin : begin + len(forms)], lengths)
        sums = np.cumsum((codes + np.uint64(1)) * self._powers[places], dtype=np.uint64)
        self._sums[at + 1 : at + 1 + len(codes)] = sums + self._sums[at]

    def codes(
        self, plan: Callable[[int], list[tuple[int, int, tuple[int, int]]]]
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield texts and hashes of pieces of them, together.

        Args:
            plan: from the length of a text to the pieces hashed: the length and number that the piece is filed under,
                and where it stands.
        """
        import numpy as np

        for length in np.unique(self.lengths).tolist():
            pieces = plan(length)
            if not pieces:
                continue
            under = np.array([filed * 64 + number for filed, number, _ in pieces], dtype=np.uint64)
            begins, ends = (np.array([place[side] for _, _, place in pieces]) for side in (0, 1))
            same = np.flatnonzero(self.lengths == length)
            for at in range(0, len(same), _ROWS):
                some = same[at : at + _ROWS]
                first = self._begins[some][:, None]
                hashes = (self._sums[first + ends] - self._sums[first + begins]) * self._inverses[begins]
                hashes ^= hashes >> np.uint64(31)
                hashes += under * np.uint64(_INVERSE)
                hashes *= np.uint64(0xBF58476D1CE4E5B9)
                hashes ^= hashes >> np.uint64(29)
                yield np.repeat(some, len(pieces)), hashes.ravel()


class _Filed:
    """Texts under codes of theirs.

    Args:
        parts: texts and codes, together.
    """

    def __init__(self, parts: Iterable[tuple[np.ndarray, np.ndarray]]) -> None:
        import numpy as np

        self._seen = np.zeros(1 << _TABLE_BITS, dtype=bool)
        none = (np.empty(0, dtype=np.int64), np.empty(0, dtype=np.uint64))
        owners, codes = (np.concatenate(both) for both in zip(none, *parts, strict=True))
        order = np.argsort(codes, kind="stable")
        self._owners, self._codes = owners[order], codes[order]
        self._seen[self._codes & _TABLE_LOW] = True

    def matched(
        self, asked: Iterable[tuple[np.ndarray, np.ndarray]]
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Yield the pairs (asking text, filed text) that have codes in common, and how many: each pair once.

        Args:
            asked: texts and codes, together; all codes of a text stand in one part.
        """
        import numpy as np

        for askers, wanted in asked:
            there = np.flatnonzero(self._seen[wanted & _TABLE_LOW])
            wanted, askers = wanted[there], askers[there]
            begin = np.searchsorted(self._codes, wanted, side="left")
            counts = np.searchsorted(self._codes, wanted, side="right") - begin
            starts = np.cumsum(counts) - counts
            places = np.arange(counts.sum()) - np.repeat(starts - begin, counts)
            pairs = (np.repeat(askers, counts) << np.int64(32)) | self._owners[places]
            pairs, times = np.unique(pairs, return_counts=True)
            for at in range(0, len(pairs), _PAIRS):
                some = pairs[at : at + _PAIRS]
                yield some >> 32, some & 0xFFFFFFFF, times[at : at + _PAIRS]
