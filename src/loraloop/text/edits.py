"""Edit distance within a limit, and an index that finds every short text within it."""

from __future__ import annotations

from collections.abc import Iterator


def within_edits(a: str, b: str, limit: int) -> bool:
    """Return whether ``a`` becomes ``b`` in at most ``limit`` insertions, deletions or substitutions.

    Only the diagonal band of width ``2 * limit + 1`` is computed, so the cost is ``len(a) * limit``.

    Example:
        >>> within_edits("뭐먹지", "뭐먹을지", 1)
        True
    """
    if abs(len(a) - len(b)) > limit:
        return False
    far = limit + 1
    row = [min(column, far) for column in range(len(b) + 1)]
    for i, char in enumerate(a, start=1):
        low, high = max(1, i - limit), min(len(b), i + limit)
        following = [far] * (len(b) + 1)
        following[0] = min(i, far)
        for j in range(low, high + 1):
            following[j] = min(row[j - 1] + (char != b[j - 1]), row[j] + 1, following[j - 1] + 1)
        if min(following[low - 1 : high + 1]) > limit:
            return False
        row = following
    return row[len(b)] <= limit


def edit_limit(length: int, similarity: float) -> int:
    """Return how many edits ``length`` letters may take and still be ``similarity`` alike.

    Example:
        >>> edit_limit(10, 0.9)
        1
    """
    # The epsilon keeps 0.9 of 10 letters at one edit: 1 - 0.9 is a little under 0.1 in binary.
    return int((1.0 - similarity) * length + 1e-9)


class EditIndex:
    """Finds all texts added that are within the edit limit of another: no miss, no scan.

    A text that takes k edits, cut into k + 1 pieces, leaves one piece untouched: one with no more edits before it than
    there are pieces before it, and no more after it than pieces after it, which says how far it may have moved. So each
    text is filed under its pieces, and a query looks for them near their place.

    Args:
        similarity: share of letters that must stay, 0.84..1.

    **Source**: Li, Deng, Wang, Feng, "Pass-Join: a partition-based method for similarity joins" (VLDB 2011), section 4
    (multi-match-aware substrings).
    """

    def __init__(self, similarity: float) -> None:
        self._similarity = similarity
        self._filed: dict[tuple[int, int, str], list[int]] = {}
        self._cut: dict[int, list[tuple[int, int]]] = {}

    def add(self, key: int, text: str) -> None:
        """File ``text`` under ``key``."""
        if len(text) not in self._cut:
            self._cut[len(text)] = list(self._pieces(len(text)))
        for number, (start, stop) in enumerate(self._cut[len(text)]):
            self._filed.setdefault((len(text), number, text[start:stop]), []).append(key)

    def candidates(self, text: str) -> set[int]:
        """Return the keys of all texts within the limit, and some that are not: verify with ``within_edits``."""
        found: set[int] = set()
        reach, filed = self._longest_edits(len(text)), self._filed
        for length in range(max(1, len(text) - reach), len(text) + reach + 1):
            if length not in self._cut:
                continue
            longer = len(text) - length
            pieces = self._cut[length]
            most = len(pieces) - 1
            for number, (start, stop) in enumerate(pieces):
                right = most - number
                first = max(0, start - number, start + longer - right)
                last = min(len(text) - (stop - start), start + number, start + longer + right)
                for begin in range(first, last + 1):
                    if keys := filed.get((length, number, text[begin : begin + stop - start])):
                        found.update(keys)
        return found

    def _longest_edits(self, length: int) -> int:
        """Most edits to any partner: one of ``length / similarity`` letters allows the most."""
        return edit_limit(int(length / self._similarity + 1e-9), self._similarity)

    def _pieces(self, length: int) -> Iterator[tuple[int, int]]:
        count = self._longest_edits(length) + 1
        return ((length * n // count, length * (n + 1) // count) for n in range(count))
