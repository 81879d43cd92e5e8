"""From what was seen to a verdict, rule by rule."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from loraloop.deploy.config import ExperimentConfig
from loraloop.deploy.experiment_plan import (
    Traffic,
    plan_experiment,
    smallest_difference,
    traffic_of,
    users_needed,
)
from loraloop.deploy.verdicts import judge, may_step
from loraloop.experiments import ClusterSums, Experiment, Pairs, Tally
from loraloop.testing.simulated_users import World, play_primary
from loraloop.types import Conversation, Feedback, message

NOW = datetime(2026, 3, 1, tzinfo=UTC)
CONFIG = ExperimentConfig()
BEGUN = Experiment("ex-1", "b", "ab", "rl-1", "rl-2", (0.5,), "approval", "00", "op", NOW, NOW)
LATER = NOW + timedelta(days=3)


def pairs(won: int, lost: int, of: int) -> Pairs:
    """Of so many users an arm, all but these agree, and like it."""
    same = of - won - lost
    return Pairs(won, same, lost, of, of, of - won, of - lost)


def sums(mean: float, users: int = 500, spread: float = 0.3) -> ClusterSums:
    """Users with one answer each."""
    total = mean * users
    return ClusterSums(users, total, users, users * (mean**2 + spread**2), total, users)


def tally(seen: Pairs, **metrics: tuple[float, float]) -> Tally:
    """As many users in both arms; metrics as (control, candidate)."""
    told = {name: {"control": sums(a), "candidate": sums(b)} for name, (a, b) in metrics.items()}
    return Tally({"control": 4000, "candidate": 4000}, seen, told)


@pytest.mark.parametrize(
    ("mode", "seen", "verdict"),
    [
        ("ab", pairs(200, 100, 1500), "promote"),
        ("ab", pairs(100, 200, 1500), "roll back"),
        ("ab", pairs(150, 150, 1500), "keep going"),
        ("canary", pairs(150, 150, 1800), "promote"),
        ("canary", pairs(15, 15, 150), "keep going"),
        ("canary", pairs(100, 200, 1500), "roll back"),
        ("canary", pairs(0, 0, 0), "keep going"),
    ],
)
def test_the_primary_metric_decides(mode: str, seen: Pairs, verdict: str) -> None:
    """An a/b test wants better, a canary wants surely not worse by the tolerance; both send back what is worse."""
    found = judge(replace(BEGUN, mode=mode), tally(seen), CONFIG, LATER)  # type: ignore[arg-type]
    assert found.verdict == verdict
    assert found.reason
    assert all(rule.observed and rule.required for rule in found.rules)


@pytest.mark.fault(67)
def test_a_missing_arm_goes_before_everything() -> None:
    """However much better the rest looks; and how small a loss would have shown is said."""
    seen = replace(tally(pairs(300, 50, 1500)), users={"control": 4000, "candidate": 3400})
    found = judge(BEGUN, seen, CONFIG, LATER)
    assert found.verdict == "cannot decide"
    assert "missing from an arm" in found.reason
    assert found.smallest_ratio_fault == pytest.approx(0.13, abs=0.02)
    whole = judge(BEGUN, tally(pairs(300, 50, 1500)), CONFIG, LATER)
    assert "a loss of 12% of an arm would show" in next(r.observed for r in whole.rules if r.rule == "sample ratio")


@pytest.mark.parametrize(
    ("metric", "control", "worse", "bearable"),
    [
        ("errors", 0.01, 0.2, 0.012),
        ("regenerated", 0.05, 0.3, 0.07),
        ("guard_hits", 0.0, 0.2, 0.001),
        ("latency_s", 1.0, 1.6, 1.2),
        ("length_chars", 1.0, 2.0, 1.2),
        ("length_chars", 1.0, 0.4, 0.8),
    ],
)
def test_each_guardrail_sends_back_alone(metric: str, control: float, worse: float, bearable: float) -> None:
    """A better primary metric does not buy it off; a change within the bound passes."""
    better = pairs(200, 100, 1500)
    bad = judge(BEGUN, tally(better, **{metric: (control, worse)}), CONFIG, LATER)
    assert bad.verdict == "roll back"
    broken = [rule for rule in bad.rules if not rule.passed]
    assert len(broken) == 1
    assert broken[0].rule in bad.reason
    assert judge(BEGUN, tally(better, **{metric: (control, bearable)}), CONFIG, LATER).verdict == "promote"


def test_a_few_users_break_no_guardrail() -> None:
    """Below the least number of users its interval would be too short."""
    seen = {"errors": {"control": sums(0.0, 50), "candidate": sums(1.0, 50)}}
    assert judge(BEGUN, Tally({}, pairs(1, 1, 50), seen), CONFIG, LATER).verdict == "keep going"


def test_nothing_is_promoted_within_its_first_day_or_before_the_last_step() -> None:
    """However sure the numbers are."""
    seen = tally(pairs(300, 50, 1500))
    assert judge(BEGUN, seen, CONFIG, NOW + timedelta(hours=23)).verdict == "keep going"
    early = replace(BEGUN, mode="canary", steps=(0.05, 0.5))
    assert judge(early, seen, CONFIG, LATER).verdict == "keep going"
    assert judge(replace(early, step=1), seen, CONFIG, LATER).verdict == "promote"


def test_after_its_longest_time_it_ends_undecided() -> None:
    """A verdict that has not come by then will not."""
    found = judge(BEGUN, tally(pairs(150, 150, 1500)), CONFIG, NOW + timedelta(days=29))
    assert (found.verdict, "28 days" in found.reason) == ("cannot decide", True)


def test_of_errors_a_one_is_bad() -> None:
    """The same pairs say the opposite when they are failures."""
    seen = tally(pairs(200, 100, 1500))
    assert judge(replace(BEGUN, primary="errors"), seen, CONFIG, LATER).verdict == "roll back"
    assert judge(replace(BEGUN, primary="guard_hits"), tally(pairs(100, 200, 1500)), CONFIG, LATER).verdict == "promote"


def test_a_step_is_taken_after_enough_users_and_time_without_a_bad_sign() -> None:
    """Each of the three alone holds it."""
    canary = replace(BEGUN, mode="canary", steps=(0.05, 0.25, 0.5))
    good = tally(pairs(2, 2, 60))
    assert may_step(canary, good, CONFIG, NOW + timedelta(hours=2))
    assert not may_step(canary, good, CONFIG, NOW + timedelta(minutes=30))
    assert not may_step(canary, tally(pairs(2, 2, 40)), CONFIG, NOW + timedelta(hours=2))
    assert not may_step(canary, tally(pairs(0, 6, 60)), CONFIG, NOW + timedelta(hours=2))
    assert not may_step(replace(canary, step=1), good, CONFIG, NOW + timedelta(hours=2))
    assert not may_step(replace(canary, step=2), tally(pairs(2, 2, 600)), CONFIG, NOW + timedelta(hours=2))
    assert not may_step(BEGUN, good, CONFIG, NOW + timedelta(hours=2))


@pytest.mark.slow
def test_judged_one_by_one_and_simulated_together_an_experiment_ends_at_the_same_user() -> None:
    """The error rates that are measured are those of the very verdicts that are given."""
    world = World(0.9, drop=0.25)
    together = play_primary(world, CONFIG, experiments=3, users_an_arm=200, seed=8)["worse"]
    draws = np.random.default_rng(8)
    candidate, control = draws.random((3, 200)) < 0.9 - 0.25, draws.random((3, 200)) < 0.9
    for n in range(3):
        ended = np.inf
        for users in range(1, 201):
            a, b = candidate[n, :users], control[n, :users]
            won, lost = int((a & ~b).sum()), int((~a & b).sum())
            seen = Tally({}, Pairs(won, users - won - lost, lost, users, users, int(b.sum()), int(a.sum())))
            if judge(BEGUN, seen, CONFIG, LATER).verdict == "roll back":
                ended = users
                break
        assert ended == together[n]
    assert np.isfinite(together).any()


@pytest.mark.parametrize("approval", [0.95, 0.9, 0.8])
@pytest.mark.slow
def test_a_plan_names_the_users_that_simulated_experiments_took(approval: float) -> None:
    """Nine in ten of 300 simulated experiments end within 15 % of the users planned."""
    planned = users_needed(approval, 0.05, CONFIG)
    seen = play_primary(World(approval, 0.05), CONFIG, experiments=300, users_an_arm=int(planned * 1.2), seed=6)
    assert (seen["worse"] <= planned * 1.15).mean() >= 0.9 - 0.07
    assert (seen["worse"] <= planned * 0.85).mean() <= 0.9 + 0.05


@pytest.mark.slow
def test_a_plan_says_what_traffic_decides() -> None:
    """Much of it: a canary in days. Little: a shadow. Hardly any: a replay of recorded questions."""
    much = plan_experiment(Traffic(28, 60_000, 14_000, 0.9), CONFIG)
    assert (much.advice, much.measured) == ("canary", True)
    assert much.days is not None
    assert much.days_canary is not None
    assert 5 < much.days < much.days_canary < 9
    little = plan_experiment(Traffic(28, 6000, 300, 0.9), CONFIG)
    assert (little.advice, little.days_canary) == ("shadow", None)
    assert little.smallest_difference is not None
    assert users_needed(0.9, little.smallest_difference, CONFIG) <= 150
    none = plan_experiment(Traffic(28, 0, 0, None), CONFIG)
    assert (none.advice, none.measured, none.approval) == ("replay", False, 0.9)
    assert none.smallest_ratio_fault == 1.0
    assert smallest_difference(0.9, 3, CONFIG) is None


def test_traffic_counts_users_once_by_the_first_thing_they_said() -> None:
    """Later thumbs, comments, people without a name and older talks do not count."""
    said = (message("user", "q"), message("assistant", "a"))

    def talk(n: int, user: str | None, *kinds: str, days: int = 1) -> Conversation:
        given = tuple(Feedback(1, kind, created_at=NOW + timedelta(minutes=n)) for kind in kinds)  # type: ignore[arg-type]
        return Conversation(f"cv-{n}", "b", said, NOW - timedelta(days=days), "chat", user=user, feedback=given)

    talks = [talk(2, "a", "thumb_down"), talk(1, "a", "thumb_up"), talk(3, "b", "correction"), talk(4, "c", "comment"),
             talk(5, None, "thumb_up"), talk(6, "d", "thumb_up", days=40)]  # fmt: skip
    found = traffic_of(talks, NOW - timedelta(days=28), NOW)
    assert (found.users, found.judging_users, found.approval) == (3, 2, 0.5)
    assert found.days == pytest.approx(28)
