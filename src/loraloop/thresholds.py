"""The older interface's fixed thresholds, shared by the evaluator and the deployment manager."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from .types import RuleResult

MIN_OVERALL_SCORE = 0.7
MAX_RESPONSE_S = 5.0
MIN_PASS_SHARE = 0.5


def absolute_rules(performance: Mapping[str, Any], threshold: float = MIN_OVERALL_SCORE) -> tuple[RuleResult, ...]:
    """Return the older interface's fixed rules on a performance; a failed or invalid evaluation passes not all.

    Args:
        performance: ``overall_score, avg_response_time, test_cases_passed, total_test_cases`` (missing ones are 0;
            what is no number passes nothing). One that was measured beside a live adapter has the gate's word
            (``gate``, see ``evaluate/older.py``); it is a rule more.
        threshold: least overall score, 0..1.
    """
    names = ("overall_score", "avg_response_time", "total_test_cases", "test_cases_passed")
    overall, seconds, total, passed = (_number(performance.get(name)) for name in names)
    share = passed / total if total > 0 else 0.0
    broken = str(performance.get("error") or "")
    if not broken and not performance.get("valid", True):
        broken = str(performance.get("reason") or "invalid")
    rules = (
        RuleResult("evaluation", broken or "valid", "valid", not broken),
        RuleResult("overall score", f"{overall:.2f}", f"at least {threshold:.2f}", overall >= threshold),
        RuleResult("average response", f"{seconds:.2f} s", f"at most {MAX_RESPONSE_S:g} s", seconds <= MAX_RESPONSE_S),
        RuleResult("cases passed", f"{share:.0%}", f"at least {MIN_PASS_SHARE:.0%}", share >= MIN_PASS_SHARE),
    )
    gate = performance.get("gate")
    if not isinstance(gate, Mapping):
        return rules
    said = ": ".join(str(gate.get(key)) for key in ("verdict", "reason") if gate.get(key))
    return (*rules, RuleResult("gate, beside the live adapter", said, "promote", gate.get("verdict") == "promote"))


def _number(value: Any) -> float:
    try:
        return float(value or 0.0)
    except (TypeError, ValueError, OverflowError):
        return math.nan
