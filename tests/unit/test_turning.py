"""One home's turns, by hand from Python and by its schedule, are one at a time and count together."""

import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from loraloop.controller import Loop
from loraloop.errors import EvaluationError, StoreBusy, TrainingCancelled, UsageError
from loraloop.job_running import BY_HAND, do_leased, held, turn_by_hand, worker_of
from loraloop.jobs import STAGES, NewJob
from loraloop.testing.clock import MovedClock
from loraloop.testing.parts import CannedParts
from loraloop.turning import scheduled, turning
from loraloop.turns import last_turn
from loraloop.types import Conversation, message, utc
from loraloop.wiring import Home, init_home, open_home


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Home]:
    """An open home whose base is never loaded."""
    init_home(tmp_path / "home", base__model=str(tmp_path / "no-base"), schedule__min_samples_for_training=5)
    with open_home(tmp_path / "home") as opened:
        yield opened


def add(home: Home, begin: int, count: int) -> None:
    """Store conversations."""
    at = utc("2026-03-01T12:00:00")
    assert at is not None
    said = (message("user", "hello"), message("assistant", "hi", "review"))
    ids = [f"cv-{number:016x}" for number in range(begin, begin + count)]
    home.store.conversations.add([Conversation(one, home.bot, said, at, "chat", "granted") for one in ids])


def turned(home: Home) -> Loop:
    """The home's loop over parts that compute nothing."""
    folder = home.folder / "canned"
    canned = CannedParts(home.store, home.artifacts, folder, MovedClock(), bot=home.bot, turning=home.turn_lock.held)
    return Loop(canned.parts(), home.store, home.artifacts, bot=home.bot)


def says(home: Home, trigger: str) -> str:
    """What a trigger of a fresh scheduler says."""
    return next(reading.reason for reading in home.scheduler.explain() if reading.trigger == trigger)


@pytest.mark.fault(48)
def test_a_turn_from_python_is_refused_while_another_is_under_way(bare: Home) -> None:
    """``home.loop.turn()`` and ``train()`` hold the bot's turn: the second is told at once, and nothing was done."""
    with open_home(bare.folder) as other, turning(other):
        for step in (bare.loop.turn, lambda: bare.loop.train(None)):  # type: ignore[arg-type]
            with pytest.raises(StoreBusy, match="being turned already"):
                step()
    assert bare.store.datasets.list(bare.bot) == []
    assert bare.store.events.tail(bare.bot) == []


def test_a_scheduled_run_holds_the_turn_from_its_first_step_to_its_last(bare: Home) -> None:
    """While somebody turns the loop by hand a run of the schedule does nothing and is tried again later."""
    add(bare, 0, 9)
    scheduler = scheduled(bare)
    with open_home(bare.folder) as other, turning(other):
        outcome = scheduler.run_due()
    assert outcome is not None
    assert (outcome.status, "being turned" in outcome.reason) == ("failed", True)
    assert bare.store.datasets.list(bare.bot) == []
    assert scheduler.get_scheduler_status()["queue"]["pending_jobs"] == 1


@pytest.mark.slow
def test_a_turn_by_hand_moves_what_the_schedule_counts_from(bare: Home) -> None:
    """After a turn by hand only conversations that came since are new, for a scheduler that runs and for the next."""
    add(bare, 0, 9)
    running = bare.scheduler
    assert says(bare, "rows").startswith("9 new rows")
    turned(bare).turn()
    assert running.explain()[0].fires is False
    assert says(bare, "rows").startswith("0 new rows")
    assert "0.0 h ago" in says(bare, "interval")
    add(bare, 100, 6)
    assert says(bare, "rows").startswith("6 new rows")
    with open_home(bare.folder) as again:
        assert says(again, "rows").startswith("6 new rows")
        assert again.scheduler.get_scheduler_status()["statistics"]["total_training_runs"] == 0


def test_a_turn_of_one_bot_moves_nothing_of_another(bare: Home) -> None:
    """Each bot's schedule counts from that bot's own turns."""
    with open_home(bare.folder, bot="other") as other:
        add(other, 0, 7)
        add(bare, 50, 7)
        turned(bare).turn()
        assert says(other, "rows").startswith("7 new rows")


def jobs_of(home: Home) -> list[tuple[str, str]]:
    """The jobs of a home's bot, oldest first: name and state."""
    return [(job.name, job.status) for job in home.store.jobs.list(home.bot)][::-1]


def with_canned_loop(home: Home, **more: object) -> CannedParts:
    """Give the home a loop whose parts compute nothing."""
    clock = MovedClock(datetime.now(UTC))
    canned = CannedParts(home.store, home.artifacts, home.folder / "canned", clock, bot=home.bot,
                         turning=home.turn_lock.held, **more)  # type: ignore[arg-type]  # fmt: skip
    home.__dict__["loop"] = Loop(canned.parts(), home.store, home.artifacts, bot=home.bot)
    return canned


@pytest.mark.slow
def test_a_turn_by_hand_is_a_job_that_is_done_at_once(bare: Home) -> None:
    """It ends with the turn, whose values it names; an error is told and not tried again."""
    add(bare, 0, 9)
    canned = with_canned_loop(bare)
    result = turn_by_hand(bare, "mine", "kim", None)
    (job,) = bare.store.jobs.list(bare.bot)
    assert result.release is not None
    assert (job.name, job.status, job.actor, tuple(job.stages)) == ("mine", "succeeded", "kim", STAGES)
    assert job.stages["deploy"]["release_id"] == result.release.id
    assert last_turn(bare.store.state, bare.bot) is not None
    add(bare, 100, 1)

    def fail(step: str) -> None:
        if step == "evaluate":
            raise EvaluationError("no")

    canned.before = fail
    with pytest.raises(EvaluationError):
        turn_by_hand(bare, "second", "kim", None)
    assert jobs_of(bare) == [("mine", "succeeded"), ("second", "failed")]


def test_a_turn_by_hand_that_is_refused_leaves_no_job(bare: Home) -> None:
    """While the loop is being turned, nothing is enqueued."""
    with open_home(bare.folder) as other, turning(other), pytest.raises(StoreBusy):
        turn_by_hand(bare, None, "kim", None)
    assert jobs_of(bare) == []


def test_a_turn_by_hand_can_be_cancelled_from_elsewhere(bare: Home) -> None:
    """The next stage is not begun; the job is cancelled, and whoever turned is told."""
    add(bare, 0, 9)

    def cancel(step: str) -> None:
        if step == "train":
            bare.store.jobs.ask(bare.store.jobs.list(bare.bot)[0].id, "cancel", "lee")

    canned = with_canned_loop(bare, before=cancel)
    with pytest.raises(TrainingCancelled):
        turn_by_hand(bare, "mine", "kim", None)
    assert canned.done == ("collect", "train")
    assert jobs_of(bare) == [("mine", "cancelled")]


def test_an_interrupted_turn_by_hand_is_cancelled(bare: Home) -> None:
    """Ctrl-C leaves nothing for a worker to go on with."""
    add(bare, 0, 9)

    def interrupt(step: str) -> None:
        if step == "gate":
            raise KeyboardInterrupt

    with_canned_loop(bare, before=interrupt)
    with pytest.raises(KeyboardInterrupt):
        turn_by_hand(bare, "mine", "kim", None)
    assert jobs_of(bare) == [("mine", "cancelled")]


def test_a_turn_by_hand_that_was_cut_off_is_begun_anew(bare: Home) -> None:
    """A killed process leaves a job that the next turn of that name takes out; the new one sees what came since."""
    add(bare, 0, 9)
    with_canned_loop(bare)
    new = NewJob(bare.bot, name="mine", reason=BY_HAND, max_errors=1)
    assert bare.store.leases.begin(new, "", -1.0)[1] is not None
    turn_by_hand(bare, "mine", "kim", None)
    assert jobs_of(bare) == [("mine", "cancelled"), ("mine", "succeeded")]


def test_a_run_of_the_schedule_is_a_job_and_its_next_try_goes_on(bare: Home) -> None:
    """A run that failed at the gate is not trained again; the schedule's outcome and the job's agree."""
    add(bare, 0, 9)
    fails = [True]

    def fail(step: str) -> None:
        if step == "gate" and fails.pop():
            raise EvaluationError("no")

    canned = with_canned_loop(bare, before=fail)
    fails.insert(0, False)
    scheduler = scheduled(bare)
    first = scheduler.run_due()
    assert first is not None
    assert first.status == "failed"
    (job,) = bare.store.jobs.list(bare.bot)
    assert (job.status, job.errors, job.name) == ("queued", 1, first.name)
    canned.before = lambda step: None
    scheduler._memory = replace(
        scheduler._memory, jobs=tuple(replace(one, not_before=None) for one in scheduler._memory.jobs)
    )
    second = scheduler.run_due()
    assert second is not None
    assert (second.name, second.status, "deployed" in second.reason) == (first.name, "completed", True)
    assert canned.done.count("train") == canned.done.count("evaluate") == 1
    (job,) = bare.store.jobs.list(bare.bot)
    assert job.status == "succeeded"


@pytest.mark.slow
def test_a_run_of_the_schedule_that_is_told_to_stop_goes_on_with_the_next_process(bare: Home) -> None:
    """Nothing is counted as a crash or an error, however often; what was finished is not done again."""
    add(bare, 0, 9)
    stop = threading.Event()
    canned = with_canned_loop(bare, before=lambda step: stop.set() if step == "train" else None)
    for _ in range(5):
        with pytest.raises(SystemExit):
            scheduled(bare, stop).run_due()
        (job,) = bare.store.jobs.list(bare.bot)
        assert (job.status, job.errors, job.crashes, job.wish) == ("queued", 0, 0, "")
        assert [one.attempt for one in bare.scheduler._memory.jobs] == [0]
    outcome = scheduled(bare).run_due()
    assert outcome is not None
    assert outcome.status == "completed"
    assert canned.done.count("train") == 1
    assert [job.status for job in bare.store.jobs.list(bare.bot)] == ["succeeded"]


def test_a_run_of_the_schedule_that_a_worker_finished_is_not_done_again(bare: Home) -> None:
    """The run's number and name are the job's key: what is done under it is taken as it is."""
    add(bare, 0, 9)
    canned = with_canned_loop(bare)
    new = NewJob(bare.bot, "schedule:1:slot", "slot", "scheduler")
    with held(bare, new) as (_, lease, beat):
        do_leased(bare, lease, None, beat.enter)
    job = bare.scheduler._memory.queued("slot", "manual", "by hand")
    bare.scheduler._hold(job)
    outcome = scheduled(bare).run_due()
    assert outcome is not None
    assert (outcome.name, outcome.status) == ("slot", "completed")
    assert canned.done.count("deploy") == canned.done.count("train") == 1
    assert len(bare.store.releases.history(bare.bot)) == 1


def test_no_worker_is_begun_where_processes_cannot_be_told_apart(bare: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without /proc nothing could be ended for sure, so that is said before any job is taken."""
    monkeypatch.setattr("loraloop.processes._place", lambda: "")
    with pytest.raises(UsageError, match="/proc"):
        worker_of(bare)


def test_a_name_may_be_asked_for_again_and_is_trained_again(bare: Home) -> None:
    """Whoever triggers a run of the same name every week gets one every week, also after one that was given up."""
    canned = with_canned_loop(bare)
    scheduler = scheduled(bare)
    for week in range(3):
        add(bare, 100 * week, 9)
        canned.before = failing if week == 1 else lambda step: None
        bare.inbox.ask("weekly")
        outcome = scheduler.run_due()
        assert outcome is not None
        assert outcome.status == ("failed" if week == 1 else "completed")
    assert canned.done.count("train") == canned.done.count("deploy") == 2
    assert jobs_of(bare) == [("weekly", "succeeded"), ("weekly", "failed"), ("weekly", "succeeded")]


def failing(step: str) -> None:
    """A step that never will succeed, and is not tried again."""
    if step == "train":
        raise UsageError("no")


def test_turns_clean_up_after_themselves(tmp_path: Path) -> None:
    """Whoever turns the loop, only the newest adapters stay, and no checkpoint of a training long given up."""
    init_home(tmp_path / "home", base__model=str(tmp_path / "no-base"), schedule__min_samples_for_training=1,
              deploy__keep_after_turn=2)  # fmt: skip
    with open_home(tmp_path / "home") as home:
        old, new = (home.adapter_dir / ".work" / name for name in ("old", "new"))
        for folder in (old, new):
            folder.mkdir(parents=True)
            (folder / "train.log").touch()
        for path in (old / "train.log", old):
            os.utime(path, (1e9, 1e9))
        with_canned_loop(home).verdict = "hold"
        for turn in range(3):
            add(home, 10 * turn, 2)
            turn_by_hand(home, None, "kim", None)
        assert len(home.artifacts.digests()) == 2
        assert (old.exists(), new.exists()) == (False, True)
        add(home, 100, 2)
        home.inbox.ask("asked")
        assert scheduled(home).run_due().status == "completed"  # type: ignore[union-attr]
        kept = {home.store.adapters.list(home.bot)[place].digest for place in (0, 1)}
        assert set(home.artifacts.digests()) == kept


def test_turns_leave_only_the_datasets_that_somebody_may_ask_for(tmp_path: Path) -> None:
    """Those of the newest adapters, of releases, and of a job that may be tried again; rows go with the others."""
    init_home(tmp_path / "home", base__model=str(tmp_path / "no-base"), deploy__keep_after_turn=2)
    with open_home(tmp_path / "home") as home:
        made = []
        canned = with_canned_loop(home)
        for turn in range(7):
            add(home, 10 * turn, 2)
            canned.verdict, canned.before = "promote" if turn == 1 else "hold", lambda step: None
            if turn == 3:
                canned.before = failing
                with pytest.raises(UsageError):
                    turn_by_hand(home, None, "kim", None)
            else:
                turn_by_hand(home, None, "kim", None)
            made.append(home.store.datasets.ids(home.bot)[0])
        assert home.store.datasets.ids(home.bot) == [made[6], made[5], made[3], made[1]]
        assert home.store.datasets.get(made[1]).rows  # type: ignore[union-attr]
        assert says(home, "rows").startswith("0 new rows")
        with home.store._database.read() as connection:
            (rows,) = connection.exec_driver_sql("SELECT count(DISTINCT dataset_id) FROM dataset_runs").one()
        assert rows == 4
