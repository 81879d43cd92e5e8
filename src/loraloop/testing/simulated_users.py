"""Thousands of experiments on simulated users at once, judged after every user by the very functions that decide.

For tests and benchmarks of the error rates that experiments claim. Arrays have shape (experiments, users or looks).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..deploy.config import ExperimentConfig
from ..deploy.sequences import Sums, harm, paired_evidence, ratio_evidence, sure_reach
from ..deploy.verdicts import BETTER_SHARE, RATIO_ALPHA, WORSE_SHARE, Guardrail, guardrail_alpha, guardrails

CHUNK = 100
"""Experiments simulated together: bounds the memory."""
NEVER = np.inf


@dataclass(frozen=True)
class World:
    """How users are, and how the candidate differs.

    Attributes:
        approval: the control's share of approving users. drop: how much lower the candidate's is, 0..1.
        lost: share of the candidate's users that never reach the log, 0..1.
    """

    approval: float = 0.9
    drop: float = 0.0
    lost: float = 0.0


def play_primary(
    world: World, config: ExperimentConfig, *, experiments: int, users_an_arm: int, seed: int
) -> dict[str, np.ndarray]:
    """Return when the primary metric's bounds were first met: ``worse, better, not_worse, plain``, in users an arm."""
    draws = np.random.default_rng(seed)
    parts = []
    for count in _chunks(experiments):
        candidate = draws.random((count, users_an_arm)) < world.approval - world.drop
        control = draws.random((count, users_an_arm)) < world.approval
        won, lost = np.cumsum(candidate & ~control, 1), np.cumsum(~candidate & control, 1)
        same = np.arange(1, users_an_arm + 1) - won - lost
        alpha = config.false_verdicts
        parts.append({
            "worse": _first(paired_evidence(lost, same, won) > math.log(1 / (alpha * WORSE_SHARE))),
            "better": _first(paired_evidence(won, same, lost) > math.log(1 / (alpha * BETTER_SHARE))),
            "not_worse": _first(
                paired_evidence(won, same, lost, -config.tolerance) > math.log(1 / (alpha * BETTER_SHARE)),
                config.least_users,
            ),
            "plain": _first(_plain_z(candidate, control) > 1.96, 20),
        })  # fmt: skip
    return _joined(parts)


def play_ratio(world: World, *, experiments: int, users: int, seed: int) -> np.ndarray:
    """Return after how many users in all the ratio check stopped each experiment."""
    draws = np.random.default_rng(seed)
    share = (1 - world.lost) / (2 - world.lost)
    parts = []
    for count in _chunks(experiments):
        candidate = np.cumsum(draws.random((count, users)) < share, 1, dtype=np.float64)
        control = np.arange(1, users + 1) - candidate
        parts.append({"ratio": _first(ratio_evidence(control, candidate) > math.log(1 / RATIO_ALPHA))})
    return _joined(parts)["ratio"]


def play_guardrails(config: ExperimentConfig, *, experiments: int, users: int, seed: int) -> np.ndarray:
    """Return after how many looks any guardrail sent back a candidate that is exactly as bad as its bound allows.

    Every user comes twice, the second time after all have come once, with answers that resemble those before; a look
    follows every coming. Errors, regenerations and guard hits cluster by user; times and lengths are skewed.
    """
    draws = np.random.default_rng(seed)
    parts = []
    for count in _chunks(experiments):
        arms = draws.random((count, users)) < 0.5
        counts = [np.minimum(draws.geometric(0.25, (count, users)), 25).astype(float) for _ in range(2)]
        ends = [
            _first(_beyond(one, config, arms, counts, _visits(one, arms, counts, draws)))
            for one in guardrails(config, "approval")
        ]
        parts.append({"guardrail": np.min(ends, axis=0)})
    return _joined(parts)["guardrail"]


_ORDINARY = {"errors": 0.01, "regenerated": 0.05, "guard_hits": 0.002, "latency_s": 0.8, "length_chars": 80.0}


def _visits(one: Guardrail, arms: np.ndarray, counts: list[np.ndarray], draws: np.random.Generator) -> list[np.ndarray]:
    """Each user's total at each of two comings, with the arm that must not be beyond the bound exactly on it."""
    usual = _ORDINARY[one.metric]
    beyond = usual * one.factor + one.margin
    mean = np.where(arms != one.falling, beyond, usual)
    if one.metric in ("latency_s", "length_chars"):
        habit = mean * draws.lognormal(-0.125, 0.5, arms.shape)
        return [k * habit * draws.lognormal(-0.045, 0.3, arms.shape) for k in counts]
    luck = draws.beta(1.0, (1 - mean) / mean)
    return [draws.binomial(k.astype(int), luck).astype(float) for k in counts]


def _beyond(
    one: Guardrail, config: ExperimentConfig, arms: np.ndarray, counts: list[np.ndarray], totals: list[np.ndarray]
) -> np.ndarray:
    sides = {}
    for arm in (True, False):
        mine = arms == arm
        x1, x2, k1, k2 = (np.where(mine, v, 0.0) for v in (*totals, *counts))
        users = np.cumsum(np.concatenate([mine, np.zeros_like(mine)], 1), 1, dtype=np.float64)

        def grown(first: np.ndarray, whole: np.ndarray) -> np.ndarray:
            return np.cumsum(np.concatenate([first, whole - first], 1), 1)

        x, k = x1 + x2, k1 + k2
        sides[arm] = Sums(
            users, grown(x1, x), grown(k1, k), grown(x1**2, x**2), grown(x1 * k1, x * k), grown(k1**2, k**2)
        )
    ours, theirs = sides[not one.falling], sides[one.falling]
    excess, error = harm(ours, theirs, one.factor, one.margin)
    reach = sure_reach(theirs.users, ours.users, guardrail_alpha(config, "approval"))
    sure: np.ndarray = (excess > reach * error) & (np.minimum(ours.users, theirs.users) >= config.least_users)
    return sure


def _plain_z(candidate: np.ndarray, control: np.ndarray) -> np.ndarray:
    n = np.arange(1, candidate.shape[1] + 1)
    p, q = np.cumsum(candidate, 1) / n, np.cumsum(control, 1) / n
    error = np.sqrt((p * (1 - p) + q * (1 - q)) / n)
    z: np.ndarray = np.abs(p - q) / np.maximum(error, 1e-9)
    return z


def _first(met: np.ndarray, least: int = 1) -> np.ndarray:
    """The first look, counted from 1, at which a bound was met; not before look ``least``."""
    met = met.copy()
    met[:, : least - 1] = False
    return np.where(met.any(1), met.argmax(1) + 1.0, NEVER)


def _chunks(whole: int) -> Iterator[int]:
    for begin in range(0, whole, CHUNK):
        yield min(CHUNK, whole - begin)


def _joined(parts: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
