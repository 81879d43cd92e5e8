"""Looking early keeps the error and the power that were planned."""

import numpy as np
import pytest

from loraloop.evaluate.sequential import SequentialPlan, sequential_plan
from loraloop.evaluate.stats import detectable_effect


def played(plan: SequentialPlan, effect: float, count: int = 100_000) -> tuple[float, float]:
    """Share of simulated tests that end in ``better``, and the mean share of rows they looked at."""
    looks = len(plan.fractions)
    steps = np.diff([0.0, *plan.fractions])
    draws = np.random.default_rng(7).normal(size=(count, looks)) * np.sqrt(steps) + effect * steps
    z = draws.cumsum(axis=1) / np.sqrt(plan.fractions)
    better, running, seen = np.zeros(count, bool), np.ones(count, bool), np.ones(count)
    for look in range(looks):
        up, down = z[:, look] >= plan.upper[look], z[:, look] <= plan.lower[look]
        better |= running & up
        seen[running & (up | down)] = plan.fractions[look]
        running &= ~(up | down)
    return float(better.mean()), float(seen.mean())


@pytest.mark.parametrize("alpha", [0.04, 0.004])
def test_error_power_and_rows_are_as_planned(alpha: float) -> None:
    """No difference is called better as seldom as alpha, the planned effect as often as the power, and both early."""
    plan = sequential_plan(alpha)
    fixed_rows = (detectable_effect(1.0, alpha, plan.power) / plan.effect) ** 2
    wrong, rows_null = played(plan, 0.0)
    right, rows_effect = played(plan, plan.effect)
    assert alpha * 0.8 <= wrong <= alpha * 1.05
    assert right == pytest.approx(plan.power, abs=0.006)
    assert rows_null / fixed_rows <= 0.70
    assert rows_effect / fixed_rows <= 0.80


def test_the_error_holds_where_a_futile_test_goes_on() -> None:
    """The upper bounds alone keep alpha, for a person may overrule the lower ones."""
    plan = sequential_plan(0.04)
    deaf = SequentialPlan(plan.fractions, plan.upper, (-99.0,) * 3 + (plan.lower[-1],), plan.effect, 0.04, 0.8)
    assert played(deaf, 0.0)[0] == pytest.approx(0.04, abs=0.002)


def test_one_look_is_the_plain_test() -> None:
    """With a single look the bounds are the usual quantile."""
    plan = sequential_plan(0.05, fractions=(1.0,))
    assert plan.upper[0] == pytest.approx(1.6449, abs=1e-3)
    assert plan.lower == plan.upper
    assert plan.verdict(0, 1.7) == "better"
    assert plan.verdict(0, 1.6) == "futile"


@pytest.mark.parametrize("wrong", [{"alpha": 0.0}, {"alpha": 0.05, "power": 1.0}, {"alpha": 0.05, "fractions": (0.5,)}])
def test_a_plan_that_cannot_be_is_refused(wrong: dict[str, float]) -> None:
    """Impossible errors and looks are named."""
    with pytest.raises(ValueError, match="must"):
        sequential_plan(**wrong)
