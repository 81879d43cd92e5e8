"""Has approval fallen? A sequential test that may be looked at after every judgement. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

LEAST_BEFORE = 20
"""Judgements before the last run without which there is nothing to compare with."""


def fall_evidence(before_up: int, before: int, since: Sequence[bool], *, alpha: float, fall: float) -> float:
    """Return the evidence that approval is lower now; ``2 / alpha`` or more says so.

    Approval before is taken at its lower confidence bound at ``alpha / 2``, less the ``fall`` that is tolerated: p0.
    For each judgement since, as the first after a fall, a likelihood ratio bets evenly on every rate under p0 against
    p0; the starts are weighed 1 / (k (k + 1)). While approval is p0 or more, that is a supermartingale which begins at
    1, so it *ever* reaches ``2 / alpha`` with probability ``alpha / 2`` at most (Ville), however often one looks. Both
    together: a false alarm between two runs has probability ``alpha`` at most.

    **Source**: Ville 1939; Robbins and Siegmund 1974 (mixtures); Clopper and Pearson 1934 (the bound); the mixture over
    starts as in Shin, Ramdas and Rinaldo 2022, "E-detectors".

    Args:
        before_up, before: good ones and all of the judgements before. since: the later ones, in order.

    Example:
        >>> fall_evidence(90, 100, [False] * 12, alpha=0.01, fall=0.05) > 200
        True
        >>> fall_evidence(90, 100, [True] * 12, alpha=0.01, fall=0.05) < 1
        True
    """
    import numpy as np
    from scipy.special import betainc, betaincinv, betaln

    p0 = float(betaincinv(before_up, before - before_up + 1, alpha / 2)) - fall if before_up else 0.0
    if p0 <= 0 or not since:
        return 1.0
    good = np.cumsum(np.asarray(since, dtype=float)[::-1])[::-1]
    count = np.arange(len(since), 0, -1, dtype=float)
    bad = count - good
    with np.errstate(divide="ignore"):
        mass = np.log(betainc(good + 1, bad + 1, p0))
    log_ratio = betaln(good + 1, bad + 1) + mass - math.log(p0) - good * math.log(p0) - bad * math.log1p(-p0)
    start = np.arange(1, len(since) + 1, dtype=float)
    bets = np.exp(np.minimum(log_ratio - np.log(start * (start + 1)), 600.0))
    return float(bets.sum()) + 1 / (len(since) + 1)
