"""When an evaluation has seen enough held-out rows: planned looks at the loss so far.

Held-out loss is the cheap test, so it comes first. A candidate that is surely worse is not asked anything more; one
that is surely better, or will hardly become so, needs no more rows. The bounds keep the gate's errors in spite of
looking early.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ..types import Record
from .stats import Estimate, paired_estimate

FRACTIONS = (0.25, 0.5, 0.75, 1.0)
LEAST_ROWS = 80
"""Rows below which the loss is looked at once, when all are scored: a quarter of them would say little."""


@dataclass(frozen=True, slots=True)
class LookPlan(Record):
    """Bounds of each look.

    Attributes:
        ends: rows scored at each look, rising to all of them.
        better, futile: deviates of the improvement over ``margin_nats``; at or above the one the candidate is better,
            at or below the other it will hardly be found so.
        worse: deviates of the deterioration over nothing at all; at or above it the candidate is worse.
        margin_nats: improvement, in nats per answer token, that counts as one.
        alpha: how often no improvement is called one over all looks together.
    """

    ends: tuple[int, ...]
    better: tuple[float, ...]
    futile: tuple[float, ...]
    worse: tuple[float, ...]
    margin_nats: float
    alpha: float

    def verdict(self, look: int, found: Estimate) -> str:
        """Return ``"worse"``, ``"better"``, ``"futile"`` or, while there is more to see, an empty string."""
        if -found.z() >= self.worse[look]:
            return "worse"
        deviate = found.z(self.margin_nats)
        if deviate >= self.better[look]:
            return "better"
        return "futile" if deviate <= self.futile[look] else ""


def look_plan(rows: int, *, alpha: float, worse_p_value: float, margin_nats: float) -> LookPlan | None:
    """Plan the looks at so many rows; ``None`` where they are too few to be looked at early.

    Args:
        alpha: error of calling a candidate better. worse_p_value: error of calling it worse.
    """
    if rows < LEAST_ROWS:
        return None
    better, worse = _bounds(alpha), _bounds(worse_p_value)
    ends = tuple(math.ceil(share * rows) for share in FRACTIONS)
    return LookPlan(ends, better["upper"], better["lower"], worse["upper"], margin_nats, alpha)


@lru_cache(maxsize=64)
def _bounds(error: float) -> Mapping[str, tuple[float, ...]]:
    from .sequential import sequential_plan  # loads scipy

    plan = sequential_plan(error, fractions=FRACTIONS)
    return {"upper": plan.upper, "lower": plan.lower}


def improvement(
    ours: Sequence[float], theirs: Sequence[float], tokens: Sequence[int], clusters: Sequence[str]
) -> Estimate:
    """Return how much lower the candidate's loss is, in nats per answer token, on the rows that both have."""
    seen = min(len(ours), len(theirs))
    differences = [theirs[n] - ours[n] for n in range(seen)]
    return paired_estimate(differences, tokens[:seen], clusters[:seen])


def plan_from(spec: Mapping[str, Any] | None) -> LookPlan | None:
    """Return the plan that a process was handed as plain data."""
    if spec is None:
        return None
    given: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in spec.items()}
    return LookPlan(**given)
