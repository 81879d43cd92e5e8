"""What this traffic can decide, before an experiment begins: days for a difference, or that it never will. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from scipy.special import ndtr

from ..types import Conversation, Record
from .config import ExperimentConfig
from .sequences import paired_evidence, smallest_ratio_fault
from .verdicts import BETTER_SHARE, RATIO_ALPHA, WORSE_SHARE

POWER = 0.9
USUAL_APPROVAL = 0.9
"""Assumed where nobody has judged anything yet."""
_MOST_USERS = 10_000_000
_CROSSED_EARLIER = 0.85
"""Experiments also end on bounds that they crossed and came back from; simulated, that spares 11 to 19 % of users."""

Advice = Literal["canary", "shadow", "replay"]


@dataclass(frozen=True, slots=True)
class Traffic(Record):
    """What users did lately.

    Attributes:
        days: looked at. users: different ones. judging_users: those who gave a thumb or a correction.
        approval: share of judging users whose first word was good; ``None`` where nobody judged.
    """

    days: float
    users: int
    judging_users: int
    approval: float | None


@dataclass(frozen=True, slots=True)
class ExperimentPlan(Record):
    """What an experiment would take here.

    Attributes:
        difference: of the primary metric to be seen, 0..1. approval: of the control, as measured or assumed.
        measured: whether it was measured here.
        users_an_arm: with an outcome, for a drop of ``difference`` to be seen 9 times in 10.
        users_to_promote: an arm, for an equal candidate to be surely not worse by the tolerance, as often.
        judging_users_a_day: who say what they think.
        days, days_canary: until a drop is seen, of a split in halves, and along the steps of a canary; ``None`` where
            it takes longer than an experiment may last.
        smallest_difference: what would be seen in the longest experiment; ``None`` where nothing would.
        smallest_ratio_fault: share of an arm whose loss all users of the longest experiment would show.
        advice: ``"canary"``, or else ``"shadow"`` (errors, time and length need no opinions) or ``"replay"`` (the same
            recorded questions asked of both releases: pairs differ less than users do).
    """

    difference: float
    approval: float
    measured: bool
    users_an_arm: int
    users_to_promote: int
    judging_users_a_day: float
    days: float | None
    days_canary: float | None
    smallest_difference: float | None
    smallest_ratio_fault: float
    advice: Advice


def traffic_of(conversations: Iterable[Conversation], since: datetime, now: datetime) -> Traffic:
    """Return what users did, from their conversations; of those without a pseudonym nothing can be learnt here."""
    first: dict[str, tuple[datetime, bool]] = {}
    users: set[str] = set()
    for one in conversations:
        if one.user is None or one.created_at < since:
            continue
        users.add(one.user)
        for said in one.feedback:
            if said.kind == "comment":
                continue
            at = said.created_at or one.created_at
            if one.user not in first or at < first[one.user][0]:
                first[one.user] = at, said.kind == "thumb_up"
    days = max((now - since).total_seconds() / 86_400, 1e-9)
    approval = sum(good for _, good in first.values()) / len(first) if first else None
    return Traffic(days, len(users), len(first), approval)


def plan_experiment(
    traffic: Traffic, config: ExperimentConfig, difference: float = 0.05, approval: float | None = None
) -> ExperimentPlan:
    """Return what an experiment would take here.

    Args:
        difference: drop of the primary metric to be seen, above 0 and below 1.
        approval: of the control; ``None`` takes what was measured, else 90 %.
    """
    measured = approval is None and traffic.approval is not None
    base = approval if approval is not None else traffic.approval if traffic.approval is not None else USUAL_APPROVAL
    base = min(max(base, difference), 0.99)
    needed = users_needed(base, difference, config)
    daily = traffic.judging_users / traffic.days
    halves = _within(needed / (daily / 2), config) if daily else None
    steps = _within(_canary_days(needed, daily, config), config) if daily else None
    most = daily * config.max_days / 2
    everyone = int(traffic.users / traffic.days * config.max_days)
    replay_pays = traffic.users / traffic.days < config.least_users  # a day of shadow would show nothing
    return ExperimentPlan(
        difference=difference, approval=base, measured=measured, users_an_arm=needed,
        users_to_promote=users_needed(base, config.tolerance, config, to_promote=True),
        judging_users_a_day=daily, days=halves, days_canary=steps,
        smallest_difference=smallest_difference(base, most, config),
        smallest_ratio_fault=smallest_ratio_fault(everyone, RATIO_ALPHA),
        advice="canary" if steps is not None else "replay" if replay_pays else "shadow",
    )  # fmt: skip


def users_needed(
    approval: float, difference: float, config: ExperimentConfig, *, power: float = POWER, to_promote: bool = False
) -> int:
    """Return users an arm with an outcome by which a drop is called worse with probability ``power``.

    The evidence is a sum over pairs, about normal: its bound is sought where a share ``power`` of paths lies above it.

    Args:
        to_promote: instead, users by which an equal candidate is surely not worse by ``difference``.

    Example:
        >>> users_needed(0.9, 0.05, ExperimentConfig())
        1359
    """
    other = approval if to_promote else approval - difference
    lost, won = approval * (1 - other), other * (1 - approval)
    bound = math.log(1 / (config.false_verdicts * (BETTER_SHARE if to_promote else WORSE_SHARE)))
    low, high = 1, _MOST_USERS
    while low < high:
        n = (low + high) // 2
        low, high = (
            (low, n) if _seen(n, won, lost, bound, difference if to_promote else 0.0) >= power else (n + 1, high)
        )
    needed = math.ceil(low * _CROSSED_EARLIER)
    return max(needed, config.least_users) if to_promote else needed


def _seen(n: int, won: float, lost: float, bound: float, tolerance: float) -> float:
    """Probability that ``n`` pairs are enough: of the mean difference at which the evidence just meets its bound."""
    spread = math.sqrt(max(won + lost - (lost - won) ** 2, 1e-12) / n)
    low, high = -tolerance, 1.0
    while high - low > 1e-6:
        mean = (low + high) / 2
        changed = max(won + lost, abs(mean))
        up, down = n * (changed + mean) / 2, n * (changed - mean) / 2
        enough = float(paired_evidence(up, n * (1 - changed), down, -tolerance)) > bound
        low, high = (low, mean) if enough else (mean, high)
    drift = 0.0 if tolerance else lost - won
    return float(ndtr((drift - high) / spread))


def smallest_difference(approval: float, users_an_arm: float, config: ExperimentConfig) -> float | None:
    """Return the smallest drop that so many users an arm would show 9 times in 10; ``None`` for none."""
    low, high = 0.0, approval
    if users_an_arm < 1 or users_needed(approval, high, config) > users_an_arm:
        return None
    while high - low > 5e-4:
        middle = (low + high) / 2
        low, high = (low, middle) if users_needed(approval, middle, config) <= users_an_arm else (middle, high)
    return high


def _canary_days(needed: int, daily: float, config: ExperimentConfig) -> float:
    """Days along the steps: each adds its users, and lasts its hours; the last one goes on until all are there."""
    days, have = 0.0, 0.0
    for number, share in enumerate(config.steps):
        last = number == len(config.steps) - 1
        goal = needed if last else min(needed, config.step_users * (number + 1))
        spent = max((goal - have) / (daily * share), 0.0 if last else config.step_hours / 24)
        days, have = days + spent, have + spent * daily * share
    return days


def _within(days: float, config: ExperimentConfig) -> float | None:
    return days if days <= config.max_days else None
