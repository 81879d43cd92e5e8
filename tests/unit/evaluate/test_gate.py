"""From a report to a decision."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loraloop.evaluate.gate import GateConfig, chance_of_losing, decide
from loraloop.types import Decision, ItemResult, Report, SubjectScore

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
losses = st.none() | st.floats(0, 10) | st.just(float("nan"))


def score(subject: str, loss: float | None = 2.0, seconds: float = 0.1) -> SubjectScore:
    """Totals of a subject; only what the gate looks at differs."""
    return SubjectScore(subject, subject, 0.5, 0.5, 0.5, 0, 0, seconds, seconds, heldout_loss=loss)


def items(subject: str, passed: str, **facts: Any) -> tuple[ItemResult, ...]:
    """One result for each letter: ``y`` passed, ``n`` failed."""
    return tuple(
        ItemResult(subject, "s", f"{n:03d}", f"{subject} {letter}", 1.0, 1.0, letter == "y", **facts)
        for n, letter in enumerate(passed)
    )


def report(ours: str = "yyyyyy", theirs: str = "yyyynn", **changes: Any) -> Report:
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


def judged(seen: Report, **config: float) -> Decision:
    """The gate's decision."""
    return decide(seen, GateConfig(**config), actor="loop", now=NOW)


def failed(decision: Decision) -> list[str]:
    """The rules that did not pass."""
    return [rule.rule for rule in decision.rules if not rule.passed]


def test_a_better_candidate_is_promoted() -> None:
    """When every rule passed, and only then, the verdict is an explicit promote, with its report and actor."""
    decision = judged(report())
    assert (decision.verdict, failed(decision)) == ("promote", [])
    assert (decision.report_id, decision.adapter_id, decision.bot, decision.actor) == ("rp-1", "ad-1", "b", "loop")
    assert len(decision.rules) == 8


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
    every = items("candidate", "nyyyyy", **facts) + items("live", "ynnnnn", **facts) + items("base", "nnnnnn", **facts)
    decision = judged(report(items=every))
    assert (decision.verdict, failed(decision)) == ("hold", ["guarded cases newly failed"])
    assert "000" in decision.reason


def test_a_guarded_case_that_always_failed_is_not_held_against_it() -> None:
    """What the live adapter fails too is no reason to keep the live adapter."""
    every = items("candidate", "nyy", kind="guard") + items("live", "nnn", kind="guard")
    assert judged(report(items=every, scores=(score("candidate", 1.0), score("live")))).verdict == "promote"


def test_an_adapter_that_changes_nothing_is_inconclusive() -> None:
    """The same answers and the same loss as the live adapter have nothing to offer."""
    same = tuple(replace(one, answer="same") for one in report().items)
    seen = report(items=same, scores=(score("candidate"), score("live"), score("base", 3.0)))
    assert (judged(seen).verdict, failed(judged(seen))) == ("inconclusive", ["answers changed"])


def test_the_baseline_is_the_live_adapter_else_the_base() -> None:
    """A loss between base and live is worse where an adapter is live, and better where none is."""
    candidate, live, base = score("candidate", 2.5), score("live", 2.0), score("base", 3.0)
    assert judged(report(scores=(candidate, live, base))).verdict == "hold"
    assert judged(report(scores=(candidate, base))).verdict == "promote"


def test_a_small_loss_of_cases_is_chance_and_a_large_one_is_not() -> None:
    """One case fewer may be chance; five lost and none won happens by chance one time in 32."""
    assert judged(report("yyyyyn", "yyyyyy")).verdict == "promote"
    assert "cases passed beside live" in failed(judged(report("nnnnny", "yyyyyy")))
    assert judged(report("nnnnny", "yyyyyy"), worse_p_value=0.01).verdict == "promote"


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
    st.text("yn", min_size=4, max_size=4),
    st.text("yn", min_size=4, max_size=4),
)
def test_a_promote_means_that_every_rule_passed(
    valid: bool, rows: int, ours: float | None, theirs: float | None, seconds: float, we: str, they: str
) -> None:
    """For any report: promoted if and only if every rule was looked at and passed, the loss among them."""
    seen = report(
        we, they, valid=valid, heldout_rows=rows, scores=(score("candidate", ours, seconds), score("live", theirs))
    )
    seen = replace(seen, items=tuple(one for one in seen.items if one.subject != "base"))
    decision = judged(seen)
    assert (decision.verdict == "promote") == (len(decision.rules) == 7 and not failed(decision))
    if decision.verdict == "promote":
        assert valid
        assert rows >= 10
        assert ours is not None
        assert theirs is not None
        assert ours <= theirs


@given(st.integers(0, 40), st.integers(0, 40))
def test_chance_is_a_probability_that_falls_with_each_loss(lost: int, won: int) -> None:
    """The exact McNemar chance lies in 0..1, is 1 without losses, and is smaller with one loss more."""
    chance = chance_of_losing(lost, won)
    assert 0.0 < chance <= 1.0
    assert chance_of_losing(0, won) == 1.0
    assert chance_of_losing(lost + 1, won) < chance


def test_one_report_gives_one_decision() -> None:
    """The gate is a function: the same report, actor and time give the same id and words."""
    assert judged(report()) == judged(report())
    assert judged(report()).id != decide(report(), GateConfig(), actor="else", now=NOW).id
