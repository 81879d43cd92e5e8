"""The older interface's fixed limits."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loraloop.thresholds import absolute_rules

GOOD = {"overall_score": 0.7, "avg_response_time": 5.0, "test_cases_passed": 5, "total_test_cases": 10}


def failed(performance: dict[str, Any], threshold: float = 0.7) -> list[str]:
    """The rules that a performance does not meet."""
    return [rule.rule for rule in absolute_rules(performance, threshold) if not rule.passed]


def test_at_the_limit_it_passes() -> None:
    """Just the score, just the time and just half the cases are enough."""
    assert failed(GOOD) == []


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"overall_score": 0.6999}, "overall score"),
        ({"avg_response_time": 5.0001}, "average response"),
        ({"test_cases_passed": 4}, "cases passed"),
        ({"total_test_cases": 0}, "cases passed"),
        ({"total_test_cases": -10, "test_cases_passed": -9}, "cases passed"),
        ({"error": "out of memory"}, "evaluation"),
        ({"valid": False, "reason": "asked nothing"}, "evaluation"),
        ({"valid": False}, "evaluation"),
    ],
)
def test_each_rule_fails_by_itself(change: dict[str, Any], rule: str) -> None:
    """Beyond a limit the rule of that limit fails and no other."""
    assert failed({**GOOD, **change}) == [rule]


def test_a_threshold_of_the_callers_own_counts() -> None:
    """The least overall score is a parameter, and the rule says which was required."""
    assert failed({**GOOD, "overall_score": 0.8}, 0.81) == ["overall score"]
    assert absolute_rules(GOOD, 0.5)[1].required == "at least 0.50"


def test_an_error_is_told_in_its_own_words() -> None:
    """What the evaluation said went wrong is what was observed, before any reason of invalidity."""
    told = absolute_rules({**GOOD, "error": "no tokenizer", "valid": False, "reason": "x"})[0]
    assert (told.observed, told.required) == ("no tokenizer", "valid")
    assert absolute_rules({**GOOD, "valid": False})[0].observed == "invalid"


def test_nothing_at_all_does_not_pass() -> None:
    """Missing numbers are zeros: no score and no cases, though a response of no time is fast."""
    assert failed({}) == ["overall score", "cases passed"]
    assert failed(dict.fromkeys(GOOD)) == ["overall score", "cases passed"]


@pytest.mark.parametrize("value", ["high", [], [1], {}, object(), float("nan"), "nan"])
@pytest.mark.parametrize("key", ["overall_score", "test_cases_passed", "total_test_cases"])
def test_what_is_no_number_passes_nothing(key: str, value: Any) -> None:
    """A performance with something else in a number's place is refused by a rule, not by an exception."""
    assert failed({**GOOD, key: value})


NUMBERS = st.none() | st.integers(-(10**400), 10**400) | st.floats() | st.text(max_size=3) | st.booleans()


@given(st.fixed_dictionaries({}, optional=dict.fromkeys([*GOOD, "error", "valid", "reason"], NUMBERS)))
def test_any_performance_is_read_and_only_a_good_one_passes_all(performance: dict[str, Any]) -> None:
    """Four rules are told whatever a caller hands in; all pass only where every number is within its limit."""
    rules = absolute_rules(performance)
    assert [rule.rule for rule in rules] == ["evaluation", "overall score", "average response", "cases passed"]
    assert all(rule.observed and rule.required for rule in rules)
    if all(rule.passed for rule in rules):
        assert not performance.get("error")
        assert float(performance["overall_score"]) >= 0.7
        assert float(performance["test_cases_passed"]) >= float(performance["total_test_cases"]) / 2 > 0


@pytest.mark.parametrize(("verdict", "rules"), [("promote", []), ("hold", ["gate, beside the live adapter"]),
                                                ("inconclusive", ["gate, beside the live adapter"]),
                                                (None, ["gate, beside the live adapter"])])  # fmt: skip
def test_beside_a_live_adapter_the_gate_has_a_say(verdict: str | None, rules: list[str]) -> None:
    """Only an explicit promote of the gate lets a performance through that was measured beside a live adapter."""
    assert failed({**GOOD, "gate": {"verdict": verdict, "reason": "cases passed beside live: 2 of 20"}}) == rules
