"""What the gate can see with the rows and cases at hand, and how often it would err: pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..types import Record, Report
from .comparison import compare
from .config import GateConfig
from .looks import FRACTIONS, LEAST_ROWS
from .sequential import sequential_plan
from .stats import detectable_effect, turn_alpha

POWER = 0.8
_LOSS_TEST_POWER = 0.85
"""Power of the loss test with which the whole gate, its rules of harm included, comes to ``POWER``."""


@dataclass(frozen=True, slots=True)
class GatePlan(Record):
    """What one turn's evaluation can tell.

    Attributes:
        alpha: how often a candidate that is no better is promoted, at most, in one turn.
        turns_a_year: at the pace of the last 90 days. false_promotions_a_year: at most, on average, at that pace.
        rows, conversations: held out, and how many independent talks they come from.
        standard_error_nats: of the difference of held-out loss, as last measured; ``None`` where it never was.
        effect_nats: improvement of held-out loss that is promoted four times in five.
        rows_for_half: rows with which half that improvement (but more than the margin) would be seen as often;
            ``None`` where no number of rows would do.
        cases: asked. wins_without_loss: cases to win, with none lost, that are enough alone.
    """

    alpha: float
    turns_a_year: float
    false_promotions_a_year: float
    rows: int
    conversations: int
    standard_error_nats: float | None
    effect_nats: float | None
    rows_for_half: int | None
    cases: int
    wins_without_loss: int


def plan_gate(report: Report, config: GateConfig, turns_a_year: float) -> GatePlan:
    """Say what the gate could see on the rows and cases of a report.

    Args:
        report: of an earlier evaluation; its differences show how much rows vary here.
        turns_a_year: decisions expected in a year.
    """
    subject = "live" if report.score("live") is not None else "base"
    seen = compare(report, subject)
    alpha = turn_alpha(turns_a_year, config.false_promotions_a_year, config.alpha)
    rows = report.looks.planned if report.looks is not None else report.heldout_rows
    known = seen.loss is not None and not seen.per_byte and math.isfinite(seen.loss.standard_error)
    error = seen.loss.standard_error if known and seen.loss is not None else None
    if error is not None:
        error *= math.sqrt(report.heldout_rows / rows)  # the report may have stopped at an early look
    effect = None if error is None else _effect(error, rows, alpha, config.loss_margin_nats)
    return GatePlan(
        alpha=alpha,
        turns_a_year=turns_a_year,
        false_promotions_a_year=alpha * turns_a_year,
        rows=rows,
        conversations=seen.loss.clusters if seen.loss is not None else 0,
        standard_error_nats=error,
        effect_nats=effect,
        rows_for_half=None if error is None else _rows_for(effect, error, rows, alpha, config),
        cases=seen.cases.asked,
        wins_without_loss=math.ceil(math.log2(2 / alpha)),
    )


def _effect(error: float, rows: float, alpha: float, margin: float) -> float:
    """The improvement that is seen with so large an error; looking early costs a little of the sight."""
    if rows >= LEAST_ROWS and error:
        plan = sequential_plan(alpha / 2, _LOSS_TEST_POWER, FRACTIONS)
        error *= plan.effect / detectable_effect(1.0, alpha / 2, _LOSS_TEST_POWER)
    return detectable_effect(error, alpha / 2, _LOSS_TEST_POWER, margin)


def _rows_for(effect: float | None, error: float, rows: int, alpha: float, config: GateConfig) -> int | None:
    """Rows that see half the effect: errors shrink with their root, the seeds' own noise does not."""
    margin = config.loss_margin_nats
    wanted = (effect or 0.0) / 2
    if wanted <= _effect(0.0, rows, alpha, margin) * 1.01:
        return None
    low, high = 1.0, 1e7
    while high / low > 1.01:
        middle = math.sqrt(low * high)
        fits = _effect(error * math.sqrt(rows / middle), middle, alpha, margin) <= wanted
        low, high = (low, middle) if fits else (middle, high)
    return math.ceil(high)
