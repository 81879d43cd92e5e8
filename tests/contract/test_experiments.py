"""What every store does with experiments, on SQLite and on a real PostgreSQL."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from loraloop.errors import StaleRelease, UsageError
from loraloop.experiments import MOST_COUNTED, Experiment, ExperimentVerdict, Observation
from loraloop.store.sql import SqlStore
from loraloop.types import Release, RuleResult

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def release(number: int, **changes: object) -> Release:
    """A candidate."""
    made = Release(f"rl-{number}", "b", number, f"ad-{number}", "n", "base", "auto", "op", NOW, status="candidate")
    return replace(made, **changes)  # type: ignore[arg-type]


def experiment(number: int, **changes: object) -> Experiment:
    """One that began ``number`` minutes after noon."""
    at = NOW + timedelta(minutes=number)
    made = Experiment(f"ex-{number}", "b", "ab", None, f"rl-{number}", (0.5,), "approval", "00ff", "op", at, at)
    return replace(made, **changes)  # type: ignore[arg-type]


def test_one_that_was_started_is_running_with_its_candidate(store: SqlStore) -> None:
    """Both or neither; the candidate is a release, and not live."""
    begun = store.experiments.start(experiment(1), release(1))
    assert store.experiments.running("b") == begun == store.experiments.list("b")[0]
    assert store.experiments.running("other") is None
    assert store.releases.get("rl-1") == release(1)
    assert store.releases.live("b") is None


def test_of_eight_that_start_at_once_one_runs(store: SqlStore, reopened: Callable[[], SqlStore]) -> None:
    """The others are told so, and their candidates are not stored."""
    stores = [store, reopened()]

    def begin(n: int) -> bool:
        try:
            stores[n % 2].experiments.start(experiment(n), release(n))
        except UsageError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(begin, range(1, 9)))
    assert done.count(True) == 1
    assert len(store.releases.history("b")) == len(store.experiments.list("b")) == 1


def test_a_change_is_refused_to_whoever_saw_an_older_state(store: SqlStore) -> None:
    """Everything about it survives, its verdict too; and with it ended another may begin."""
    begun = store.experiments.start(experiment(1), release(1))
    rules = (RuleResult("r", "o", "q", True, "i"),)
    verdict = ExperimentVerdict("ex-1", "roll back", "worse", NOW, rules, {"control": 3}, {"control": 2}, 0.5)
    ended = replace(begun, status="rolled back", reason="worse", ended_at=NOW, verdict=verdict)
    store.experiments.change(begun, ended, "ExperimentEnded", {"reason": "worse"})
    with pytest.raises(StaleRelease):
        store.experiments.change(begun, replace(begun, step=1), "ExperimentStepped", {})
    assert store.experiments.list("b") == [ended]
    assert store.experiments.running("b") is None
    store.experiments.start(experiment(2), release(2))
    assert [one.id for one in store.experiments.list("b")] == ["ex-2", "ex-1"]
    assert store.events.tail("b")[1]["facts"]["reason"] == "worse"


def test_a_candidate_goes_live_under_its_own_id(store: SqlStore) -> None:
    """There is one row of it, with its new status."""
    store.experiments.start(experiment(1), release(1))
    store.releases.publish(replace(release(1), status="confirmed"), 0)
    assert store.releases.live("b") == release(1, status="confirmed")
    assert len(store.releases.history("b")) == 1


def test_users_count_once_and_pairs_are_made_in_the_order_they_spoke(store: SqlStore) -> None:
    """The first word of each user is paired with that of the user of the other arm who spoke as many-th."""
    store.experiments.start(experiment(1), release(1))
    for n in range(5):
        arm = "candidate" if n % 2 else "control"
        for _ in range(2):
            store.experiments.assign("ex-1", f"u{n}", arm, NOW)  # type: ignore[arg-type]
    said = [("u0", 1.0), ("u1", 0.0), ("u2", 0.0), ("u3", 1.0), ("u4", 1.0), ("u1", 1.0), ("nobody", 1.0)]
    for user, value in said:
        arm = "candidate" if user in ("u1", "u3") else "control"
        store.experiments.observe("ex-1", [Observation(user, arm, "approval", value)])  # type: ignore[arg-type]
    found = store.experiments.tally("ex-1", "approval")
    assert found.users == {"control": 3, "candidate": 2}
    seen = found.pairs
    assert (seen.candidate_only, seen.same, seen.control_only) == (1, 0, 1)  # u0+ with u1-, u2- with u3+
    assert (seen.control, seen.candidate, seen.control_ones, seen.candidate_ones) == (3, 2, 2, 1)


def test_sums_are_by_user_and_no_user_weighs_more_than_its_share(store: SqlStore) -> None:
    """Many answers of one user are one cluster, and beyond the most that count they are left out."""
    store.experiments.start(experiment(1), release(1))
    for user in ("a", "b"):
        store.experiments.assign("ex-1", user, "control", NOW)
    store.experiments.observe("ex-1", [Observation("a", "control", "latency_s", 2.0)] * (MOST_COUNTED + 30))
    store.experiments.observe("ex-1", [Observation("b", "control", "latency_s", 1.5)])
    store.experiments.observe("ex-1", [Observation("b", "control", "regenerated", 0.0),
                                       Observation("b", "control", "regenerated", 1.0, 0)])  # fmt: skip
    sums = store.experiments.tally("ex-1", "approval").sums
    latency = sums["latency_s"]["control"]
    most = float(MOST_COUNTED)
    assert (latency.users, latency.x, latency.k) == (2, 2 * most + 1.5, most + 1)
    assert (latency.xx, latency.xk, latency.kk) == ((2 * most) ** 2 + 2.25, 2 * most**2 + 1.5, most**2 + 1)
    assert (sums["regenerated"]["control"].x, sums["regenerated"]["control"].k) == (1.0, 1.0)


def test_a_user_can_be_forgotten(store: SqlStore) -> None:
    """Nothing of the pseudonym is left in any experiment."""
    store.experiments.start(experiment(1), release(1))
    for user in ("a", "b"):
        store.experiments.assign("ex-1", user, "control", NOW)
        store.experiments.observe("ex-1", [Observation(user, "control", "approval", 1.0)])
    assert store.experiments.forget("a") == 1
    assert store.experiments.forget("a") == 0
    found = store.experiments.tally("ex-1", "approval")
    assert (found.users, found.pairs.control) == ({"control": 1}, 1)
