"""Edit distance within a limit, and an index that finds every short text within it."""

from __future__ import annotations

from collections.abc import Container, Iterator


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
        self._filed: dict[int, list[dict[str, list[int]]]] = {}
        self._plans: dict[int, list[tuple[dict[str, list[int]], int, int]]] = {}

    def add(self, key: int, text: str) -> None:
        """File ``text`` under ``key``."""
        pieces = list(self.pieces(len(text)))
        if len(text) not in self._filed:
            self._filed[len(text)] = [{} for _ in pieces]
            self._plans.clear()
        for filed, (start, stop) in zip(self._filed[len(text)], pieces, strict=True):
            filed.setdefault(text[start:stop], []).append(key)

    def candidates(self, text: str) -> set[int]:
        """Return the keys of all texts within the limit, and some that are not: verify with ``within_edits``."""
        if len(text) not in self._plans:
            self._plans[len(text)] = list(self._plan(len(text)))
        found: set[int] = set()
        for filed, start, stop in self._plans[len(text)]:
            if keys := filed.get(text[start:stop]):
                found.update(keys)
        return found

    def _plan(self, own: int) -> Iterator[tuple[dict[str, list[int]], int, int]]:
        """Which slices of a text so long are looked for among which pieces."""
        for length, number, (begin, end) in self.probes(own, self._filed):
            yield self._filed[length][number], begin, end

    def probes(self, own: int, lengths: Container[int]) -> Iterator[tuple[int, int, tuple[int, int]]]:
        """Yield where in a text so long to look for which piece of texts of other lengths.

        Args:
            own: its length.
            lengths: those that there are.

        Returns:
            Length of the other, number of its piece, and begin and end of the slice that may be it.
        """
        reach = self._longest_edits(own)
        for length in range(max(1, own - reach), own + reach + 1):
            pieces = list(self.pieces(length))
            for number, (start, stop) in enumerate(pieces if length in lengths else ()):
                before, after, longer = number, len(pieces) - 1 - number, own - length
                first = max(0, start - before, start + longer - after)
                last = min(own - (stop - start), start + before, start + longer + after)
                for begin in range(first, last + 1):
                    yield length, number, (begin, begin + stop - start)

    def _longest_edits(self, length: int) -> int:
        """Most edits to any partner: one of ``length / similarity`` letters allows the most."""
        return edit_limit(int(length / self._similarity + 1e-9), self._similarity)

    def pieces(self, length: int) -> Iterator[tuple[int, int]]:
        """Yield begin and end of each piece that a text so long is cut into."""
        count = self._longest_edits(length) + 1
        return ((length * n // count, length * (n + 1) // count) for n in range(count))
