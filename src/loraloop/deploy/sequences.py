"""Evidence that may be looked at after every user: e-values and intervals that hold at all times at once. Pure.

Every function takes numbers or arrays of them, so that the very code that decides is the code that is simulated.
Evidence is the logarithm of an e-value: where nothing is the matter, it ever exceeds ``log(1 / alpha)`` in at most a
share ``alpha`` of experiments, however often one looks (Ville's inequality).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from scipy.special import betaln, ndtri

Number: TypeAlias = Any
"""A float, or an array of them."""

STAKES = np.linspace(0.0, 0.7, 17)[1:] - 0.7 / 32
"""Shares of the wealth bet on each pair; their weights favour the small ones that suit a difference of a few points."""
_WEIGHTS = np.exp(-(STAKES**2) / (2 * 0.2**2))
_WEIGHTS /= _WEIGHTS.sum()
_RATIO_PRIOR = 800.0
"""Pseudo-users of the ratio check: makes it sharpest at some thirteen thousand users in all."""
TUNED_USERS = 1000.0
"""Users an arm at which a guardrail's interval is tightest for its level."""
_TUNED = 8.0


def paired_evidence(plus: Number, zero: Number, minus: Number, margin: float = 0.0) -> Number:
    """Return the evidence that the mean of differences of +1, 0 and -1 is above ``margin``.

    A gambler bets a share of the wealth on each difference; a fair or losing game makes nobody rich. The wealth is
    averaged over a fixed set of stakes, chosen for differences of a few points among about a thousand pairs. Exact at
    any number of pairs, without an assumption but that pairs come by chance.

    Args:
        plus, zero, minus: how many differences of each kind there were.
        margin: -1..1.

    Source:
        Waudby-Smith and Ramdas, Estimating means of bounded random variables by betting, JRSS B 86 (2024),
        arXiv 2010.09686; Robbins, Annals of Mathematical Statistics 41 (1970) for the mixture.

    Example:
        >>> bool(paired_evidence(60, 700, 20) > math.log(1 / 0.01))
        True
        >>> bool(paired_evidence(40, 700, 40) > 0)
        False
    """
    most = 0.99 / (1 + margin) if margin > -1 else math.inf
    found: Number = -math.inf
    for stake, weight in zip(np.minimum(STAKES, most), _WEIGHTS, strict=True):
        wealth = math.log(weight) + plus * math.log1p(stake * (1 - margin)) + minus * math.log1p(-stake * (1 + margin))
        found = np.logaddexp(found, wealth + zero * math.log1p(-stake * margin) if margin else wealth)
    return found


def paired_interval(plus: int, zero: int, minus: int, alpha: float) -> tuple[float, float]:
    """Return where the mean difference lies, at all times at once, each end wrong with probability ``alpha`` at most.

    Example:
        >>> low, high = paired_interval(85, 780, 135, alpha=0.03)
        >>> round(low, 3), round(high, 3)
        (-0.094, -0.006)
    """
    return _lower(plus, zero, minus, alpha), -_lower(minus, zero, plus, alpha)


def _lower(plus: int, zero: int, minus: int, alpha: float) -> float:
    """The largest margin that the mean is surely above, by bisection."""
    low, high = -1.0, 1.0
    while high - low > 1e-5:
        middle = (low + high) / 2
        above = paired_evidence(plus, zero, minus, middle) > math.log(1 / alpha)
        low, high = (middle, high) if above else (low, middle)
    return low


def ratio_evidence(control: Number, candidate: Number) -> Number:
    """Return the evidence that users do not fall into two arms with equal chances.

    Source:
        Lindon and Malek, Anytime-valid inference for multinomial count data, NeurIPS 2022, arXiv 2011.03567 (the
        sequential test of a sample ratio, section 2, with two arms and a symmetric prior).

    Example:
        >>> bool(ratio_evidence(6500, 5850) > math.log(1000)), bool(ratio_evidence(6500, 6400) > 0)
        (True, False)
    """
    half = _RATIO_PRIOR / 2
    whole: Number = control + candidate
    return betaln(half + control, half + candidate) - betaln(half, half) + whole * math.log(2)


def smallest_ratio_fault(users: int, alpha: float, power: float = 0.95) -> float:
    """Return the smallest lost share of an arm that ``users`` in all would show with probability ``power``; 1: none.

    Example:
        >>> round(smallest_ratio_fault(13_000, 0.001), 3), smallest_ratio_fault(30, 0.001)
        (0.098, 1.0)
    """
    if users < 1:
        return 1.0
    spare = float(ndtri(power))
    low, high = 0.0, 0.5
    while high - low > 1e-6:  # the share off a half that is already enough
        off = (low + high) / 2
        enough = ratio_evidence(users * (0.5 - off), users * (0.5 + off)) > math.log(1 / alpha)
        low, high = (low, off) if enough else (off, high)
    off = high + spare * 0.5 / math.sqrt(users)
    return 1.0 if off >= 0.5 else min(1.0, 4 * off / (1 + 2 * off))


@dataclass(frozen=True)
class Sums:
    """Sums over the users of one arm (see ``experiments.ClusterSums``), each a number or an array."""

    users: Number
    x: Number
    k: Number
    xx: Number
    xk: Number
    kk: Number

    def mean(self) -> Number:
        """Total over count."""
        return self.x / np.maximum(self.k, 1e-12)

    def variance(self) -> Number:
        """Of the mean over repeated samples of users: answers of one user are not independent."""
        mean = self.mean()
        squares = np.maximum(self.xx - 2 * mean * self.xk + mean**2 * self.kk, 0.0)
        return self.users / np.maximum(self.users - 1, 1) * squares / np.maximum(self.k, 1e-12) ** 2


def harm(candidate: Sums, control: Sums, factor: float, margin: float) -> tuple[Number, Number]:
    """Return ``candidate - factor x control - margin`` and its standard error, clustered by user.

    Source:
        Ratio estimator by linearisation: Cochran, Sampling Techniques, 3rd ed. (1977), section 6.5.
    """
    return (
        candidate.mean() - factor * control.mean() - margin,
        np.sqrt(candidate.variance() + factor**2 * control.variance()),
    )


def sure_reach(control_users: Number, candidate_users: Number, alpha: float) -> Number:
    """Return how many standard errors a one-sided interval reaches so that it holds at all times at once.

    Asymptotic: it takes some hundred users an arm. A user's later answers resemble the first, which makes the crossing
    of a bound rarer than with independent answers of the same variance (Slepian's inequality), never more frequent.

    Source:
        Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, Time-uniform central limit theory and asymptotic confidence
        sequences, Annals of Statistics 52 (2024), arXiv 2103.06476, one-sided; the half-normal mixture of Robbins
        (1970), with the normal distribution function bounded by ``1 - exp(-x^2 / 2) / 2``.

    Example:
        >>> round(float(sure_reach(1000, 1000, 0.025)), 2)
        3.04
    """
    users = 2 / (1 / np.maximum(control_users, 1) + 1 / np.maximum(candidate_users, 1))
    seen = _TUNED * users / TUNED_USERS
    return np.sqrt((1 + seen) / seen * 2 * np.log((1 + np.sqrt(1 + seen) / alpha) / 2))
