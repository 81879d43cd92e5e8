"""Near-duplicates: the same sentence written a little differently.

Two texts are near-duplicates at a threshold when, in their ``match_key`` form without spaces,

* long texts share at least that Jaccard share of their character 5-shingles (word shingles are poor for Korean,
  where particles glue to nouns), or
* short texts (under ``SHORT_CHARS``) need at most ``1 - threshold`` edits per character, because a single changed
  letter already spoils five shingles, a quarter of a 20-letter question.

MinHash with locality-sensitive hashing only proposes candidates; every pair is verified exactly, so there are no false
groups. Not covered: paraphrases in other words.

Source: Broder, "On the resemblance and containment of documents" (1997); Leskovec, Rajaraman, Ullman, "Mining of
Massive Datasets", chapter 3 (banding).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from .normalise import match_key

SHINGLE_CHARS = 5
SHORT_CHARS = 40
_SHORT_INDEX_CHARS = 48
"""Texts up to here are also looked up among the short ones: at any threshold from 0.84 on, a partner fits."""
_LONG_INDEX_CHARS = 32
_PERMUTATIONS = 128
_BANDS = 32
"""32 bands of 4 rows propose a pair with similarity 0.64 (one edit in ten letters) with probability 0.997."""
_SEED = 42


def compact(text: str) -> str:
    """Return the form that is compared: ``match_key`` without spaces."""
    return match_key(text).replace(" ", "")


def shingles(text: str, width: int = SHINGLE_CHARS) -> frozenset[str]:
    """Return the character ``width``-shingles of ``text`` as it stands; a shorter text is its own only shingle.

    Example:
        >>> sorted(shingles("abcdef"))
        ['abcde', 'bcdef']
    """
    if len(text) <= width:
        return frozenset((text,))
    return frozenset(text[start : start + width] for start in range(len(text) - width + 1))


def jaccard(a: frozenset[str], b: frozenset[str]) -> float:
    """Return the share of shingles that two sets have in common, 0..1; two empty sets are equal (1.0)."""
    union = len(a | b)
    return len(a & b) / union if union else 1.0


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


def _similar(a: str, b: str, threshold: float) -> bool:
    if a == b:
        return True
    if min(len(a), len(b)) < SHORT_CHARS:
        # The epsilon keeps 0.9 of 10 letters at one edit: 1 - 0.9 is a little under 0.1 in binary.
        return within_edits(a, b, int((1.0 - threshold) * max(len(a), len(b)) + 1e-9))
    return jaccard(shingles(a), shingles(b)) >= threshold


class _Bucketed:
    """One LSH over shingles of one width."""

    def __init__(self, width: int) -> None:
        from rensa import RMinHashLSH  # type: ignore[import-untyped]

        self._width = width
        self._lsh: Any = RMinHashLSH(0.5, _PERMUTATIONS, _BANDS)

    def _sketch(self, form: str) -> Any:
        from rensa import RMinHash

        sketch = RMinHash(_PERMUTATIONS, _SEED)
        sketch.update(sorted(shingles(form, self._width)))
        return sketch

    def insert(self, key: int, form: str) -> None:
        self._lsh.insert(key, self._sketch(form))

    def query(self, form: str) -> list[int]:
        return list(self._lsh.query(self._sketch(form)))


class NearDuplicates:
    """An index that grows: add texts under a key, ask which keys hold near-duplicates of another text.

    Args:
        threshold: similarity from which two texts count as the same, 0.84..1.

    Example:
        >>> index = NearDuplicates(0.9)
        >>> index.add("first", "오늘 저녁은 뭐 먹을까?")
        >>> index.find("오늘 저녁은 뭐 먹을까요??")
        ['first']
    """

    def __init__(self, threshold: float = 0.9) -> None:
        if not 0.84 <= threshold <= 1.0:
            raise ValueError(f"a near-duplicate threshold lies in 0.84..1, not {threshold}")
        self._threshold = threshold
        self._keys: list[str] = []
        self._forms: list[str] = []
        self._short = _Bucketed(2)
        self._long = _Bucketed(SHINGLE_CHARS)
        self._exact: dict[str, list[int]] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, key: str, text: str) -> None:
        """Put ``text`` into the index under ``key``; the same text under many keys costs one sketch."""
        form = compact(text)
        place = len(self._keys)
        self._keys.append(key)
        self._forms.append(form)
        same = self._exact.setdefault(form, [])
        same.append(place)
        if len(same) == 1 and form:
            if len(form) < _SHORT_INDEX_CHARS:
                self._short.insert(place, form)
            if len(form) >= _LONG_INDEX_CHARS:
                self._long.insert(place, form)

    def find(self, text: str) -> list[str]:
        """Return the keys whose texts are near-duplicates of ``text``, in the order they were added."""
        return [self._keys[place] for place in self._places(compact(text))]

    def _places(self, form: str) -> list[int]:
        near: set[str] = {form} if form in self._exact else set()
        if form and self._threshold < 1.0:
            proposed: set[int] = set()
            if len(form) < _SHORT_INDEX_CHARS:
                proposed.update(self._short.query(form))
            if len(form) >= _LONG_INDEX_CHARS:
                proposed.update(self._long.query(form))
            near.update(
                other for other in {self._forms[place] for place in proposed} if _similar(form, other, self._threshold)
            )
        return sorted(place for other in near for place in self._exact[other])


def near_duplicates(texts: Sequence[str] | Iterable[str], threshold: float = 0.9) -> list[list[int]]:
    """Return groups of positions whose texts are linked by near-duplication, each sorted.

    Groups are the connected components: if A is near B and B near C, all three are one group.

    Args:
        texts: the texts to compare.
        threshold: as for ``NearDuplicates``.

    Returns:
        Groups of two or more positions, ordered by their first position.

    Example:
        >>> near_duplicates(["안녕하세요!", "뭐 먹지", "안녕 하세요"])
        [[0, 2]]
    """
    index = NearDuplicates(threshold)
    leader: list[int] = []

    def find(place: int) -> int:
        while leader[place] != place:
            leader[place] = leader[leader[place]]
            place = leader[place]
        return place

    for place, text in enumerate(texts):
        leader.append(place)
        for other in index.find(text):
            a, b = sorted((find(place), find(int(other))))
            leader[b] = a
        index.add(str(place), text)
    groups: dict[int, list[int]] = {}
    for place in range(len(leader)):
        groups.setdefault(find(place), []).append(place)
    return [members for _, members in sorted(groups.items()) if len(members) > 1]
