"""Near-duplicates: the same sentence written a little differently.

Two texts are near-duplicates at a threshold when, in their ``match_key`` form without spaces,

* long texts share at least that Jaccard share of their character 5-shingles (word shingles are poor for Korean,
  where particles glue to nouns), or
* short texts (under ``SHORT_CHARS``) need at most ``1 - threshold`` edits per character, because a single changed
  letter already spoils five shingles, a quarter of a 20-letter question.

Candidates come from ``EditIndex`` for short texts, which misses none, and from MinHash with locality-sensitive hashing
for long ones; every pair is verified exactly, so there are no false groups. Not covered: paraphrases in other words.

Source: Broder, "On the resemblance and containment of documents" (1997); Leskovec, Rajaraman, Ullman, "Mining of
Massive Datasets", chapter 3 (banding).
"""

from __future__ import annotations

from typing import Any

from .edits import EditIndex, edit_limit, within_edits
from .normalise import match_key

SHINGLE_CHARS = 5
SHORT_CHARS = 40
SHORT_INDEX_CHARS = 48
"""Texts up to here are also looked up among the short ones: at any threshold from 0.84 on, a partner fits."""
_PERMUTATIONS = 128
_BANDS = 32
"""32 bands of 4 rows propose a pair with similarity 0.84 with probability above 0.999999."""
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
    return frozenset([text[start : start + width] for start in range(len(text) - width + 1)])


def jaccard(a: frozenset[str], b: frozenset[str]) -> float:
    """Return the share of shingles that two sets have in common, 0..1; two empty sets are equal (1.0)."""
    union = len(a | b)
    return len(a & b) / union if union else 1.0


def similar(a: str, b: str, threshold: float) -> bool:
    """Return whether two texts, as ``compact`` gives them, are near-duplicates."""
    if a == b:
        return True
    if min(len(a), len(b)) < SHORT_CHARS:
        return within_edits(a, b, edit_limit(max(len(a), len(b)), threshold))
    return jaccard(shingles(a), shingles(b)) >= threshold


class _LongTexts:
    """MinHash and locality-sensitive hashing over character shingles."""

    def __init__(self) -> None:
        from rensa import RMinHashLSH

        self._lsh: Any = RMinHashLSH(0.5, _PERMUTATIONS, _BANDS)

    def add(self, key: int, form: str) -> None:
        self._lsh.insert(key, self._sketch(form))

    def candidates(self, form: str) -> list[int]:
        return list(self._lsh.query(self._sketch(form)))

    def _sketch(self, form: str) -> Any:
        from rensa import RMinHash

        sketch = RMinHash(_PERMUTATIONS, _SEED)
        sketch.update(list(shingles(form)))
        return sketch


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
        self._short = EditIndex(threshold)
        self._long = _LongTexts()
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
            if len(form) < SHORT_INDEX_CHARS:
                self._short.add(place, form)
            if len(form) >= SHORT_CHARS:
                self._long.add(place, form)

    def find(self, text: str) -> list[str]:
        """Return the keys whose texts are near-duplicates of ``text``, in the order they were added."""
        return [self._keys[place] for place in self._places(compact(text))]

    def _places(self, form: str) -> list[int]:
        near: set[str] = {form} if form in self._exact else set()
        if form and self._threshold < 1.0:
            proposed: set[int] = set()
            if len(form) < SHORT_INDEX_CHARS:
                proposed.update(self._short.candidates(form))
            if len(form) >= SHORT_CHARS:
                proposed.update(self._long.candidates(form))
            near.update(
                other for other in {self._forms[place] for place in proposed} if similar(form, other, self._threshold)
            )
        return sorted(place for other in near for place in self._exact[other])
