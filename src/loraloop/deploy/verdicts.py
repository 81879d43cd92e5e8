"""From what was seen of an experiment's users to its verdict: promote, roll back, keep going or cannot decide. Pure.

The share of false verdicts that the settings allow is split: three fifths for a worse primary metric (a worse candidate
must leave early), one for a better one (a better one may wait), one for all guardrails together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..experiments import ClusterSums, Experiment, ExperimentAnswer, ExperimentVerdict, Pairs, Tally
from ..types import RuleResult
from .config import ExperimentConfig
from .sequences import Sums, harm, paired_interval, ratio_evidence, smallest_ratio_fault, sure_reach

RATIO_ALPHA = 0.001
"""How often a sound assignment is called faulty."""
WORSE_SHARE, BETTER_SHARE, GUARDRAILS_SHARE = 0.6, 0.2, 0.2
"""Of the false verdicts allowed, for each kind of verdict."""


@dataclass(frozen=True, slots=True)
class Guardrail:
    """A bound on how much worse than the control's the candidate's metric may be.

    Attributes:
        factor, margin: at most ``factor`` times the control's, plus ``margin``.
        falling: the other way round: the control's at most that of the candidate's.
    """

    name: str
    metric: str
    factor: float = 1.0
    margin: float = 0.0
    falling: bool = False


def guardrails(config: ExperimentConfig, primary: str) -> list[Guardrail]:
    """Return the bounds on everything but the primary metric."""
    every = [
        Guardrail("errors not more", "errors", margin=config.errors_more),
        Guardrail("regenerated answers not more", "regenerated", margin=config.regenerated_more),
        Guardrail("guard hits not more", "guard_hits", margin=config.guard_hits_more),
        Guardrail("latency not longer", "latency_s", factor=1 + config.latency_more),
        Guardrail("answers not longer", "length_chars", factor=1 + config.length_change),
        Guardrail("answers not shorter", "length_chars", factor=1 + config.length_change, falling=True),
    ]
    return [one for one in every if one.metric != primary]


def guardrail_alpha(config: ExperimentConfig, primary: str) -> float:
    """Return the error of one guardrail."""
    return config.false_verdicts * GUARDRAILS_SHARE / len(guardrails(config, primary))


def judge(experiment: Experiment, tally: Tally, config: ExperimentConfig, now: datetime) -> ExperimentVerdict:
    """Return what an experiment says now; it may be asked after every user.

    The sample ratio goes first: where users got lost from one arm, nothing else says anything.
    """
    primary = _oriented(tally.pairs, experiment.primary)
    low, high = primary_interval(primary, config)
    ratio = ratio_rule(tally) if experiment.mode != "shadow" else None
    guarded = [guardrail_rule(one, tally, config, experiment.primary) for one in guardrails(config, experiment.primary)]
    decided = primary_rules(experiment, primary, (low, high), config) if experiment.mode != "shadow" else []
    patience = patience_rules(experiment, tally, config, now)
    rules = [*([ratio] if ratio else []), *guarded, *decided, *patience]
    answer, reason = _answer(experiment, ratio, guarded, decided, patience)
    if answer == "keep going" and now - experiment.started_at > timedelta(days=config.max_days):
        answer, reason = "cannot decide", f"{config.max_days:g} days have passed without a verdict ({reason})"
    return ExperimentVerdict(
        experiment_id=experiment.id,
        verdict=answer,
        reason=reason,
        created_at=now,
        rules=tuple(rules),
        users=dict(tally.users),
        outcomes={"control": tally.pairs.control, "candidate": tally.pairs.candidate},
        smallest_ratio_fault=smallest_ratio_fault(sum(tally.users.values()), RATIO_ALPHA),
    )


def _answer(
    experiment: Experiment,
    ratio: RuleResult | None,
    guarded: list[RuleResult],
    decided: list[RuleResult],
    patience: list[RuleResult],
) -> tuple[ExperimentAnswer, str]:
    if ratio is not None and not ratio.passed:
        return "cannot decide", f"users are missing from an arm: {ratio.observed}"
    broken = [rule for rule in guarded if not rule.passed]
    if broken:
        return "roll back", "; ".join(f"{rule.rule}: {rule.observed}" for rule in broken)
    waiting = [rule for rule in patience if not rule.passed]
    if experiment.mode == "shadow":
        if waiting:
            return "keep going", _told(waiting)
        return "cannot decide", "nothing that a shadow shows got worse; what users think of it only a canary tells"
    worse, enough = decided
    if not worse.passed:
        return "roll back", f"{experiment.primary} is worse: {worse.observed}, {worse.interval}"
    waiting = [rule for rule in (enough, *patience) if not rule.passed]
    if waiting:
        return "keep going", _told(waiting)
    return "promote", f"{enough.rule}: {enough.observed}, {enough.interval}"


def _told(rules: list[RuleResult]) -> str:
    return "; ".join(f"{rule.rule}: {rule.observed}, required {rule.required}" for rule in rules)


def ratio_rule(tally: Tally) -> RuleResult:
    """Both arms are as large as each other, as the assignment meant them to be."""
    control, candidate = tally.users.get("control", 0), tally.users.get("candidate", 0)
    evidence = float(ratio_evidence(control, candidate))
    fault = smallest_ratio_fault(control + candidate, RATIO_ALPHA)
    could = f"a loss of {fault:.0%} of an arm would show" if fault < 1 else "too few users to show any loss"
    chance = min(1.0, math.exp(-evidence))
    return RuleResult(
        "sample ratio",
        f"{control} control, {candidate} candidate (p {chance:.2g}; {could})",
        f"p at least {RATIO_ALPHA:g}, looked at after every user",
        chance >= RATIO_ALPHA,
    )


def primary_interval(pairs: Pairs, config: ExperimentConfig) -> tuple[float, float]:
    """Return where the difference of the primary metric lies: each end with the error of the verdict it can bring."""
    counts = (pairs.candidate_only, pairs.same, pairs.control_only)
    low, _ = paired_interval(*counts, config.false_verdicts * BETTER_SHARE)
    _, high = paired_interval(*counts, config.false_verdicts * WORSE_SHARE)
    return low, high


def primary_rules(
    experiment: Experiment, pairs: Pairs, interval: tuple[float, float], config: ExperimentConfig
) -> list[RuleResult]:
    """The primary metric is not worse; and it is better (``ab``), or surely not worse by the tolerance (``canary``)."""
    low, high = interval
    shown = f"{_share(pairs.candidate_ones, pairs.candidate)} beside {_share(pairs.control_ones, pairs.control)}"
    observed = f"{experiment.primary} {shown}, {pairs.control_only} pairs lost, {pairs.candidate_only} won"
    told = f"better by {low:+.1%} to {high:+.1%}"
    need = 0.0 if experiment.mode == "ab" else -config.tolerance
    word = "better" if experiment.mode == "ab" else f"not worse by {config.tolerance:.0%}"
    return [
        RuleResult("primary metric not worse", observed, "interval not wholly below 0", high >= 0, interval=told),
        RuleResult(f"primary metric {word}", observed, f"interval above {need:+.1%}", low > need, interval=told),
    ]


def guardrail_rule(one: Guardrail, tally: Tally, config: ExperimentConfig, primary: str) -> RuleResult:
    """A metric is not surely worse beyond its bound."""
    sums = tally.sums.get(one.metric, {})
    candidate, control = sums.get("candidate", ClusterSums()), sums.get("control", ClusterSums())
    ours, theirs = (control, candidate) if one.falling else (candidate, control)
    allowed = f"{one.factor:g} x" if one.factor != 1 else f"{one.margin:g} over"
    required = f"not surely beyond {allowed} the {'candidate' if one.falling else 'control'}'s"
    if min(ours.users, theirs.users) < config.least_users:
        seen = f"{candidate.users} and {control.users} users, too few to say ({config.least_users} each)"
        return RuleResult(one.name, seen, required, True)
    excess, error = harm(_sums(ours), _sums(theirs), one.factor, one.margin)
    reach = float(sure_reach(theirs.users, ours.users, guardrail_alpha(config, primary))) * float(error)
    means = f"{float(_sums(candidate).mean()):.4g} beside {float(_sums(control).mean()):.4g}"
    return RuleResult(
        one.name,
        means,
        required,
        not float(excess) - reach > 0,
        interval=f"beyond it by at least {excess - reach:+.4g}",
    )


def patience_rules(experiment: Experiment, tally: Tally, config: ExperimentConfig, now: datetime) -> list[RuleResult]:
    """Enough users, enough time, and every step of a canary taken, before anything ends well."""
    if experiment.mode == "shadow":
        few = min(tally.sums.get("latency_s", {}).get(arm, ClusterSums()).users for arm in ("control", "candidate"))
    else:
        few = min(tally.pairs.control, tally.pairs.candidate)
    hours = (now - experiment.started_at) / timedelta(hours=1)
    last = len(experiment.steps) - 1
    return [
        RuleResult("users of each arm", str(few), f"at least {config.least_users}", few >= config.least_users),
        RuleResult("hours", f"{hours:.1f}", f"at least {config.least_hours:g}", hours >= config.least_hours),
        RuleResult("share", f"{experiment.share:.0%}", f"{experiment.steps[-1]:.0%}", experiment.step == last),
    ]


def may_step(experiment: Experiment, tally: Tally, config: ExperimentConfig, now: datetime) -> bool:
    """Whether a canary that keeps going may take its next step: users and hours enough, and no bad sign."""
    if experiment.mode != "canary" or experiment.step + 1 >= len(experiment.steps):
        return False
    pairs = _oriented(tally.pairs, experiment.primary)
    counted = pairs.candidate_only + pairs.same + pairs.control_only
    enough = counted >= config.step_users * (experiment.step + 1)
    bad_sign = counted > 0 and (pairs.control_only - pairs.candidate_only) / counted > config.tolerance
    return enough and not bad_sign and now - experiment.stepped_at >= timedelta(hours=config.step_hours)


def _oriented(pairs: Pairs, primary: str) -> Pairs:
    """The pairs so that a 1 is good: of errors and guard hits it is the other way round."""
    if primary == "approval":
        return pairs
    return Pairs(
        pairs.control_only, pairs.same, pairs.candidate_only, pairs.control, pairs.candidate,
        pairs.control - pairs.control_ones, pairs.candidate - pairs.candidate_ones,
    )  # fmt: skip


def _sums(sums: ClusterSums) -> Sums:
    return Sums(sums.users, sums.x, sums.k, sums.xx, sums.xk, sums.kk)


def _share(ones: int, whole: int) -> str:
    return f"{ones / whole:.1%} of {whole}" if whole else "none of 0"
