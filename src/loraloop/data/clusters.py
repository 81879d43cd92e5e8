"""Groups of texts that are variants of one another, by the character shingles they share. Pure.

Looser than ``text/dedupe.py``, which says what counts as the same question: here a changed name or number stays in the
group, for that is how one row is made into many.

Not ``text/clusters.py``, whose numbers are kept for good: there a row joins the earliest one that is like it, and
groups never merge. So somebody who floods could begin two groups and join them later; here they are one from then on.

Source: Broder, "On the resemblance and containment of documents" (1997).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from ..text.compacting import compact_all
from ..text.dedupe import jaccard, shingles

if TYPE_CHECKING:
    import numpy as np

WIDTH_CHARS = 4
_TEXTS = 4096
"""Texts sketched at once; of each only the lower halves of its numbers stay, which is enough to compare them."""
_PAIRS = 1 << 16
_OFF_FRAC = 0.2
"""An estimate is further off less than once in a million times; pairs that may be alike are compared exactly."""
_KEPT = 256
"""Texts whose shingles are in memory at once."""


def clusters(texts: Sequence[str], alike_frac: float = 0.7) -> list[list[int]]:
    """Return groups of two or more positions whose texts are linked by likeness, ordered by their first position.

    Args:
        texts: compared without case, signs and spaces; an empty one is like no other.
        alike_frac: Jaccard share of 4-character shingles from which two texts are alike, 0.7..1.

    Example:
        >>> clusters(["give me the red kite now", "who are you", "give me the red kite, Tom"])
        [[0, 2]]
    """
    places: dict[str, list[int]] = defaultdict(list)
    for place, form in enumerate(compact_all(texts)):
        if form:
            places[form].append(place)
    groups: dict[int, list[int]] = defaultdict(list)
    for leader, members in zip(_leaders(list(places), alike_frac), places.values(), strict=True):
        groups[leader] += members
    return sorted(sorted(members) for members in groups.values() if len(members) > 1)


def _leaders(forms: Sequence[str], alike_frac: float) -> list[int]:
    """The group of each of some distinct forms, by the number of its first member."""
    import numpy as np

    from ..text.sketches import BANDS, PERMUTATIONS, alike, bands, sketches

    leaders = np.arange(len(forms))
    halves_NP = np.empty((len(forms), PERMUTATIONS), dtype=np.uint16)
    bands_BN = np.empty((BANDS, len(forms)), dtype=np.uint32)
    for at in range(0, len(forms), _TEXTS):
        sketch_TP = sketches(forms[at : at + _TEXTS], WIDTH_CHARS)
        halves_NP[at : at + _TEXTS] = sketch_TP & 0xFFFF
        bands_BN[:, at : at + _TEXTS] = bands(sketch_TP).T
    for values in bands_BN:
        for pairs_N2 in _across(values, leaders):
            apart_N2 = pairs_N2[leaders[pairs_N2[:, 0]] != leaders[pairs_N2[:, 1]]]
            likely_N2 = apart_N2[alike(halves_NP, halves_NP, apart_N2, alike_frac - _OFF_FRAC)]
            if len(likely_N2):
                leaders = _joined(leaders, likely_N2.tolist(), forms, alike_frac)
    found: list[int] = leaders.tolist()
    return found


def _joined(
    leaders: np.ndarray, likely: Sequence[tuple[int, int]], forms: Sequence[str], alike_frac: float
) -> np.ndarray:
    """Leaders once the groups of all pairs that are alike are one; the first member of a group leads it."""
    import numpy as np

    found: list[int] = leaders.tolist()
    shingles_of = lru_cache(_KEPT)(lambda place: shingles(forms[place], WIDTH_CHARS))

    def leader(place: int) -> int:
        while found[place] != place:
            found[place] = found[found[place]]
            place = found[place]
        return place

    for one, other in likely:
        first, second = sorted((leader(one), leader(other)))
        if first != second and jaccard(shingles_of(one), shingles_of(other)) >= alike_frac:
            found[second] = first
    return np.array([leader(place) for place in range(len(found))])


def _across(values: np.ndarray, leaders: np.ndarray) -> Iterator[np.ndarray]:
    """Yield all pairs of rows that share a value and are of two groups, ``_PAIRS`` or a few more at a time."""
    import numpy as np

    order = np.lexsort((leaders, values))
    value, leader = values[order], leaders[order]
    new_value = np.concatenate(([True], value[1:] != value[:-1]))
    new_run = new_value | np.concatenate(([True], leader[1:] != leader[:-1]))

    def end_of(starts: np.ndarray) -> np.ndarray:
        bounds = np.append(np.flatnonzero(starts), len(order))
        ends: np.ndarray = bounds[np.cumsum(starts)]
        return ends

    first, counts = end_of(new_run), end_of(new_value) - end_of(new_run)
    totals = np.concatenate(([0], np.cumsum(counts)))
    at = 0
    while at < len(order):
        until = max(at + 1, int(np.searchsorted(totals, totals[at] + _PAIRS, side="right")) - 1)
        many = counts[at:until]
        offsets = np.arange(many.sum()) - np.repeat(totals[at:until] - totals[at], many)
        yield np.stack((np.repeat(order[at:until], many), order[np.repeat(first[at:until], many) + offsets]), axis=1)
        at = until
