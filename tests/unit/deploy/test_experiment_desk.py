"""Whole experiments of simulated users against the real database: promoted, rolled back, held, frozen."""

import secrets
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from loraloop.deploy.config import ExperimentConfig
from loraloop.deploy.experiment import Experiments
from loraloop.deploy.experiment_desk import Action, Assignment, ExperimentDesk
from loraloop.deploy.manager import LoRADeploymentManager
from loraloop.errors import DeployError, StaleRelease, StoreBusy, UsageError
from loraloop.store.sql import SqlStore
from loraloop.testing.clock import MovedClock
from loraloop.types import Adapter, Decision, Release

Made = Callable[[int], Adapter]
Decided = Callable[..., Decision]
QUICK = ExperimentConfig(steps=(0.1, 0.5), step_users=10, step_hours=0.5, least_users=40, tolerance=0.15)


@dataclass
class Town:
    """Users who come, get answers and sometimes say what they think; each release has a quality of its own."""

    desk: ExperimentDesk
    clock: MovedClock
    approval: dict[str | None, float]
    seed: int = 0
    failing: frozenset[str | None] = frozenset()
    got: Counter[str | None] | None = None

    def visit(self, name: str, draws: np.random.Generator) -> Assignment:
        """One user asks, is answered, and says thumb up or down."""
        given = self.desk.assign(name)
        assert given == self.desk.assign(name), "an arm is sticky"
        if self.got is not None:
            self.got[given.release_id] += 1
        failed = given.release_id in self.failing
        took, length = float(draws.lognormal(0, 0.3)), int(draws.integers(20, 90))
        self.desk.answered(given, name, failed=failed, latency_s=took, length_chars=length)
        approved = bool(draws.random() < self.approval[given.release_id])
        self.desk.judged(given.experiment_id, given.arm, name, approved=approved)
        return given

    def days(self, most_users: int, users_an_hour: int = 40) -> list[Action]:
        """Let users come until an experiment ends; returns what the desk did."""
        draws, done = np.random.default_rng(self.seed), []
        for n in range(most_users):
            self.visit(f"{self.seed}-user-{n}", draws)
            if n % users_an_hour == users_an_hour - 1:
                self.clock.move(hours=1)
                action = self.desk.check()
                if action.kind != "none":
                    done.append(action)
                if action.kind not in ("none", "step"):
                    break
        return done


@pytest.fixture
def adapter(adapter: Made) -> Made:
    """Makes adapter number N, once."""
    return cache(adapter)


@pytest.fixture
def experiments(store: SqlStore, manager: LoRADeploymentManager, clock: MovedClock) -> Experiments:
    """Quick ones."""
    return Experiments(store, manager, bot="b", config=QUICK, clock=clock)


@pytest.fixture
def live(manager: LoRADeploymentManager, adapter: Made, decided: Decided, clock: MovedClock) -> Release:
    """What serves everybody."""
    made = adapter(1)
    clock.move(seconds=1)
    return manager.release(decided(made), made)


@pytest.fixture
def desk(experiments: Experiments, store: SqlStore, live: Release) -> ExperimentDesk:
    """Of a bot whose first release is live."""
    return ExperimentDesk(experiments, store, "b")


def begin(experiments: Experiments, adapter: Made, decided: Decided, number: int = 2, **options: object) -> str:
    """Start an experiment with an adapter of its own; returns the candidate's release."""
    made = adapter(number)
    return experiments.start(decided(made), made, **options).candidate_id  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_canary_as_good_as_the_live_release_is_promoted_step_by_step(
    desk: ExperimentDesk, experiments: Experiments, adapter: Made, decided: Decided, store: SqlStore, live: Release,
    clock: MovedClock,
) -> None:  # fmt: skip
    """A tenth of the users, then half, then all of them; the release that answered them is the one that goes live."""
    candidate = begin(experiments, adapter, decided)
    desk.check()
    town = Town(desk, clock, {live.id: 0.85, candidate: 0.9}, got=Counter())
    done = town.days(6000)
    assert [action.kind for action in done] == ["step", "promote"]
    now = store.releases.live("b")
    assert now is not None
    assert (now.id, now.status, now.previous_id) == (candidate, "confirmed", live.id)
    assert town.got is not None
    assert 0.1 < town.got[candidate] / sum(town.got.values()) < 0.5
    ended = store.experiments.list("b")[0]
    assert (ended.status, ended.share) == ("promoted", 0.5)
    assert ended.verdict is not None
    assert min(ended.verdict.outcomes.values()) >= QUICK.least_users
    assert desk.assign("anybody").release_id == candidate
    kinds = [event["kind"] for event in store.events.tail("b")]
    assert {"ExperimentStarted", "ExperimentStepped", "ExperimentEnded", "ReleasePublished"} <= set(kinds)


@pytest.mark.fault(65)
def test_a_canary_that_users_like_less_is_rolled_back_and_barred(
    desk: ExperimentDesk, experiments: Experiments, adapter: Made, decided: Decided, store: SqlStore, live: Release,
    clock: MovedClock, manager: LoRADeploymentManager,
) -> None:  # fmt: skip
    """Nothing moved for the others; the adapter comes back only by a person who forces it."""
    candidate = begin(experiments, adapter, decided)
    desk.check()
    done = Town(desk, clock, {live.id: 0.9, candidate: 0.6}).days(6000)
    assert done[-1].kind == "roll back"
    assert "approval is worse" in done[-1].reason
    assert store.releases.live("b") == live
    back = store.releases.get(candidate)
    assert back is not None
    assert back.status == "withdrawn"
    assert desk.assign("0-user-1").release_id == live.id
    made = adapter(2)
    for attempt in (lambda: manager.release(decided(made), made), lambda: begin(experiments, adapter, decided)):
        with pytest.raises(DeployError, match="rolled back automatically"):
            attempt()
    assert manager.release(decided(made), made, method="force").adapter_id == made.id
    clock.move(seconds=1)
    assert manager.release(decided(made), made).method == "auto"  # the person's word stands


@pytest.mark.fault(65)
def test_an_error_storm_ends_a_canary_within_its_floor(
    desk: ExperimentDesk, experiments: Experiments, adapter: Made, decided: Decided, store: SqlStore, live: Release,
    clock: MovedClock,
) -> None:  # fmt: skip
    """Five failures in a row: from then on everybody gets the live release, even before the next check."""
    candidate = begin(experiments, adapter, decided, mode="ab")
    desk.check()
    got: Counter[str | None] = Counter()
    town = Town(desk, clock, {live.id: 0.9, candidate: 0.9}, failing=frozenset({candidate}), got=got)
    draws = np.random.default_rng(0)
    for n in range(100):
        town.visit(f"user {n}", draws)
    assert got[candidate] == QUICK.floor_errors
    action = desk.check()
    assert action.kind == "roll back"
    assert "engine errors in a row" in action.reason


def test_guard_hits_on_answers_end_a_canary(
    desk: ExperimentDesk, experiments: Experiments, adapter: Made, decided: Decided
) -> None:
    """The third answer that a guard stopped is the last."""
    begin(experiments, adapter, decided, mode="ab")
    desk.check()
    given = next(one for n in range(100) if (one := desk.assign(f"u{n}")).arm == "candidate")
    for hits in range(3):
        assert desk.check().kind == "none", hits
        desk.answered(given, f"u{hits}", guard_hit=True)
    assert "guard hits" in desk.check().reason


def test_one_person_who_provokes_a_guard_ends_nothing(
    desk: ExperimentDesk, experiments: Experiments, adapter: Made, decided: Decided
) -> None:
    """Hits are counted by people, and all who say no name are one; the third person is the last."""
    candidate = begin(experiments, adapter, decided, mode="ab")
    desk.check()
    for user in ["troll"] * 50 + [None] * 50:
        desk.answered(Assignment(candidate), user, guard_hit=True)
    assert desk.check().kind == "none"
    desk.answered(Assignment(candidate), "somebody", guard_hit=True)
    assert "guard hits of 3 users" in desk.check().reason


def test_where_nobody_says_a_name_each_guarded_answer_counts(
    desk: ExperimentDesk, experiments: Experiments, adapter: Made, decided: Decided
) -> None:
    """A bot whose users have no names is protected too."""
    candidate = begin(experiments, adapter, decided, mode="ab")
    desk.check()
    for _ in range(3):
        assert desk.check().kind == "none"
        desk.answered(Assignment(candidate), None, guard_hit=True)
    assert "guard hits" in desk.check().reason


def test_a_live_release_that_could_not_go_back_goes_back_at_the_next_check(
    managed: Callable[..., LoRADeploymentManager], adapter: Made, decided: Decided, store: SqlStore,
    clock: MovedClock, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """What was counted is kept until the release has gone."""
    manager = managed(trial_hours=24)
    experiments = Experiments(store, manager, bot="b", config=QUICK, clock=clock)
    manager.confirm(manager.release(decided(adapter(1)), adapter(1)).id)
    clock.move(seconds=1)
    trial = manager.release(decided(adapter(2)), adapter(2))
    desk = ExperimentDesk(experiments, store, "b")
    for _ in range(QUICK.floor_errors):
        desk.answered(Assignment(trial.id), "u", failed=True)

    def busy(*_: object, **__: object) -> None:
        raise StoreBusy("the database is locked")

    with monkeypatch.context() as patch:
        patch.setattr(manager, "rollback_adapter", busy)
        with pytest.raises(StoreBusy):
            desk.check()
    assert desk.check().kind == "roll back"
    assert (store.releases.get(trial.id) or trial).status == "reverted"


@pytest.mark.slow
def test_a_candidate_that_never_can_go_live_ends_its_experiment(
    desk: ExperimentDesk, experiments: Experiments, adapter: Made, decided: Decided, store: SqlStore, live: Release,
    clock: MovedClock,
) -> None:  # fmt: skip
    """Its files are damaged: it is stopped and says so, and no try is repeated."""
    candidate = begin(experiments, adapter, decided, mode="ab")
    desk.check()
    (Path(adapter(2).path) / "adapter_model.safetensors").write_bytes(b"damaged")
    action = Town(desk, clock, {live.id: 0.5, candidate: 1.0}).days(3000)[-1]
    assert (action.kind, "cannot go live" in action.reason) == ("end", True)
    assert store.experiments.list("b")[0].status == "stopped"
    assert store.releases.live("b") == live
    assert desk.check().kind == "none"
    assert [event["kind"] for event in store.events.tail("b")].count("ExperimentEnded") == 1


@pytest.mark.fault(64)
def test_a_canary_without_users_or_opinions_is_held_and_ends_undecided(
    desk: ExperimentDesk, experiments: Experiments, adapter: Made, decided: Decided, store: SqlStore, live: Release,
    clock: MovedClock,
) -> None:  # fmt: skip
    """No traffic: never promoted, no step taken, over after the days the settings give."""
    candidate = begin(experiments, adapter, decided)
    assert desk.check().kind == "none"
    for n in range(500):
        given = desk.assign(f"silent {n}")
        desk.answered(given, f"silent {n}", latency_s=0.5, length_chars=10)
    clock.move(hours=27 * 24)
    assert desk.check().kind == "none"
    clock.move(hours=48)
    action = desk.check()
    assert (action.kind, action.experiment and action.experiment.status) == ("end", "undecided")
    assert store.releases.live("b") == live
    assert (store.releases.get(candidate) or live).status == "withdrawn"


@pytest.mark.fault(69)
def test_the_third_rollback_of_a_day_freezes_until_a_person_acts(
    desk: ExperimentDesk, experiments: Experiments, adapter: Made, decided: Decided, store: SqlStore,
    clock: MovedClock, manager: LoRADeploymentManager,
) -> None:  # fmt: skip
    """Two canaries go back; at the third everyone is on the live release and nothing automatic happens any more."""
    ends = []
    for number in (2, 3, 4):
        candidate = begin(experiments, adapter, decided, number, mode="ab")
        desk.check()
        given = Assignment(candidate, "", "")
        for _ in range(QUICK.floor_errors):
            desk.answered(given, None, failed=True)
        ends.append(desk.check().kind)
        clock.move(hours=1)
    assert ends == ["roll back", "roll back", "freeze"]
    assert store.experiments.list("b")[0].status == "frozen"
    assert "RollbacksFrozen" in [event["kind"] for event in store.events.tail("b")]
    fresh = adapter(5)
    with pytest.raises(DeployError, match="frozen"):
        manager.release(decided(fresh), fresh)
    with pytest.raises(DeployError, match="frozen"):
        experiments.start(decided(fresh), fresh)
    experiments.start(decided(fresh), fresh, force_reason="looked at it")
    assert desk.check().kind == "none"


def test_rollbacks_of_yesterday_do_not_freeze_today(
    desk: ExperimentDesk, experiments: Experiments, adapter: Made, decided: Decided, clock: MovedClock
) -> None:
    """The limit is of 24 hours."""
    for number in (2, 3, 4):
        candidate = begin(experiments, adapter, decided, number, mode="ab")
        desk.check()
        for _ in range(QUICK.floor_errors):
            desk.answered(Assignment(candidate), None, failed=True)
        assert desk.check().kind == "roll back"
        clock.move(hours=13)


def test_a_release_on_trial_that_breaks_a_floor_goes_back_and_a_confirmed_one_stays(
    managed: Callable[..., LoRADeploymentManager], adapter: Made, decided: Decided, store: SqlStore, clock: MovedClock
) -> None:
    """A confirmed release has shown that it is not what fails."""
    manager = managed(trial_hours=24)
    experiments = Experiments(store, manager, bot="b", config=QUICK, clock=clock)
    first, second = adapter(1), adapter(2)
    manager.confirm(manager.release(decided(first), first).id)
    desk = ExperimentDesk(experiments, store, "b")

    def storm() -> str:
        for _ in range(QUICK.floor_errors):
            desk.answered(desk.assign("u"), "u", failed=True)
        return desk.check().kind

    assert storm() == "none"
    clock.move(seconds=1)
    trial = manager.release(decided(second), second)
    desk.check()
    assert storm() == "roll back"
    now = store.releases.live("b")
    assert now is not None
    assert (now.adapter_id, now.actor) == (first.id, "automatic rollback")
    assert (store.releases.get(trial.id) or now).status == "reverted"
    with pytest.raises(DeployError, match="rolled back automatically"):
        manager.release(decided(second), second)
    assert "rolled back automatically" in manager.rollback_adapter("a2")["error"]


def test_a_live_release_on_trial_is_guarded_while_an_experiment_runs_beside_it(
    managed: Callable[..., LoRADeploymentManager], adapter: Made, decided: Decided, store: SqlStore, clock: MovedClock
) -> None:
    """Its users go back to what was before as at any other time, and the experiment ends with its control."""
    manager = managed(trial_hours=24)
    experiments = Experiments(store, manager, bot="b", config=QUICK, clock=clock)
    manager.confirm(manager.release(decided(adapter(1)), adapter(1)).id)
    clock.move(seconds=1)
    manager.release(decided(adapter(2)), adapter(2))
    clock.move(seconds=1)
    begin(experiments, adapter, decided, 3)
    desk = ExperimentDesk(experiments, store, "b")
    trial = store.releases.live("b")
    assert trial is not None
    for _ in range(QUICK.floor_errors):
        desk.answered(Assignment(trial.id), None, failed=True)
    assert desk.check().kind == "roll back"
    now = store.releases.live("b")
    assert now is not None
    assert now.adapter_id == adapter(1).id
    assert (desk.check().kind, store.experiments.running("b")) == ("end", None)


@pytest.mark.parametrize("running", [False, True], ids=["live", "candidate"])
def test_an_automatic_rollback_and_its_bar_are_one(
    managed: Callable[..., LoRADeploymentManager], adapter: Made, decided: Decided, store: SqlStore, clock: MovedClock,
    monkeypatch: pytest.MonkeyPatch, running: bool,
) -> None:  # fmt: skip
    """A crash between them would leave an adapter that users were taken from and that may return by itself."""
    manager = managed(trial_hours=24)
    experiments = Experiments(store, manager, bot="b", config=QUICK, clock=clock)
    manager.confirm(manager.release(decided(adapter(1)), adapter(1)).id)
    clock.move(seconds=1)
    tried = begin(experiments, adapter, decided) if running else manager.release(decided(adapter(2)), adapter(2)).id
    desk = ExperimentDesk(experiments, store, "b")
    before = (store.releases.live("b"), store.experiments.running("b"))
    for _ in range(QUICK.floor_errors):
        desk.answered(Assignment(tried), None, failed=True)
    with monkeypatch.context() as crash:
        crash.setattr("loraloop.deploy.experiment.write_rollbacks", crashed)
        with pytest.raises(ZeroDivisionError):
            desk.check()
    assert (store.releases.live("b"), store.experiments.running("b")) == before
    assert desk.check().kind == "roll back"
    with pytest.raises(DeployError, match="rolled back automatically"):
        manager.release(decided(adapter(2)), adapter(2))


def crashed(*_: object) -> None:
    """What no line of this program expects, as the end of its process."""
    raise ZeroDivisionError


@pytest.mark.slow
@pytest.mark.fault(67)
def test_lost_users_of_one_arm_stop_the_verdict(
    desk: ExperimentDesk, experiments: Experiments, adapter: Made, decided: Decided, store: SqlStore, live: Release,
    clock: MovedClock, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """A candidate that would be promoted is held when half of its users never reach the log."""
    monkeypatch.setattr(secrets, "token_hex", lambda size: "5a" * size)  # dealt at random, 3 in 100 times it misses
    candidate = begin(experiments, adapter, decided, mode="ab")
    desk.check()
    town, draws = Town(desk, clock, {live.id: 0.5, candidate: 1.0}), np.random.default_rng(0)
    experiment = store.experiments.running("b")
    assert experiment is not None
    from loraloop.deploy.assignment import arm_of

    for n in range(700):
        if arm_of(experiment.salt, f"u{n}", 0.5) == "control" or n % 2:
            town.visit(f"u{n}", draws)
    clock.move(hours=48)
    action = desk.check()
    assert action.kind == "end"
    assert "missing from an arm" in action.reason
    assert store.releases.live("b") == live


def test_whoever_says_no_name_gets_the_live_release_and_counts_for_nothing(
    desk: ExperimentDesk, experiments: Experiments, adapter: Made, decided: Decided, store: SqlStore, live: Release
) -> None:
    """Nothing could be learnt from such an answer, so nobody takes the risk."""
    begin(experiments, adapter, decided, mode="ab")
    desk.check()
    for _ in range(50):
        given = desk.assign(None)
        assert given == Assignment(live.id)
        desk.answered(given, None, latency_s=1.0)
        desk.judged(given.experiment_id, given.arm, None, approved=True)
    desk.check()
    assert store.experiments.tally(store.experiments.list("b")[0].id, "approval").users == {}


def test_the_assignment_is_written_first_and_a_dead_database_means_the_live_release(
    desk: ExperimentDesk, experiments: Experiments, adapter: Made, decided: Decided, store: SqlStore, live: Release,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Who is not in the log does not get the candidate."""
    begin(experiments, adapter, decided, mode="ab")
    desk.check()
    experiment = store.experiments.list("b")[0]
    arms = [desk.assign(f"u{n}").arm for n in range(20)]
    assert store.experiments.tally(experiment.id, "approval").users == Counter(arms)

    def busy(*_: object) -> None:
        raise StoreBusy("the database is locked")

    monkeypatch.setattr(store.experiments, "assign", busy)
    assert {desk.assign(f"new {n}") for n in range(20)} == {Assignment(live.id)}
    assert [desk.assign(f"u{n}").arm for n in range(20)] == arms  # these are written down already


@pytest.mark.slow
def test_a_shadow_shows_nobody_the_candidate_and_promotes_nothing(
    desk: ExperimentDesk, experiments: Experiments, adapter: Made, decided: Decided, live: Release, clock: MovedClock
) -> None:
    """Both answer; a candidate twice as slow is rolled back, an equal one ends with the advice of a canary."""
    for number, slower in ((2, 1.0), (3, 2.0)):
        candidate = begin(experiments, adapter, decided, number, mode="shadow")
        desk.check()
        draws = np.random.default_rng(number)
        for n in range(120):
            given = desk.assign(f"u{n}")
            assert (given.release_id, given.mirror_id) == (live.id, candidate)
            for mirrored in (False, True):
                took = float(draws.lognormal(0, 0.2)) * (slower if mirrored else 1.0)
                desk.answered(given, f"u{n}", latency_s=took, length_chars=50, mirrored=mirrored)
        clock.move(hours=48)
        action = desk.check()
        assert action.kind == ("end" if slower == 1.0 else "roll back")
        assert ("canary" in action.reason) == (slower == 1.0)


def test_another_release_ends_the_experiment_beside_it(
    desk: ExperimentDesk, experiments: Experiments, adapter: Made, decided: Decided, manager: LoRADeploymentManager,
    store: SqlStore,
) -> None:  # fmt: skip
    """What the candidate was compared with serves nobody any more."""
    begin(experiments, adapter, decided)
    desk.check()
    other = adapter(3)
    released = manager.release(decided(other), other)
    assert desk.check().kind == "end"
    assert store.releases.live("b") == released


@pytest.mark.fault(70)
def test_of_a_promotion_and_a_stop_at_once_one_gets_through(
    experiments: Experiments, adapter: Made, decided: Decided, store: SqlStore, live: Release
) -> None:
    """Whoever comes second finds the experiment changed; nothing is half done."""
    begin(experiments, adapter, decided)
    seen = store.experiments.running("b")
    assert seen is not None
    verdict = experiments.verdict(seen)
    experiments.end(seen, "stopped", "a person", actor="op")
    with pytest.raises(StaleRelease):
        experiments.promote(seen, verdict, actor="op", force_reason="both at once")
    assert store.releases.live("b") == live
    again = begin(experiments, adapter, decided, 3)
    seen = store.experiments.running("b")
    assert seen is not None
    experiments.promote(seen, verdict, actor="op", force_reason="sure")
    with pytest.raises(StaleRelease):
        experiments.end(seen, "stopped", "too late", actor="op")
    assert (store.releases.live("b") or live).id == again


def test_a_promotion_is_whole_or_not_at_all(
    experiments: Experiments, adapter: Made, decided: Decided, store: SqlStore, live: Release,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Where the pointer cannot be moved any more, the experiment that had ended with it runs on: one transaction."""
    begin(experiments, adapter, decided)
    seen = store.experiments.running("b")
    assert seen is not None

    def late(*_: object) -> None:
        raise StaleRelease("another release went live")

    with monkeypatch.context() as patch:
        patch.setattr(store.releases, "publish", late)
        with pytest.raises(StaleRelease):
            experiments.promote(seen, experiments.verdict(seen), actor="op", force_reason="sure")
    assert store.experiments.running("b") == seen
    assert store.releases.live("b") == live
    assert "ExperimentEnded" not in [event["kind"] for event in store.events.tail("b")]


def test_a_promotion_whose_files_changed_leaves_everything_as_it_was(
    experiments: Experiments, adapter: Made, decided: Decided, store: SqlStore, live: Release
) -> None:
    """The experiment runs on, and the live release stays."""
    from pathlib import Path

    from loraloop.errors import TamperedArtifact

    begin(experiments, adapter, decided)
    seen = store.experiments.running("b")
    assert seen is not None
    made = adapter(2)
    weights = Path(made.path) / "adapter_model.safetensors"
    weights.chmod(0o600)
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(TamperedArtifact):
        experiments.promote(seen, experiments.verdict(seen), actor="op", force_reason="sure")
    assert store.experiments.running("b") == seen
    assert store.releases.live("b") == live


def test_a_candidate_is_no_target_of_a_rollback_and_survives_clean_up(
    experiments: Experiments, adapter: Made, decided: Decided, manager: LoRADeploymentManager, live: Release,
    store: SqlStore,
) -> None:  # fmt: skip
    """It was never live, nor will be when a person stops it; and while it is tried its files serve some users."""
    begin(experiments, adapter, decided)
    told = manager.rollback_adapter("a2")
    assert not told["success"]
    assert "a2" not in manager.cleanup_old_adapters(0)["deleted_adapter_names"]
    running = store.experiments.running("b")
    assert running is not None
    experiments.end(running, "stopped", "enough", actor="op")
    assert not manager.rollback_adapter("a2")["success"]
    assert "a2" in manager.cleanup_old_adapters(0)["deleted_adapter_names"]


@pytest.mark.parametrize(
    ("options", "said"),
    [({"mode": "blind"}, "mode"), ({"primary": "latency_s"}, "primary"), ({"share": 0.7}, "share")],
)
def test_what_cannot_be_tried_is_refused(
    experiments: Experiments, adapter: Made, decided: Decided, live: Release, options: dict[str, object], said: str
) -> None:
    """Before anything is stored, with what is allowed."""
    with pytest.raises(UsageError, match=said):
        begin(experiments, adapter, decided, **options)
    with pytest.raises(DeployError, match="not promote"):
        experiments.start(decided(adapter(2), "hold"), adapter(2))


def test_the_live_adapter_is_no_candidate_and_one_experiment_is_enough(
    experiments: Experiments, adapter: Made, decided: Decided, live: Release, clock: MovedClock
) -> None:
    """Nothing could be seen of the first, and two at once would disturb each other."""
    with pytest.raises(UsageError, match="live already"):
        begin(experiments, adapter, decided, 1)
    begin(experiments, adapter, decided, 2)
    clock.move(seconds=1)
    with pytest.raises(UsageError, match="is running"):
        begin(experiments, adapter, decided, 3)
    assert experiments.now() - clock.now() == timedelta(0)


def test_requests_of_many_threads_are_all_counted_once(
    desk: ExperimentDesk, experiments: Experiments, adapter: Made, decided: Decided, store: SqlStore
) -> None:
    """Eight threads ask and answer while another checks: every user and every answer is in the tally."""
    begin(experiments, adapter, decided, mode="ab")
    desk.check()

    def serve(thread: int) -> None:
        for n in range(60):
            name = f"{thread}-{n % 20}"
            desk.answered(desk.assign(name), name, latency_s=1.0, length_chars=10)

    with ThreadPoolExecutor(9) as pool:
        serving = [pool.submit(serve, thread) for thread in range(8)]
        while not all(one.done() for one in serving):
            assert desk.check().kind == "none"
        for one in serving:
            one.result()
    desk.close()
    tally = store.experiments.tally(store.experiments.list("b")[0].id, "approval")
    assert sum(tally.users.values()) == 160
    assert sum(arm.k for arm in tally.sums["latency_s"].values()) == 480


def test_what_a_dead_database_did_not_take_is_written_by_the_next_check(
    desk: ExperimentDesk, experiments: Experiments, adapter: Made, decided: Decided, store: SqlStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """The check says that it could not; nothing is lost and nothing counted twice."""
    begin(experiments, adapter, decided, mode="ab")
    desk.check()
    given = desk.assign("u")
    desk.answered(given, "u", latency_s=2.0)

    def busy(*_: object) -> None:
        raise StoreBusy("the database is locked")

    with monkeypatch.context() as patched:
        patched.setattr(store.experiments, "observe", busy)
        for _ in range(2):
            with pytest.raises(StoreBusy):
                desk.check()
    assert desk.check().kind == "none"
    sums = store.experiments.tally(given.experiment_id, "approval").sums["latency_s"][given.arm]
    assert (sums.x, sums.k) == (2.0, 1.0)
