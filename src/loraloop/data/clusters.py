"""Groups of texts that are variants of one another, by the character shingles they share. Pure.

Looser than ``text/dedupe.py``, which says what counts as the same question: here a changed name or number stays in the
group, for that is how one row is made into many.

Source: prefix filtering, Bayardo, Ma, Srikant, "Scaling Up All Pairs Similarity Search" (2007), section 4: sets that
share so much must share one of their rarest elements.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence

from ..text.dedupe import compact, jaccard, shingles

WIDTH_CHARS = 4


def clusters(texts: Sequence[str], alike_frac: float = 0.7) -> list[list[int]]:
    """Return groups of two or more positions whose texts are linked by likeness, ordered by their first position.

    Args:
        texts: compared without case, signs and spaces; a text without any letter or digit is like no other.
        alike_frac: Jaccard share of 4-character shingles from which two texts are alike, above 0.

    Example:
        >>> clusters(["give me the red kite now", "who are you", "give me the red kite, Tom"])
        [[0, 2]]
    """
    sets = [shingles(form, WIDTH_CHARS) if (form := compact(text)) else frozenset[str]() for text in texts]
    often = Counter(one for found in sets for one in found)
    leader = list(range(len(texts)))
    first: dict[frozenset[str], int] = {}
    by_rare: dict[str, list[int]] = defaultdict(list)
    for place, found in enumerate(sets):
        if not found:
            continue
        same = first.setdefault(found, place)
        if same != place:
            _join(leader, same, place)
            continue
        ordered = sorted(found, key=lambda one: (often[one], one))
        rare = ordered[: len(ordered) - math.ceil(alike_frac * len(ordered)) + 1]
        for other in {other for one in rare for other in by_rare[one]}:
            small, large = sorted((len(found), len(sets[other])))
            if small >= alike_frac * large and jaccard(found, sets[other]) >= alike_frac:
                _join(leader, other, place)
        for one in rare:
            by_rare[one].append(place)
    groups: dict[int, list[int]] = defaultdict(list)
    for place in range(len(texts)):
        groups[_leader(leader, place)].append(place)
    return [members for _, members in sorted(groups.items()) if len(members) > 1]


def _leader(leader: list[int], place: int) -> int:
    while leader[place] != place:
        leader[place] = leader[leader[place]]
        place = leader[place]
    return place


def _join(leader: list[int], one: int, other: int) -> None:
    first, second = sorted((_leader(leader, one), _leader(leader, other)))
    leader[second] = first
