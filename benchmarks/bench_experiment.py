"""How often experiments err, and how soon they see: simulated users, a look after every one of them."""

from __future__ import annotations

import argparse
import os
import sys
import time
from typing import Any

import numpy as np
from recording import record

from loraloop.deploy.config import ExperimentConfig
from loraloop.testing.simulated_users import World, play_guardrails, play_primary, play_ratio

ENOUGH = 1500
"""Users with an outcome an arm by which a drop from 90 to 85 % must have been seen."""
RATIO_USERS = 13_000
APPROVALS = (0.95, 0.9, 0.8, 0.7, 0.5)
LONG = 5000


def equals(config: ExperimentConfig, experiments: int, seed: int) -> dict[str, Any]:
    """A/A: share of false verdicts of each kind, beside a plain z test looked at as often."""
    told = {}
    ratio = play_ratio(World(), experiments=experiments, users=2 * ENOUGH, seed=seed + 1)
    guarded = play_guardrails(config, experiments=experiments, users=2 * ENOUGH, seed=seed + 2)
    for approval in (0.98, 0.9, 0.5):
        primary = play_primary(World(approval), config, experiments=experiments, users_an_arm=ENOUGH, seed=seed)
        false = (primary["worse"] < np.inf) | (primary["better"] < np.inf) | (guarded < np.inf)
        told[f"{approval:.0%}"] = {
            "false_verdicts": float(false.mean()),
            "called_worse": float((primary["worse"] < np.inf).mean()),
            "called_better": float((primary["better"] < np.inf).mean()),
            "guardrail_at_its_bound": float((guarded < np.inf).mean()),
            "ratio_alarm": float((ratio < np.inf).mean()),
            "plain_z_test": float((primary["plain"] < np.inf).mean()),
        }
    return told


def drops(config: ExperimentConfig, experiments: int, seed: int) -> dict[str, Any]:
    """A candidate worse by five points: caught by 1,500 users an arm, and users until nine in ten are caught."""
    told = {}
    for approval in APPROVALS:
        world = World(approval, drop=0.05)
        primary = play_primary(world, config, experiments=experiments, users_an_arm=LONG, seed=seed)
        worse = primary["worse"]
        told[f"{approval:.0%} to {approval - 0.05:.0%}"] = {
            "caught_by_1500": float((worse <= ENOUGH).mean()),
            "users_an_arm_for_half": float(np.quantile(worse, 0.5)),
            "users_an_arm_for_90": float(np.quantile(worse, 0.9)),
            "canary_promotes": float((primary["not_worse"] < worse).mean()),
        }
    return told


def canary_of_equals(config: ExperimentConfig, experiments: int, seed: int) -> dict[str, float]:
    """An equally good candidate: how soon a canary may promote it, and how often it is sent back instead."""
    primary = play_primary(World(0.9), config, experiments=experiments, users_an_arm=LONG, seed=seed)
    promoted = primary["not_worse"]
    return {
        "promoted_by_1500": float((promoted <= ENOUGH).mean()),
        "users_an_arm_for_90": float(np.quantile(promoted, 0.9)),
        "sent_back_first": float((primary["worse"] < promoted).mean()),
    }


def ratios(experiments: int, seed: int) -> dict[str, Any]:
    """Losing a tenth of one arm: found by 4,000 and by 13,000 users in all."""
    found = play_ratio(World(lost=0.1), experiments=experiments, users=RATIO_USERS, seed=seed)
    alarms = play_ratio(World(), experiments=experiments, users=RATIO_USERS, seed=seed + 1)
    return {
        "found_by_4000": float((found <= 4000).mean()),
        "found_by_13000": float((found <= RATIO_USERS).mean()),
        "false_alarms": float((alarms < np.inf).mean()),
    }


def main() -> None:
    """Run the simulation and print one JSON line; exit 1 where an experiment errs more, or sees less, than it says."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--experiments", type=int, default=300 if os.environ.get("CI") else 2000)
    options.add_argument("--seed", type=int, default=0)
    chosen = options.parse_args()
    config, count, seed = ExperimentConfig(), chosen.experiments, chosen.seed
    begun = time.perf_counter()
    null = equals(config, count, seed)
    seen = drops(config, count, seed + 10)
    canary = canary_of_equals(config, count, seed + 20)
    ratio = ratios(count, seed + 30)
    seconds = time.perf_counter() - begun
    for name, one in null.items():
        print(f"{count} A/A experiments at {name}, a look after every user, {ENOUGH} users an arm: "
              f"{one['false_verdicts']:.1%} false verdicts; a plain z test {one['plain_z_test']:.1%}")  # fmt: skip
    for name, one in seen.items():
        print(f"{name}: {one['caught_by_1500']:.1%} caught by {ENOUGH} users an arm, nine in ten by "
              f"{one['users_an_arm_for_90']:.0f}, promoted by a canary {one['canary_promotes']:.2%}")  # fmt: skip
    print(f"a tenth of one arm lost: {ratio['found_by_4000']:.1%} found by 4,000 users, "
          f"{ratio['found_by_13000']:.1%} by 13,000; {ratio['false_alarms']:.2%} false alarms")  # fmt: skip
    record("experiment", {"experiments": count, "seconds": round(seconds, 1), "equals": null, "drops": seen,
                          "canary_of_equals": canary, "ratio": ratio})  # fmt: skip
    noise = 3 * (0.05 * 0.95 / count) ** 0.5
    sys.exit(
        max(one["false_verdicts"] for one in null.values()) > 0.05 + (noise if count < 2000 else 0)
        or seen["90% to 85%"]["caught_by_1500"] < 0.9
        or ratio["found_by_13000"] < 0.95
        or ratio["false_alarms"] > 0.001 + 3 * (0.001 / count) ** 0.5
    )


if __name__ == "__main__":
    main()
