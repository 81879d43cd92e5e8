"""Values about experiments: which release answers which users, what was seen of them, and what that says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from .judgements import RuleResult
from .record import Record
from .types import Release

Mode = Literal["shadow", "canary", "ab"]
Arm = Literal["control", "candidate"]
ExperimentStatus = Literal["running", "promoted", "rolled back", "undecided", "stopped", "frozen"]
ExperimentAnswer = Literal["promote", "roll back", "keep going", "cannot decide"]
ActionKind = Literal["none", "step", "promote", "roll back", "end", "freeze"]

SHARES = ("approval", "errors", "regenerated", "guard_hits")
"""Metrics between 0 and 1: of judged answers (``approval``), else of all answers."""
METRICS = (*SHARES, "latency_s", "length_chars")
"""Everything that is observed of an answer."""
MOST_COUNTED = 50
"""Answers of one user, of one metric, that count; one who asks all day weighs no more than that."""


@dataclass(frozen=True, slots=True)
class ExperimentVerdict(Record):
    """What an experiment says so far.

    Attributes:
        rules: each with what was observed, its interval and what is required, in words.
        users: counted, by arm. outcomes: users with a value of the primary metric, by arm.
        smallest_ratio_fault: smallest share of one arm's users (0..1) whose loss so many users would show 19 times in
            20; 1 where not even the loss of them all.
    """

    experiment_id: str
    verdict: ExperimentAnswer
    reason: str
    created_at: datetime
    rules: tuple[RuleResult, ...] = ()
    users: Mapping[str, int] = field(default_factory=dict)
    outcomes: Mapping[str, int] = field(default_factory=dict)
    smallest_ratio_fault: float = 1.0


@dataclass(frozen=True, slots=True)
class Experiment(Record):
    """Two releases beside each other: the live one, and a candidate that some users get.

    Attributes:
        id: ``ex-`` and 16 hex digits.
        control_id: the release that was live at the start; ``None`` where the base alone served.
        candidate_id: the release on trial here.
        steps: shares of users that get the candidate, 0..0.5, in order; ``step`` is the place of the one in force.
        primary: the one metric that decides.
        salt: key of the assignment, hex; another experiment deals its users anew.
        stepped_at: when the share in force began.
        verdict: the one it ended with.
    """

    id: str
    bot: str
    mode: Mode
    control_id: str | None
    candidate_id: str
    steps: tuple[float, ...]
    primary: str
    salt: str
    actor: str
    started_at: datetime
    stepped_at: datetime
    step: int = 0
    status: ExperimentStatus = "running"
    reason: str = ""
    ended_at: datetime | None = None
    verdict: ExperimentVerdict | None = None

    @property
    def share(self) -> float:
        """Share of users that get the candidate now, 0..0.5; an equal share is counted as control."""
        return self.steps[self.step]


@dataclass(frozen=True, slots=True)
class Assignment(Record):
    """Which release answers one user now.

    Attributes:
        release_id: ``None`` for the base alone.
        arm: ``"control"`` or ``"candidate"``; empty for a user who is not counted.
        mirror_id: the release that answers the same unseen, in a shadow; ``None`` where none does.
    """

    release_id: str | None
    experiment_id: str = ""
    arm: str = ""
    mirror_id: str | None = None


@dataclass(frozen=True, slots=True)
class Action(Record):
    """What a look at the running experiment led to.

    Attributes:
        kind: ``"step"``: more users get the candidate. ``"promote"``: it is live. ``"roll back"``: users are back on
            what they had. ``"freeze"``: that too, and nothing automatic happens until a person acts. ``"end"``: the
            experiment is over and nothing moved.
        release: that is live now, where the live pointer moved.
    """

    kind: ActionKind
    reason: str = ""
    experiment: Experiment | None = None
    release: Release | None = None
    verdict: ExperimentVerdict | None = None


@dataclass(frozen=True, slots=True)
class Observation(Record):
    """Something seen of one user's answers: ``total`` over ``count`` answers of one metric.

    What is only heard later about an answer that was counted (``regenerated``) comes with a ``count`` of 0.
    """

    user: str
    arm: Arm
    metric: str
    total: float
    count: int = 1


@dataclass(frozen=True, slots=True)
class ClusterSums(Record):
    """Sums over the users of one arm: of each user's total (``x``) and count (``k``), their squares and product."""

    users: int = 0
    x: float = 0.0
    k: float = 0.0
    xx: float = 0.0
    xk: float = 0.0
    kk: float = 0.0


@dataclass(frozen=True, slots=True)
class Pairs(Record):
    """The first values of the primary metric, the n-th user of one arm beside the n-th of the other.

    Attributes:
        candidate_only: pairs in which only the candidate's user had a 1. control_only: only the control's.
        same: neither or both.
        control, candidate: users with a value. control_ones, candidate_ones: those whose value is 1.
    """

    candidate_only: int = 0
    same: int = 0
    control_only: int = 0
    control: int = 0
    candidate: int = 0
    control_ones: int = 0
    candidate_ones: int = 0


@dataclass(frozen=True, slots=True)
class Tally(Record):
    """Everything an experiment's verdict rests on.

    Attributes:
        users: assigned and counted, by arm. pairs: of the primary metric. sums: metric -> arm -> sums.
    """

    users: Mapping[str, int] = field(default_factory=dict)
    pairs: Pairs = field(default_factory=Pairs)
    sums: Mapping[str, Mapping[str, ClusterSums]] = field(default_factory=dict)
