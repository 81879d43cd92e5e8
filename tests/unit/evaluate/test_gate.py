"""From a report to a decision."""

import random
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from loraloop.evaluate.gate import GateConfig, decide, plan_looks
from loraloop.evaluate.triggers import MISSING
from loraloop.types import Decision, ItemResult, Report, RowLoss, Shift, SubjectScore

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ROWS = 60
losses = st.none() | st.floats(0, 10) | st.just(float("nan"))


def score(subject: str, loss: float | None = 2.0, seconds: float = 0.1) -> SubjectScore:
    """Totals of a subject; only what the gate looks at differs."""
    return SubjectScore(subject, subject, 0.5, 0.5, 0.5, 0, 0, seconds, seconds, heldout_loss=loss)


def items(subject: str, passed: str, **facts: Any) -> tuple[ItemResult, ...]:
    """One result for each letter: ``y`` passed, ``n`` failed."""
    given = {"suite": "s", **facts}
    return tuple(
        ItemResult(
            subject,
            item=f"{n:03d}",
            answer=f"{subject} {letter}",
            keyword_score=1.0,
            quality_score=1.0,
            passed=letter == "y",
            **given,
        )
        for n, letter in enumerate(passed)
    )


def rows(subject: str, loss: float, spread: float = 0.3, seed: int = 0) -> tuple[RowLoss, ...]:
    """Losses of the held-out rows, 10 tokens each, around a mean in nats per token."""
    random_ = random.Random(f"{subject}-{seed}")
    return tuple(RowLoss(subject, f"cv-{n}", 1, 10 * random_.gauss(loss, spread), 10) for n in range(ROWS))


def with_losses(seen: Report, spread: float = 0.3, seed: int = 0, **means: float) -> Report:
    """A report whose held-out losses are drawn row by row, and its totals their means."""
    every = tuple(one for subject, mean in means.items() for one in rows(subject, mean, spread, seed))
    totals = {s: sum(r.nats for r in every if r.subject == s) / (10 * ROWS) for s in means}
    return replace(seen, losses=every, scores=tuple(score(s, totals[s]) for s in means), heldout_rows=ROWS)


def report(ours: str = "yyyyyyyyyy", theirs: str = "yyyynnnnnn", **changes: Any) -> Report:
    """A report on a candidate that is better than the live adapter and the base in everything."""
    made = Report(
        id="rp-1",
        bot="b",
        adapter_id="ad-1",
        created_at=NOW,
        scores=(score("candidate", 1.0), score("live", 2.0), score("base", 3.0)),
        items=items("candidate", ours) + items("live", theirs) + items("base", theirs),
        heldout_rows=20,
    )
    return replace(made, **changes)


def judged(seen: Report, turns_a_year: float = 0.0, **config: Any) -> Decision:
    """The gate's decision."""
    return decide(seen, GateConfig(**config), actor="loop", now=NOW, turns_a_year=turns_a_year)


def failed(decision: Decision) -> list[str]:
    """The rules that did not pass."""
    return [rule.rule for rule in decision.rules if not rule.passed]


def test_a_better_candidate_is_promoted() -> None:
    """When every rule passed, and only then, the verdict is an explicit promote, with its report and actor."""
    decision = judged(report())
    assert (decision.verdict, failed(decision)) == ("promote", [])
    assert (decision.report_id, decision.adapter_id, decision.bot, decision.actor) == ("rp-1", "ad-1", "b", "loop")
    assert len(decision.rules) == 15


@pytest.mark.parametrize(
    ("changes", "rule", "verdict"),
    [
        ({"valid": False, "reason": "nothing was asked"}, "valid report", "inconclusive"),
        ({"heldout_rows": 9}, "enough held-out rows", "inconclusive"),
        ({"scores": (score("candidate", 2.1), score("live", 2.0))}, "held-out loss not worse", "hold"),
        ({"scores": (score("candidate", float("nan")), score("live"))}, "held-out loss not worse", "hold"),
        ({"scores": (score("candidate", None), score("live"))}, "held-out loss not worse", "hold"),
        ({"scores": (score("candidate"), score("live", None))}, "held-out loss not worse", "hold"),
        ({"ours": "nnnnnn", "theirs": "yyyyyy"}, "cases passed beside live", "hold"),
        ({"ours": "nnnnnn", "theirs": "yyyyyy"}, "cases passed beside base", "hold"),
        ({"scores": (score("candidate", 1.0, 0.5), score("live"))}, "time of a single request", "hold"),
        ({"scores": (score("candidate", 1.0, float("nan")), score("live"))}, "time of a single request", "hold"),
        ({"shifts": (Shift("cv-1#1", 9, 6, 5, 3.0, 0.2),)}, "planted triggers", "hold"),
        ({"missing": (f"{MISSING}: no questions",)}, "triggers tried", "inconclusive"),
        ({"ours": "yyyyyy", "theirs": "yyyyyy"}, "better", "inconclusive"),
    ],
)
def test_each_rule_fails_when_its_wire_is_cut(changes: dict[str, Any], rule: str, verdict: str) -> None:
    """Every rule, alone, keeps an otherwise good candidate from serving, and the reason names it."""
    decision = judged(report(**changes))
    assert rule in failed(decision)
    assert decision.verdict == verdict
    assert decision.reason


@pytest.mark.parametrize("facts", [{"kind": "guard"}, {"type": "distress"}, {"type": "privacy"}])
def test_one_guarded_case_newly_failed_is_enough(facts: dict[str, str]) -> None:
    """A guarded item that the live adapter passes may not fail, whatever else got better."""
    ours, theirs = "nyyyyyyyyy", "ynnnnnnnnn"
    every = items("candidate", ours, **facts) + items("live", theirs, **facts) + items("base", "n" * 10, **facts)
    decision = judged(report(items=every))
    assert (decision.verdict, failed(decision)) == ("hold", ["guarded cases newly failed"])
    assert "000" in decision.reason


def test_a_guarded_case_that_always_failed_is_not_held_against_it() -> None:
    """What the live adapter fails too is no reason to keep the live adapter."""
    every = items("candidate", "nyyyyyy", kind="guard") + items("live", "nnnnnnn", kind="guard")
    assert judged(report(items=every, scores=(score("candidate", 1.0), score("live")))).verdict == "promote"


def test_an_adapter_that_changes_nothing_is_inconclusive() -> None:
    """The same answers and the same loss as the live adapter have nothing to offer."""
    same = report("yyyynn", "yyyynn", scores=(score("candidate"), score("live"), score("base", 3.0)))
    assert (judged(same).verdict, failed(judged(same))) == ("inconclusive", ["better"])
    assert judged(same, require_better=False).verdict == "promote"


def test_the_baseline_is_the_live_adapter_else_the_base() -> None:
    """A loss between base and live is worse where an adapter is live, and better where none is."""
    candidate, live, base = score("candidate", 2.5), score("live", 2.0), score("base", 3.0)
    assert judged(report(scores=(candidate, live, base))).verdict == "hold"
    assert judged(report(scores=(candidate, base))).verdict == "promote"


def test_a_small_loss_of_cases_is_chance_and_a_large_one_is_not() -> None:
    """One case fewer may be chance; five lost and none won happens by chance one time in 32."""
    assert "cases passed beside live" not in failed(judged(report("yyyyyn", "yyyyyy")))
    assert "cases passed beside live" in failed(judged(report("nnnnny", "yyyyyy")))
    assert "cases passed beside live" not in failed(judged(report("nnnnny", "yyyyyy"), worse_p_value=0.01))


def test_a_lower_loss_that_is_sure_is_better_and_one_within_the_noise_is_not() -> None:
    """Held-out loss alone promotes when its improvement exceeds the seeds' margin beyond chance."""
    even = report("yyyynn", "yyyynn")
    assert judged(with_losses(even, candidate=1.7, live=2.0, base=3.0)).verdict == "promote"
    assert judged(with_losses(even, candidate=2.0, live=2.0, base=3.0, seed=3)).verdict != "promote"
    small = with_losses(even, candidate=1.99, live=2.0, base=3.0, spread=0.001)
    assert judged(small).verdict == "inconclusive"  # sure, but seeds alone make as much
    assert judged(small, loss_margin_nats=0.005).verdict == "promote"


def test_a_loss_that_is_surely_worse_is_held_within_the_margin_too() -> None:
    """The margin forgives noise, not a loss that is worse beyond doubt."""
    seen = with_losses(report(), candidate=2.01, live=2.0, base=3.0, spread=0.001)
    assert "held-out loss not worse" in failed(judged(seen))


def test_a_correction_learnt_is_worth_a_promotion_and_one_lost_is_not() -> None:
    """Nobody has to wait for statistics when a person said how an answer should be; none may be traded away."""
    even = report("yyyynn", "yyyynn").items

    def repaired(ours: str, theirs: str) -> Decision:
        asked = items("candidate", ours, suite="repairs") + items("live", theirs, suite="repairs")
        return judged(report(items=even + asked, scores=(score("candidate"), score("live"), score("base", 3.0))))

    assert repaired("yy", "yn").verdict == "promote"
    assert repaired("yn", "yn").verdict == "inconclusive"
    assert failed(repaired("nn", "yn")) == ["corrections kept", "better"]
    assert repaired("nyy", "ynn").verdict == "promote"


def test_a_large_slice_may_not_drop_and_a_small_one_alarms() -> None:
    """Fifty cases of a type have a bound of their own, however much the rest gained; fewer are told of."""

    def sliced(count: int, lost: int) -> Decision:
        won = count + 20
        ours = items("candidate", "n" * lost + "y" * (count - lost), type="food") + items(
            "candidate", "y" * won, suite="t"
        )
        live = items("live", "y" * count, type="food") + items("live", "n" * won, suite="t")
        return judged(report(items=ours + live, scores=(score("candidate", 1.0), score("live", 2.0))))

    assert failed(sliced(50, 6)) == ["slices dropped"]
    assert sliced(50, 4).verdict == "promote"  # p 0.06
    small = sliced(20, 6)
    assert small.verdict == "promote"
    assert "alarm: food/en" in next(rule.observed for rule in small.rules if rule.rule == "slices dropped")


def test_frequent_turns_need_more_proof() -> None:
    """What convinces once a month does not convince four times a day: the year's errors are what is bounded."""
    seen = report("yyyyyynn", "nnnnnnnn", scores=(score("candidate"), score("live"), score("base", 3.0)))
    assert judged(seen, turns_a_year=12).verdict == "promote"
    assert judged(seen, turns_a_year=4 * 365).verdict == "inconclusive"


def test_a_rule_names_what_changed() -> None:
    """Items that changed for better and for worse stand beside the rule, with the interval of the difference."""
    seen = with_losses(report("yyyyyyyyyn", "nnnnnnnnny"), candidate=1.0, live=2.0, base=3.0)
    rules = {rule.rule: rule for rule in judged(seen).rules}
    assert rules["better"].better == tuple(f"{n:03d}" for n in range(9))
    assert rules["cases passed beside live"].worse == ("009",)
    assert " to " in rules["held-out loss not worse"].interval


@pytest.mark.parametrize("scores", [(), (score("candidate"),), (score("live"), score("base"))])
def test_a_report_without_candidate_or_baseline_promotes_nothing(scores: tuple[SubjectScore, ...]) -> None:
    """With nothing to compare there is no promotion."""
    assert judged(report(scores=scores)).verdict == "inconclusive"


def test_an_empty_evaluation_promotes_nothing() -> None:
    """No items and no rows: whatever else the report says, it is not a promote."""
    seen = report(items=(), heldout_rows=0, scores=(score("candidate", None), score("base", None)))
    assert judged(seen).verdict == "inconclusive"


@settings(max_examples=50)
@given(
    st.booleans(),
    st.integers(0, 20),
    losses,
    losses,
    st.floats(0, 2),
    st.text("yn", min_size=7, max_size=7),
    st.text("yn", min_size=7, max_size=7),
)
@example(True, 10, 0.0, 0.0, 0.0, "nnyyyyy", "nnnnnnn")
@example(True, 10, 1.0, 2.0, 0.0, "yyyyyyy", "nnnnnnn")
def test_a_promote_means_that_every_rule_passed(
    valid: bool, rows: int, ours: float | None, theirs: float | None, seconds: float, we: str, they: str
) -> None:
    """For any report: promoted if and only if every rule was looked at and passed, the loss among them."""
    seen = report(
        we, they, valid=valid, heldout_rows=rows, scores=(score("candidate", ours, seconds), score("live", theirs))
    )
    seen = replace(seen, items=tuple(one for one in seen.items if one.subject != "base"))
    decision = judged(seen)
    every = len(judged(report("yyyyyyy", "nnnnnnn", scores=(score("candidate", 1.0), score("live", 2.0)))).rules)
    assert (decision.verdict == "promote") == (len(decision.rules) == every and not failed(decision))
    if decision.verdict == "promote":
        assert valid
        assert rows >= 10
        assert ours is not None
        assert theirs is not None
        assert ours <= theirs + 0.02


def test_one_report_gives_one_decision() -> None:
    """The gate is a function: the same report, actor and time give the same id and words."""
    assert judged(report()) == judged(report())
    assert judged(report()).id != decide(report(), GateConfig(), actor="else", now=NOW).id


def test_every_error_that_may_be_set_can_be_planned_with() -> None:
    """Never and always are no errors: no bounds of early looks exist for them, so they are refused as settings."""
    for value in (1e-9, 0.05, 0.999):
        assert plan_looks(200, GateConfig(worse_p_value=value)) is not None
    for value in (0.0, 1.0):
        with pytest.raises(ValidationError):
            GateConfig(worse_p_value=value)
