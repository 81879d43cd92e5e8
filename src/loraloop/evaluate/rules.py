"""The rules of the gate: each looks at one thing and says what it saw, what was required, and whether that was met."""

from __future__ import annotations

import math

from ..types import ItemResult, Judgement, Looks, Report, RuleResult, SubjectScore
from .comparison import Comparison
from .stats import holm, mcnemar_p
from .suites import GUARD_TYPES

_MOST_NAMED = 20


def enough_rows_rule(rows: int, least: int) -> RuleResult:
    """Held-out rows enough to say anything."""
    return RuleResult("enough held-out rows", str(rows), f"at least {least}", rows >= least)


def loss_rule(seen: Comparison, rows: int, *, margin: float, p_value: float, looks: Looks | None = None) -> RuleResult:
    """Held-out loss not worse: not beyond the margin (in ``seen.unit``) as it was seen, nor surely worse at all.

    Beside a subject on another base, only bits per byte are compared; where those are unknown, nothing is.

    Args:
        looks: where the loss was looked at early, its bounds said whether it is surely worse.
    """
    rule, (ours, theirs) = "held-out loss not worse", seen.totals
    if seen.per_byte and ours is None and rows:
        observed = "another base, and not the same rows in bytes: tokens of two tokenizers cannot be compared"
        return RuleResult(rule, observed, f"bits per byte ({seen.subject})", False)
    if ours is None or theirs is None:
        return RuleResult(rule, "not measured", "measured, or nothing to measure", ours is theirs and rows == 0)
    required = f"at most {theirs + margin:.4f} {seen.unit} ({seen.subject}), and not surely over {theirs:.4f}"
    small_enough = ours <= theirs + margin
    if seen.loss is None:
        return RuleResult(rule, f"{ours:.4f}", required, small_enough)
    sure = looks.verdict == "worse" if looks is not None else _upper_tail(-seen.loss.z()) < p_value
    interval = f"{-seen.loss.high:+.4f} to {-seen.loss.low:+.4f}"
    observed = f"{ours:.4f}{_early(looks)}"
    return RuleResult(rule, observed, required, small_enough and not sure, interval=interval)


def cases_rule(seen: Comparison, p_value: float) -> RuleResult:
    """Not fewer cases passed than by another subject, beyond what chance explains.

    The live adapter and the base both count: many small losses in a row would show against the base.
    """
    cases = seen.cases
    ours, theirs = cases.both + len(cases.won), cases.both + len(cases.lost)
    observed = f"{ours} of {cases.asked} (won {len(cases.won)}, lost {len(cases.lost)}, p {cases.p_worse:.2g})"
    required = f"not fewer than {theirs} ({seen.subject}), or p at least {p_value:g}"
    fine = len(cases.lost) <= len(cases.won) or cases.p_worse >= p_value
    return RuleResult(
        f"cases passed beside {seen.subject}",
        observed,
        required,
        fine,
        better=_named(cases.won),
        worse=_named(cases.lost),
    )


def guards_rule(report: Report, baseline: str) -> RuleResult:
    """No guarded item that the baseline passes may fail."""
    by_item = {(item.subject, item.suite, item.item): item for item in report.items if _guarded(item)}
    lost = [
        key[2]
        for key, item in by_item.items()
        if key[0] == baseline and item.passed and not by_item[("candidate", *key[1:])].passed
    ]
    asked = sum(key[0] == "candidate" for key in by_item)
    observed = f"{', '.join(lost[:5])} of {asked}" if lost else f"none of {asked}"
    return RuleResult("guarded cases newly failed", observed, "none", not lost, worse=_named(tuple(lost)))


def _guarded(item: ItemResult) -> bool:
    return item.kind == "guard" or item.type in GUARD_TYPES


def repairs_rule(seen: Comparison) -> RuleResult:
    """Answers that people corrected: not more of them lost again than learnt."""
    cases = seen.repairs
    observed = f"{len(cases.won)} learnt, {len(cases.lost)} lost, of {cases.asked}"
    fine = len(cases.lost) <= len(cases.won)
    return RuleResult(
        "corrections kept",
        observed,
        "not more lost than learnt",
        fine,
        better=_named(cases.won),
        worse=_named(cases.lost),
    )


def slices_rule(seen: Comparison, least: int, drop_frac: float, p_value: float) -> RuleResult:
    """No large slice of cases drops beyond its bound and chance; a small one that does raises an alarm, no more."""
    dropped: list[str] = []
    alarms: list[str] = []
    for (kind, language), cases in sorted(seen.slices.items()):
        fewer = len(cases.lost) - len(cases.won)
        told = f"{kind}/{language} lost {fewer} of {cases.asked}"
        if fewer > drop_frac * cases.asked and cases.p_worse < p_value:
            (dropped if cases.asked >= least else alarms).append(told)
    observed = "; ".join(dropped + [f"alarm: {told}" for told in alarms]) or f"none of {len(seen.slices)}"
    required = f"none of {least} cases or more by over {drop_frac:.0%} and beyond chance (p {p_value:g})"
    return RuleResult("slices dropped", observed, required, not dropped, alarm=bool(alarms))


def latency_rule(candidate: SubjectScore, baseline: SubjectScore, ratio: float, floor_s: float) -> RuleResult:
    """A single request takes not much longer."""
    limit = max(ratio * baseline.avg_response_time, floor_s)
    return RuleResult(
        "time of a single request",
        f"{candidate.avg_response_time:.2f} s",
        f"at most {limit:.2f} s ({ratio:g} x {baseline.subject})",
        candidate.avg_response_time <= limit,
    )


def judge_rules(found: Judgement | None, unanswered_frac: float, p_value: float) -> list[RuleResult]:
    """A judge that was asked has answered, and does not prefer the other's answers beyond chance."""
    if found is None:
        return []
    answered = found.asked - found.unanswered
    chance = mcnemar_p(found.lost, found.won)
    told = f"won {found.won}, lost {found.lost}, tied {found.tied} (p {chance:.2g})"
    bias = f"the first answer named in {found.first_frac:.0%}"
    return [
        RuleResult(
            "judge answered", f"{answered} of {found.asked}", f"all but {unanswered_frac:.0%}",
            found.unanswered <= unanswered_frac * found.asked,
        ),
        RuleResult(
            "judge's preference", f"{told}; {bias}", f"not more lost than won, or p at least {p_value:g}",
            found.lost <= found.won or chance >= p_value,
        ),
    ]  # fmt: skip


def benefit_rule(seen: Comparison, *, margin: float, alpha: float, looks: Looks | None = None) -> RuleResult:
    """Something shows that the candidate is better: its held-out loss, the cases it passes, or a correction it learnt.

    Loss and cases are two chances to be lucky, so Holm's correction stands between them and ``alpha``. A correction is
    no chance: nobody asked for it before a person gave it.

    Args:
        looks: where the loss was looked at early, its bounds said whether it is better, at the error planned there.
    """
    p_values = {"cases": seen.cases.p_better}
    told = [f"cases won {len(seen.cases.won)}, lost {len(seen.cases.lost)} (p {p_values['cases']:.2g})"]
    interval = ""
    if seen.loss is not None:
        if looks is None:
            p_values["loss"] = _upper_tail(seen.loss.z(margin))
            how = f" (p {p_values['loss']:.2g})"
        else:
            p_values["loss"] = looks.alpha if looks.verdict == "better" else 1.0
            how = f" ({'beyond' if looks.verdict == 'better' else 'not beyond'} chance){_early(looks)}"
        told.insert(0, f"held-out loss better by {seen.loss.mean:.4f}{how}")
        interval = f"{seen.loss.low:+.4f} to {seen.loss.high:+.4f}"
    learnt = len(seen.repairs.won) > len(seen.repairs.lost)
    if seen.repairs.asked:
        told.append(f"corrections learnt {len(seen.repairs.won)}, lost {len(seen.repairs.lost)}")
    better = bool(holm(p_values, alpha)) or learnt
    enough = f"loss better by over {margin:.3g} {seen.unit} or more cases won"
    required = f"{enough}, by chance at most {alpha:.2g}; or a correction learnt"
    return RuleResult(
        "better",
        "; ".join(told),
        required,
        better,
        interval=interval,
        better=_named(seen.cases.won),
        worse=_named(seen.cases.lost),
    )


def _early(looks: Looks | None) -> str:
    """How many rows were enough, where not all of them were needed."""
    return f" after {looks.rows} of {looks.planned} rows" if looks is not None and looks.rows < looks.planned else ""


def _upper_tail(z: float) -> float:
    """How often a standard normal deviate is at least ``z``."""
    return 0.5 * math.erfc(z / math.sqrt(2))


def _named(items: tuple[str, ...]) -> tuple[str, ...]:
    """The first items of a list that may be long."""
    return items[:_MOST_NAMED]
