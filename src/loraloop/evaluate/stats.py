"""Statistics of the gate: pure functions over paired differences. Positive differences are improvements.

Rows of one conversation are not independent, so every standard error is clustered by conversation.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

import numpy as np
from scipy.special import ndtri, stdtr, stdtrit

from ..types import Record

Key = TypeVar("Key")
_RECENT_DAYS = 90


@dataclass(frozen=True, slots=True)
class Estimate(Record):
    """A mean difference and how sure it is.

    Attributes:
        mean: the estimate. standard_error: its standard deviation over repeated samples.
        clusters: independent groups it rests on. low, high: the interval at the level asked for.
    """

    mean: float
    standard_error: float
    clusters: int
    low: float
    high: float

    def z(self, margin: float = 0.0) -> float:
        """How many standard normal deviations the mean lies above ``margin``; a t deviate is turned into a normal one.

        With few clusters a t statistic is wilder than a normal one; the deviate of equal tail probability is not.
        """
        if self.clusters < 2:
            return 0.0
        if self.standard_error == 0.0:
            return math.copysign(math.inf, self.mean - margin) if self.mean != margin else 0.0
        t = (self.mean - margin) / self.standard_error
        tail = stdtr(self.clusters - 1, -abs(t))
        return math.copysign(float(-ndtri(tail)), t)


def paired_estimate(
    differences: Sequence[float], sizes: Sequence[float], clusters: Sequence[str], level: float = 0.95
) -> Estimate:
    """Return the difference per unit of size, as a ratio of sums with a standard error clustered by conversation.

    Args:
        differences: one per row, baseline minus candidate, in nats (or passes of the candidate minus the baseline's).
        sizes: of each row, in answer tokens (1 for pass or fail).
        clusters: the conversation each row belongs to.
        level: of the two-sided interval, 0..1.

    Raises:
        ValueError: lengths differ.

    Source:
        Ratio estimator by linearisation: Cochran, Sampling Techniques, 3rd ed. (1977), section 6.5; clusters as in
        Miller, Adding Error Bars to Evals (2024), arXiv 2411.00640.

    Example:
        >>> found = paired_estimate([1.0, 2.0, 3.0], [1, 1, 1], ["a", "b", "c"])
        >>> round(found.mean, 2), round(found.standard_error, 3)
        (2.0, 0.577)
    """
    if not len(differences) == len(sizes) == len(clusters):
        raise ValueError(f"{len(differences)} differences, {len(sizes)} sizes and {len(clusters)} clusters do not pair")
    names, index = np.unique(np.asarray(clusters, dtype=str), return_inverse=True)
    total = np.bincount(index, weights=np.asarray(differences, dtype=float), minlength=len(names))
    size = np.bincount(index, weights=np.asarray(sizes, dtype=float), minlength=len(names))
    count, whole = len(names), float(size.sum())
    if count == 0 or whole == 0:
        return Estimate(0.0, math.inf, 0, -math.inf, math.inf)
    mean = float(total.sum()) / whole
    if count == 1:
        return Estimate(mean, math.inf, 1, -math.inf, math.inf)
    residual = total - mean * size
    error = math.sqrt(count / (count - 1) * float((residual**2).sum())) / whole
    reach = float(stdtrit(count - 1, 0.5 + level / 2)) * error
    return Estimate(mean, error, count, mean - reach, mean + reach)


def mcnemar_p(lost: int, won: int) -> float:
    """Return how often two equally good subjects would differ by ``lost`` losses or more among as many changed cases.

    The exact one-sided test: losses among changed cases are binomial with a half.

    Source:
        McNemar, Note on the sampling error of the difference between correlated proportions, Psychometrika 12 (1947).

    Example:
        >>> mcnemar_p(5, 0)
        0.03125
    """
    changed = lost + won
    ways: int = sum(math.comb(changed, k) for k in range(lost, changed + 1))
    all_ways: int = 2**changed  # of whole numbers the quotient is right however large they are; a float ends at 2**1023
    return ways / all_ways


def paired_share_interval(won: int, lost: int, asked: int, level: float = 0.95) -> tuple[float, float]:
    """Return an interval of the difference of two pass rates on the same cases, candidate minus baseline.

    Half a case is added to each of the four outcomes, without which the interval of few changed cases is far too short.

    Source:
        Agresti and Min, Simple improved confidence intervals for comparing matched proportions, Statistics in Medicine
        24 (2005).

    Example:
        >>> low, high = paired_share_interval(won=4, lost=4, asked=64)
        >>> round(low, 2), round(high, 2)
        (-0.09, 0.09)
    """
    if asked == 0:
        return -1.0, 1.0
    better, worse, whole = won + 0.5, lost + 0.5, asked + 2.0
    difference = (better - worse) / whole
    error = math.sqrt((better + worse) - (better - worse) ** 2 / whole) / whole
    reach = float(ndtri(0.5 + level / 2)) * error
    return max(-1.0, difference - reach), min(1.0, difference + reach)


def holm(p_values: Mapping[Key, float], alpha: float) -> frozenset[Key]:
    """Return which hypotheses are rejected so that any false one among them is as rare as ``alpha``.

    Source:
        Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6 (1979).

    Example:
        >>> sorted(holm({"loss": 0.01, "cases": 0.04, "style": 0.6}, alpha=0.05))
        ['loss']
    """
    rejected = set()
    for left, name in zip(range(len(p_values), 0, -1), sorted(p_values, key=lambda k: p_values[k]), strict=True):
        if p_values[name] > alpha / left:
            break
        rejected.add(name)
    return frozenset(rejected)


def detectable_effect(standard_error: float, alpha: float, power: float, margin: float = 0.0) -> float:
    """Return the smallest true improvement that a one-sided test at ``alpha`` sees with probability ``power``.

    Args:
        standard_error: of the difference on these rows.
        margin: what the improvement must exceed, and how much it varies from seed to seed (standard deviation).

    Example:
        >>> round(detectable_effect(0.04, alpha=0.05, power=0.8), 3)
        0.099
    """
    drawn = math.hypot(standard_error, margin)
    return margin - float(ndtri(alpha)) * standard_error + float(ndtri(power)) * drawn


def turn_alpha(turns_a_year: float, false_promotions_a_year: float, most: float) -> float:
    """Return the error one turn may have so that a year of turns keeps to its budget.

    Args:
        turns_a_year: decisions expected in a year.
        false_promotions_a_year: promotions without any improvement that a year may hold, on average.
        most: the error of one turn however few there are.

    Example:
        >>> turn_alpha(turns_a_year=4 * 365, false_promotions_a_year=2.0, most=0.04)
        0.0013698630136986301
    """
    return min(most, false_promotions_a_year / turns_a_year) if turns_a_year > 0 else most


def yearly_rate(moments: Sequence[datetime], now: datetime) -> float:
    """Return how many events a year would hold at the pace of the last 90 days; one in 90 days at least.

    Example:
        >>> from datetime import UTC
        >>> day = datetime(2026, 3, 1, tzinfo=UTC)
        >>> round(yearly_rate([day - timedelta(days=n) for n in range(200)], day))
        369
    """
    recent = sum(now - moment <= timedelta(days=_RECENT_DAYS) for moment in moments)
    return max(1, recent) * 365 / _RECENT_DAYS
