"""What the gate can see."""

from datetime import UTC, datetime

import numpy as np
import pytest

from loraloop.evaluate.config import GateConfig
from loraloop.evaluate.gate import decide
from loraloop.evaluate.planning import plan_gate
from loraloop.types import ItemResult, Report, RowLoss, SubjectScore

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def report(draws: np.random.Generator, better_nats: float, rows: int = 150) -> Report:
    """Two adapters on the same rows and cases, one better by some nats a token, with the noise of another seed."""
    shift = better_nats + draws.normal(0, 0.02)
    losses = []
    for n in range(rows):
        hard = draws.normal(2, 0.5)
        losses.append(RowLoss("candidate", f"cv-{n}", 1, 10 * (hard - shift + draws.normal(0, 0.2)), 10))
        losses.append(RowLoss("live", f"cv-{n}", 1, 10 * hard, 10))
    totals = {s: sum(x.nats for x in losses if x.subject == s) / (10 * rows) for s in ("candidate", "live")}
    return Report(
        "rp-1", "b", "ad-1", NOW,
        tuple(SubjectScore(s, s, 0.5, 0.5, 0.5, 0, 0, 0.1, 0.1, heldout_loss=loss) for s, loss in totals.items()),
        items=tuple(ItemResult(s, "x", "1", "", 1.0, 1.0, True) for s in totals), heldout_rows=rows,
        losses=tuple(losses),
    )  # fmt: skip


@pytest.mark.parametrize(("turns_a_year", "most"), [(0.0, 0.04), (365.0, 2 / 365)])
@pytest.mark.slow
def test_the_effect_a_plan_names_is_promoted_four_times_in_five(turns_a_year: float, most: float) -> None:
    """Candidates better by the named effect are promoted as often as said, equal ones at most as often as alpha."""
    draws = np.random.default_rng(3)
    plan = plan_gate(report(draws, 0.0), GateConfig(), turns_a_year)
    assert plan.alpha == pytest.approx(most)
    assert plan.effect_nats is not None

    def promoted(better_nats: float) -> float:
        verdicts = [
            decide(report(draws, better_nats), GateConfig(), actor="t", now=NOW, turns_a_year=turns_a_year).verdict
            for _ in range(150)
        ]
        return verdicts.count("promote") / 150

    assert promoted(plan.effect_nats) >= 0.72
    assert promoted(0.0) <= most + 3 * (most / 150) ** 0.5


def test_more_rows_see_less_and_the_seeds_noise_stays() -> None:
    """Half the effect needs several times the rows, and none are enough for less than seeds alone make."""
    draws = np.random.default_rng(4)
    few = plan_gate(report(draws, 0.0, rows=40), GateConfig(loss_margin_nats=0.005), 0.0)
    assert few.rows_for_half is not None
    assert few.rows_for_half > 4 * 40
    assert plan_gate(report(draws, 0.0, rows=4000), GateConfig(loss_margin_nats=0.02), 0.0).rows_for_half is None


def test_without_losses_only_cases_count() -> None:
    """A report that measured no losses still says how many cases would be enough."""
    seen = report(np.random.default_rng(5), 0.0)
    plan = plan_gate(Report(**{**{f: getattr(seen, f) for f in seen}, "losses": ()}), GateConfig(), 0.0)
    assert (plan.effect_nats, plan.standard_error_nats, plan.rows_for_half) == (None, None, None)
    assert plan.wins_without_loss == 6  # 2 ** -6 is under a half of 4 %
