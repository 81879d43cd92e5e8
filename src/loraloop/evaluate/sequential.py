"""Looking early without lying: bounds of a group-sequential one-sided test.

At each look the difference so far is compared with two bounds: above the upper one it is an improvement, below the
lower one it will hardly become one. The upper bounds spend the error as rows arrive and hold even where a lower one is
overruled; the lower bounds spend the chance to miss the planned effect.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from scipy.special import ndtr

from ..types import Record

SPENDING_POWER = 1.5
"""Share of an error that may be spent by information t is t to this power: early looks get little, but some."""
_CELLS = 200
_FAR = 8.0
_EXACT = 1e-6

Verdict = Literal["better", "futile", "go on"]


@dataclass(frozen=True, slots=True)
class SequentialPlan(Record):
    """Bounds of a test with several looks.

    Attributes:
        fractions: share of all rows seen at each look, rising, the last one 1.
        upper: at or above this deviate the candidate is better. lower: at or below it the rest is not worth seeing.
        effect: mean deviate at the last look (the true difference over its standard error) that is seen with ``power``.
        alpha: how often no difference is called better. power: how often ``effect`` is.
    """

    fractions: tuple[float, ...]
    upper: tuple[float, ...]
    lower: tuple[float, ...]
    effect: float
    alpha: float
    power: float

    def verdict(self, look: int, z: float) -> Verdict:
        """Return what a deviate says at a look (counted from 0)."""
        if z >= self.upper[look]:
            return "better"
        return "futile" if z <= self.lower[look] else "go on"


@lru_cache(maxsize=256)
def sequential_plan(
    alpha: float, power: float = 0.8, fractions: tuple[float, ...] = (0.25, 0.5, 0.75, 1.0)
) -> SequentialPlan:
    """Return the bounds for an error and a power.

    Source:
        Error spending: Lan and DeMets, Biometrika 70 (1983); power family: Kim and DeMets, Biometrika 74 (1987);
        recursive integration: Jennison and Turnbull, Group Sequential Methods (2000), chapter 19; lower bounds that do
        not bind: Pampallona, Tsiatis and Kim, Drug Information Journal 35 (2001).

    Raises:
        ValueError: alpha or power lies outside (0, 1), or fractions do not rise to 1.
    """
    if not (0 < alpha < 1 and 0 < power < 1):
        raise ValueError(f"alpha {alpha} and power {power} must lie between 0 and 1")
    if list(fractions) != sorted(set(fractions)) or not fractions or fractions[0] <= 0 or fractions[-1] != 1:
        raise ValueError(f"looks {fractions} must rise to 1")
    spend = [alpha * t**SPENDING_POWER for t in fractions]
    upper = _upper_bounds(fractions, spend)
    low, high = 0.0, 20.0
    for _ in range(25):  # the effect at which the two bounds meet at the last look
        effect = (low + high) / 2
        lower = _lower_bounds(fractions, upper, effect, 1 - power)
        low, high = (effect, high) if lower[-1] < upper[-1] else (low, effect)
    lower = (*_lower_bounds(fractions, upper, high, 1 - power)[:-1], upper[-1])
    return SequentialPlan(fractions, upper, lower, high, alpha, power)


def _upper_bounds(fractions: Sequence[float], spent: Sequence[float]) -> tuple[float, ...]:
    """Bounds whose crossing under no difference has the probabilities ``spent`` (cumulative)."""
    walk, bounds, before = _Walk(0.0), [], 0.0
    for t, until in zip(fractions, spent, strict=True):
        bound = _solve(lambda z, t=t: walk.above(z, t) - (until - before))  # type: ignore[misc]  # noqa: B023
        walk = walk.between(-_FAR, bound, t)
        bounds.append(bound)
        before = until
    return tuple(bounds)


def _lower_bounds(fractions: Sequence[float], upper: Sequence[float], effect: float, beta: float) -> tuple[float, ...]:
    """Bounds below which the planned effect falls with probability ``beta`` in all; at the last look too."""
    walk, bounds, before = _Walk(effect), [], 0.0
    for t, top in zip(fractions, upper, strict=True):
        until = beta * t**SPENDING_POWER
        bound = _solve(lambda z, t=t: (until - before) - walk.below(z, t))  # type: ignore[misc]  # noqa: B023
        bound = min(bound, top)
        walk = walk.between(bound, top, t)
        bounds.append(bound)
        before = until
    return tuple(bounds)


class _Walk:
    """Where the sum of a test stands at a look, for all paths that have not been stopped.

    The sum at information t is normal with mean ``effect * t`` and variance t; its density is kept on a grid.
    """

    def __init__(
        self, effect: float, time: float = 0.0, grid: np.ndarray | None = None, mass: np.ndarray | None = None
    ):
        self._effect, self._time = effect, time
        self._grid = np.zeros(1) if grid is None else grid
        self._mass = np.ones(1) if mass is None else mass

    def above(self, z: float, time: float) -> float:
        """Probability that the deviate at ``time`` is above ``z``."""
        return float(self._mass @ ndtr(-self._steps(z * math.sqrt(time), time)))

    def below(self, z: float, time: float) -> float:
        """Probability that it is below."""
        return float(self._mass @ ndtr(self._steps(z * math.sqrt(time), time)))

    def between(self, low: float, high: float, time: float) -> _Walk:
        """The walk at ``time`` of the paths whose deviate lies between two bounds."""
        root = math.sqrt(time)
        low = max(low, self._effect * root - _FAR)
        edges = np.linspace(low * root, max(high, low) * root, _CELLS + 1)
        grid = (edges[1:] + edges[:-1]) / 2
        spread = math.sqrt(time - self._time)
        moved = (edges[None, :] - self._grid[:, None] - self._effect * (time - self._time)) / spread
        mass = self._mass @ np.diff(ndtr(moved), axis=1)
        return _Walk(self._effect, time, grid, mass)

    def _steps(self, level: float, time: float) -> np.ndarray:
        elapsed = time - self._time
        deviate: np.ndarray = (level - self._grid - self._effect * elapsed) / math.sqrt(elapsed)
        return deviate


def _solve(falling: Callable[[float], float]) -> float:
    """The root of a function that falls, by bisection; the end of the scale where it has none on it."""
    low, high = -_FAR, _FAR
    while high - low > _EXACT:
        middle = (low + high) / 2
        low, high = (middle, high) if falling(middle) > 0 else (low, middle)
    return (low + high) / 2
