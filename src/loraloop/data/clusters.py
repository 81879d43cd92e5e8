"""Groups of texts that are variants of one another, by the character shingles they share. Pure.

Looser than ``text/dedupe.py``, which says what counts as the same question: here a changed name or number stays in the
group, for that is how one row is made into many. Candidates come from MinHash, every pair is verified exactly.

Not ``text/clusters.py``, whose numbers are kept for good: a row there joins the earliest one by an estimate, and groups
never merge. So somebody who floods could begin two groups and join them later; here they are one from then on.

Source: Broder, "On the resemblance and containment of documents" (1997).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from ..text.dedupe import compact, jaccard, shingles

WIDTH_CHARS = 4
_PERMUTATIONS, _BANDS = 128, 32
"""32 bands of 4 rows propose a pair that shares 0.7 with probability above 0.9998."""
_SEED = 42


def clusters(texts: Sequence[str], alike_frac: float = 0.7) -> list[list[int]]:
    """Return groups of two or more positions whose texts are linked by likeness, ordered by their first position.

    Args:
        texts: compared without case, signs and spaces; a text without any letter or digit is like no other.
        alike_frac: Jaccard share of 4-character shingles from which two texts are alike, above 0.

    Example:
        >>> clusters(["give me the red kite now", "who are you", "give me the red kite, Tom"])
        [[0, 2]]
    """
    from rensa import RMinHash, RMinHashLSH

    sets = [shingles(form, WIDTH_CHARS) if (form := compact(text)) else frozenset[str]() for text in texts]
    leader = list(range(len(texts)))
    first: dict[frozenset[str], int] = {}
    index = RMinHashLSH(0.5, _PERMUTATIONS, _BANDS)
    for place, found in enumerate(sets):
        if not found:
            continue
        same = first.setdefault(found, place)
        if same != place:
            _join(leader, same, place)
            continue
        sketch = RMinHash(_PERMUTATIONS, _SEED)
        sketch.update(sorted(found))
        for other in index.query(sketch):
            if jaccard(found, sets[other]) >= alike_frac:
                _join(leader, other, place)
        index.insert(place, sketch)
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
