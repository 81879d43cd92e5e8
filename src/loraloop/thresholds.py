"""The older interface's fixed thresholds, shared by the evaluator and the deployment manager."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .types import RuleResult

MIN_OVERALL_SCORE = 0.7
MAX_RESPONSE_S = 5.0
MIN_PASS_SHARE = 0.5


def absolute_rules(
    performance: Mapping[str, Any], threshold: float = MIN_OVERALL_SCORE
) -> tuple[RuleResult, RuleResult, RuleResult, RuleResult]:
    """Return the older interface's fixed rules on a performance; a failed or invalid evaluation passes none.

    Args:
        performance: ``overall_score, avg_response_time, test_cases_passed, total_test_cases`` (missing ones are 0).
        threshold: least overall score, 0..1.
    """
    overall = float(performance.get("overall_score") or 0.0)
    seconds = float(performance.get("avg_response_time") or 0.0)
    total = int(performance.get("total_test_cases") or 0)
    passed = int(performance.get("test_cases_passed") or 0)
    share = passed / total if total else 0.0
    broken = str(performance.get("error") or "")
    if not broken and not performance.get("valid", True):
        broken = str(performance.get("reason") or "invalid")
    return (
        RuleResult("evaluation", broken or "valid", "valid", not broken),
        RuleResult("overall score", f"{overall:.2f}", f"at least {threshold:.2f}", overall >= threshold),
        RuleResult("average response", f"{seconds:.2f} s", f"at most {MAX_RESPONSE_S:g} s", seconds <= MAX_RESPONSE_S),
        RuleResult("cases passed", f"{share:.0%}", f"at least {MIN_PASS_SHARE:.0%}", share >= MIN_PASS_SHARE),
    )
