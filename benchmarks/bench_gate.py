"""How often the gate errs: simulated turns of equal and of better adapters, beside the rule of old systems."""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
from recording import record

from loraloop.evaluate.gate import GateConfig, decide, plan_looks
from loraloop.evaluate.looks import FRACTIONS, LookPlan, improvement
from loraloop.evaluate.planning import plan_gate
from loraloop.evaluate.sequential import sequential_plan
from loraloop.evaluate.stats import detectable_effect
from loraloop.types import ItemResult, Looks, Report, RowLoss, SubjectScore

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class World:
    """What adapters of one quality differ by; the defaults are of the size seen between seeds on SmolLM2 and the demo.

    Attributes:
        rows, cases: held-out rows and suite cases of a turn. seed_nats: standard deviation of the true held-out loss
            between trainings with different seeds. row_nats: of a row's loss per token between two such adapters.
    """

    rows: int = 200
    cases: int = 64
    seed_nats: float = 0.012
    row_nats: float = 0.25


@dataclass(frozen=True)
class Drawn:
    """One simulated adapter on the shared rows, cases and prompts."""

    nats: np.ndarray
    passed: np.ndarray
    old_score: float


def draw_turn(world: World, draws: np.random.Generator, better_nats: float) -> tuple[Report, tuple[float, float]]:
    """A report on two adapters of the same quality, but for ``better_nats``, and their scores by the old measure."""
    tokens = draws.integers(3, 40, world.rows)
    hard = draws.normal(2.2, 0.7, world.rows)
    clusters = np.repeat(np.arange(world.rows), draws.integers(1, 4, world.rows))[: world.rows]
    likely = draws.beta(2, 2, world.cases)
    prompts = draws.beta(5, 2, 5)

    def adapter(shift: float) -> Drawn:
        mood = draws.normal(0, world.row_nats / 2, clusters.max() + 1)[clusters]
        own = draws.normal(0, world.row_nats / 2, world.rows)
        loss = hard + shift + draws.normal(0, world.seed_nats) + mood + own
        scores = np.clip(prompts + draws.normal(0, 0.15, 5), 0, 1)
        return Drawn(loss * tokens, draws.random(world.cases) < likely, float(scores.mean()))

    subjects = {"candidate": adapter(-better_nats), "live": adapter(0.0)}
    whole = int(tokens.sum())
    return Report(
        id="rp-0", bot="b", adapter_id="ad-0", created_at=NOW, heldout_rows=world.rows,
        scores=tuple(
            SubjectScore(s, s, 0.5, 0.5, 0.5, int(one.passed.sum()), world.cases, 0.1, 0.1,
                         heldout_loss=float(one.nats.sum()) / whole)
            for s, one in subjects.items()
        ),
        items=tuple(
            ItemResult(s, "suite", str(n), "", 1.0, 1.0, bool(ok)) for s, one in subjects.items()
            for n, ok in enumerate(one.passed)
        ),
        losses=tuple(
            RowLoss(s, f"cv-{clusters[n]}", n, float(nats), int(tokens[n])) for s, one in subjects.items()
            for n, nats in enumerate(one.nats)
        ),
    ), (subjects["candidate"].old_score, subjects["live"].old_score)  # fmt: skip


def looked_at(report: Report, plan: LookPlan) -> Report:
    """The report of an evaluation that looks at the loss early: rows it did not need are not there."""
    by_subject = {s: [row for row in report.losses if row.subject == s] for s in ("candidate", "live")}
    ours, theirs = by_subject["candidate"], by_subject["live"]
    for look, end in enumerate(plan.ends):
        seen = improvement(
            [row.nats for row in ours[:end]], [row.nats for row in theirs[:end]],
            [row.tokens for row in ours], [row.conversation_id for row in ours],
        )  # fmt: skip
        verdict = plan.verdict(look, seen)
        if verdict:
            break
    tokens = sum(row.tokens for row in ours[:end])
    return replace(
        report,
        heldout_rows=end,
        looks=Looks(verdict, end, len(ours), plan.alpha),  # type: ignore[arg-type]
        losses=tuple(row for rows in by_subject.values() for row in rows[:end]),
        scores=tuple(
            replace(score, heldout_loss=sum(row.nats for row in by_subject[score.subject][:end]) / tokens)
            for score in report.scores
        ),
        items=() if verdict == "worse" else report.items,
    )


def play(world: World, config: GateConfig, turns: int, better_nats: float, seed: int) -> dict[str, float]:
    """Decide on many turns; shares of verdicts, of the old rule's promotions, and of rows looked at."""
    draws = np.random.default_rng(seed)
    plan = plan_looks(world.rows, config)
    assert plan is not None
    whole = sequential_plan(plan.alpha, fractions=FRACTIONS)
    fixed = (detectable_effect(1.0, whole.alpha, whole.power) / whole.effect) ** 2
    verdicts: Counter[str] = Counter()
    old = early = unasked = 0
    looked = []
    for _ in range(turns):
        report, (ours, theirs) = draw_turn(world, draws, better_nats)
        report = looked_at(report, plan)
        verdicts[decide(report, config, actor="bench", now=NOW).verdict] += 1
        old += ours >= 0.7 and ours >= theirs + 0.05
        assert report.looks is not None
        early += report.looks.verdict == "better"
        unasked += report.looks.verdict == "worse"
        looked.append(report.looks.rows / report.looks.planned)
    return {
        **{verdict: verdicts[verdict] / turns for verdict in ("promote", "hold", "inconclusive")},
        "old_rule_promotes": old / turns,
        "loss_better": early / turns,
        "not_asked_for_answers": unasked / turns,
        "rows_looked_at_of_fixed_test": float(np.mean(looked)) / fixed,
    }


def planned_effect(world: World, config: GateConfig, seed: int) -> float:
    """The improvement in nats that ``loraloop gate plan`` names here, from the median of 25 earlier turns."""
    draws = np.random.default_rng(seed)
    plans = (plan_gate(draw_turn(world, draws, 0.0)[0], config, 0.0) for _ in range(25))
    return float(np.median([plan.effect_nats or 0.0 for plan in plans]))


def main() -> None:
    """Run the simulation and print one JSON line; exit 1 if the gate errs more often than it says."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--turns", type=int, default=300 if os.environ.get("CI") else 2000)
    options.add_argument("--seed", type=int, default=0)
    chosen = options.parse_args()
    world, config = World(), GateConfig()
    effect = planned_effect(world, config, chosen.seed)
    null = play(world, config, chosen.turns, 0.0, chosen.seed + 1)
    better = play(world, config, chosen.turns, effect, chosen.seed + 2)
    noise = 3 * math.sqrt(0.04 * 0.96 / chosen.turns)
    print(f"{chosen.turns} turns of equal adapters: {null['promote']:.1%} promoted (at most 4 % meant); "
          f"the old rule promotes {null['old_rule_promotes']:.1%} of them")  # fmt: skip
    print(f"{chosen.turns} turns better by {effect:.3f} nats: {better['promote']:.1%} promoted (80 % meant)")
    print(f"looking early sees {null['rows_looked_at_of_fixed_test']:.0%} of a fixed test's rows where nothing is "
          f"better, {better['rows_looked_at_of_fixed_test']:.0%} at the effect")  # fmt: skip
    record("gate", {"turns": chosen.turns, "effect_nats": effect, "null": null, "better": better})
    sys.exit(null["promote"] > 0.04 + noise or better["promote"] < 0.8 - 2 * noise)


if __name__ == "__main__":
    main()
