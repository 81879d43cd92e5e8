"""Do people talk of other things than in the last dataset? Sums of keyed n-gram counts, compared by permutation. Pure.

Text comes in and only numbers leave: n-grams fall into buckets by a keyed hash, each person's are added up, and what is
kept is a distance and a probability.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from .facts import Drift

if TYPE_CHECKING:
    import numpy as np

BUCKETS = 1024
MOST_PEOPLE = 400
"""People on each side of a comparison, the newest of the new ones."""
_GRAM_CHARS = 3
_MOST_CHARS = 4000


def topic_counts(texts: Iterable[str], secret: bytes) -> dict[int, int]:
    """Return how often the three-letter pieces of some texts fall into each keyed bucket.

    Letters without spaces and case, so that Korean with and without spacing is the same.

    Example:
        >>> topic_counts(["Hello!"], b"k") == topic_counts(["hel lo"], b"k")
        True
    """
    counts: dict[int, int] = {}
    for text in texts:
        letters = "".join(sign for sign in text[:_MOST_CHARS].casefold() if sign.isalnum())
        for begin in range(max(1, len(letters) - _GRAM_CHARS + 1) if letters else 0):
            gram = letters[begin : begin + _GRAM_CHARS].encode()
            digest = hashlib.blake2b(gram, digest_size=4, key=secret[:64]).digest()
            bucket = int.from_bytes(digest, "big") % BUCKETS
            counts[bucket] = counts.get(bucket, 0) + 1
    return counts


def look_number(people: int, least: int) -> int | None:
    """Return which comparison so many new people allow: 0 from ``least`` on, 1 from twice as many; ``None`` before.

    Example:
        >>> [look_number(people, 30) for people in (29, 30, 59, 60, 240)]
        [None, 0, 0, 1, 3]
    """
    return None if people < least else int(math.log2(people / least) + 1e-9)


def level_of(look: int, alpha: float) -> float:
    """Return the level of one comparison: ``alpha / ((k + 1)(k + 2))``, which over all k adds up to ``alpha``."""
    return alpha / ((look + 1) * (look + 2))


def topic_drift(
    before: Sequence[Mapping[int, int]], since: Sequence[Mapping[int, int]], *, level: float, seed: int = 0
) -> Drift:
    """Compare the topics of two groups of people.

    Each person is one direction (counts weighed by how rare a bucket is among all of them, length 1), each group the
    mean of its people, the distance that between the means. The p-value is the share of random divisions of the same
    people that lie as far apart: exact, if people come alike from both groups, whatever they say. The divisions are
    drawn from the given seed, five to the level and more.

    **Source**: Gretton et al. 2012, "A kernel two-sample test" (a linear kernel here); permutation p-values with the
    added one, Phipson and Smyth 2010.
    """
    import numpy as np

    people = np.array([_row(counts) for counts in (*before, *since)], dtype=np.float32)
    seen_by = (people > 0).sum(axis=0)
    people = np.log1p(people) * np.log((1 + len(people)) / (1 + seen_by)).astype(np.float32)
    people /= np.maximum(np.linalg.norm(people, axis=1, keepdims=True), 1e-9)
    first = len(before)
    gram_PP = people @ people.T  # P people
    drawn = np.random.default_rng(seed)
    tries = max(999, math.ceil(5 / level))
    observed = _distances(gram_PP, np.arange(len(people))[None, :], first)[0]
    far = 0
    for begin in range(0, tries, 500):
        orders = drawn.permuted(np.tile(np.arange(len(people)), (min(500, tries - begin), 1)), axis=1)
        far += int((_distances(gram_PP, orders, first) >= observed - 1e-7).sum())
    distance = math.sqrt(max(0.0, float(observed)))
    return Drift(distance, (far + 1) / (tries + 1), level, len(before), len(since))


def _row(counts: Mapping[int, int]) -> list[int]:
    row = [0] * BUCKETS
    for bucket, count in counts.items():
        row[bucket] = count
    return row


def _distances(gram_PP: np.ndarray, orders: np.ndarray, first: int) -> np.ndarray:
    """Squared distances between the means of the first ``first`` people of each order and of the rest."""
    import numpy as np

    total = gram_PP.shape[0]
    weights = np.full((len(orders), total), -1 / (total - first), dtype=np.float32)
    np.put_along_axis(weights, orders[:, :first], 1 / first, axis=1)
    found: np.ndarray = ((weights @ gram_PP) * weights).sum(axis=1)
    return found
