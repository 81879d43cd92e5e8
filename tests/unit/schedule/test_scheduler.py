"""The scheduler, its clock moved by hand and its runs called for: no thread, no waiting."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loraloop.errors import BadName, StoreBusy, StoreError
from loraloop.schedule.config import SchedulerConfig
from loraloop.schedule.scheduler import LoRAScheduler
from loraloop.testing.clock import START, MovedClock
from loraloop.testing.state import KeptState


class World:
    """What is round a scheduler: a clock, kept state, rows that come, and a trainer that does as it is told."""

    def __init__(self, **config: Any) -> None:
        self.clock, self.state, self.rows = MovedClock(), KeptState(), 60
        self.config = SchedulerConfig(**config)
        self.trained: list[tuple[str, datetime]] = []
        self.ends: list[Any] = []
        self.turn: tuple[int, datetime, None] | None = None
        self.takes_hours = 0.0
        self.turning: Any = None

    def scheduler(self) -> LoRAScheduler:
        """One that remembers what the one before it did."""
        more = {"turning": self.turning} if self.turning else {}
        made = LoRAScheduler(
            self.config,
            state=self.state,
            new_rows=lambda: self.rows,
            last_turn=lambda: self.turn,
            clock=self.clock,
            **more,
        )
        made.set_callbacks(lambda: range(self.rows), self.train, lambda name: {"overall_score": 0.9}, lambda *given: {})
        return made

    def train(self, name: str, rows: Any) -> dict[str, Any]:
        """Takes its time, then ends as the next of ``ends`` says: an error to raise, or anything else for well."""
        self.trained.append((name, self.clock.now()))
        self.clock.move(hours=self.takes_hours)
        end = self.ends.pop(0) if self.ends else None
        if isinstance(end, BaseException):
            raise end
        return {}


@pytest.fixture
def world() -> World:
    """Default settings and enough rows."""
    return World()


def counts(scheduler: LoRAScheduler) -> tuple[int, int, int]:
    """Runs, good ones, failed ones."""
    return scheduler.total_training_runs, scheduler.successful_runs, scheduler.failed_runs


def test_a_run_that_is_due_is_done_and_remembered(world: World) -> None:
    """It is named for its time, counted, and over a restart the interval goes on from its end."""
    world.takes_hours = 1
    scheduler = world.scheduler()
    outcome = scheduler.run_due()
    assert outcome is not None
    assert (outcome.name, outcome.status) == ("auto-20260301-120000", "completed")
    assert scheduler.last_training_time == START + timedelta(hours=1)
    assert scheduler.run_due() is None
    world.rows += 60
    again = world.scheduler()
    assert counts(again) == (1, 1, 0)
    world.clock.move(hours=5.99)
    assert again.run_due() is None
    world.clock.move(hours=0.01)
    assert again.run_due() is not None
    assert [moment for _, moment in world.trained] == [START, START + timedelta(hours=7)]


def test_only_rows_that_came_since_the_last_good_run_are_new(world: World) -> None:
    """Rows that come while a run trains are new after it; a failed run has learnt nothing."""
    scheduler = world.scheduler()
    world.takes_hours = 1
    scheduler.run_due()
    world.clock.move(hours=6)
    assert "0 new rows" in scheduler.explain()[0].reason
    world.rows += 50
    world.ends = [RuntimeError("no")]
    world.config = scheduler.config = SchedulerConfig(retry_on_failure=False)
    scheduler.run_due()
    world.clock.move(hours=6)
    world.rows += 1
    assert "51 new rows" in scheduler.explain()[0].reason
    assert scheduler.run_due() is not None
    assert counts(scheduler) == (3, 2, 1)


def test_a_failed_run_is_tried_again_under_its_name_after_growing_delays(world: World) -> None:
    """After one, two and four minutes, and then no more before the next interval; a restart changes nothing of it."""
    world.ends = [RuntimeError(str(n)) for n in range(4)]
    scheduler = world.scheduler()
    scheduler.run_due()
    for minutes in (1, 2, 4):
        world.clock.move(seconds=60 * minutes - 1)
        assert scheduler.run_due() is None
        assert "waits to be tried again" in scheduler.explain()[0].reason
        world.clock.move(seconds=1)
        scheduler = world.scheduler()
        assert scheduler.run_due() is not None
    assert len({name for name, _ in world.trained}) == 1
    assert counts(scheduler) == (4, 0, 4)
    status = scheduler.get_scheduler_status()
    assert status["queue"]["pending_jobs"] == 0
    assert status["last_outcome"]["reason"] == "RuntimeError: 3"
    world.clock.move(hours=5)
    assert scheduler.run_due() is None
    world.clock.move(hours=1)
    assert scheduler.run_due() is not None
    assert counts(scheduler) == (5, 1, 4)


@pytest.mark.fault(37)
def test_a_run_that_kills_its_process_is_not_tried_for_ever(world: World) -> None:
    """Each try is written down before it begins: after as many as settings allow the run is given up."""
    world.ends = [KeyboardInterrupt() for _ in range(4)]
    for _ in range(4):
        with pytest.raises(KeyboardInterrupt):
            world.scheduler().run_due()
    scheduler = world.scheduler()
    outcome = scheduler.run_due()
    assert outcome is not None
    assert (outcome.status, outcome.reason) == ("failed", "cut off 4 times, given up")
    assert len(world.trained) == 4
    assert len({name for name, _ in world.trained}) == 1
    assert scheduler.run_due() is None


@pytest.mark.fault(35)
def test_a_run_that_was_cut_off_is_done_after_the_next_start(world: World) -> None:
    """It keeps its name and its place, and counts once."""
    world.ends = [KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        world.scheduler().run_due()
    scheduler = world.scheduler()
    assert scheduler.get_scheduler_status()["queue"]["jobs"][0]["attempt"] == 1
    assert scheduler.run_due() is not None
    assert counts(scheduler) == (1, 1, 0)
    assert world.trained[0][0] == world.trained[1][0]


def test_a_skipped_run_is_no_run(world: World) -> None:
    """Where the collector gives fewer rows than were counted, nothing is counted and the interval does not begin."""
    scheduler = world.scheduler()
    scheduler.set_callbacks(data_collector=lambda: [1, 2])
    outcome = scheduler.run_due()
    assert outcome is not None
    assert (outcome.status, outcome.reason) == ("skipped", "2 rows, 50 are required")
    assert counts(scheduler) == (0, 0, 0)
    assert scheduler.last_training_time is None
    assert scheduler.get_scheduler_status()["queue"]["pending_jobs"] == 0
    scheduler.set_callbacks(data_collector=lambda: range(60))
    assert scheduler.run_due() is not None
    assert counts(scheduler) == (1, 1, 0)


def test_a_manual_trigger_needs_a_running_scheduler_and_a_name_that_can_be(world: World) -> None:
    """It is refused where nothing runs, and a name that leads elsewhere is an error before anything is queued."""
    scheduler = world.scheduler()
    assert scheduler.manual_trigger_training("mine") is False
    for name in ("../x", "", "a" * 65):
        with pytest.raises(BadName):
            scheduler.manual_trigger_training(name)
    assert world.state.writes == 0


def test_manual_runs_go_first_and_ask_for_one_row_only(world: World) -> None:
    """Of jobs that wait, those asked for by hand go in their order, then the automatic one that failed."""
    world.ends = [RuntimeError("no")]
    scheduler = world.scheduler()
    scheduler.run_due()
    world.clock.move(hours=1)
    world.rows = 1
    for name in ("one", "two"):
        scheduler._queue(name, "manual", "asked for by hand")
    while scheduler.run_due() is not None:
        pass
    assert [name for name, _ in world.trained] == ["auto-20260301-120000", "one", "two"]
    assert "1 rows, 50 are required" in str(scheduler.get_scheduler_status()["last_outcome"]["reason"])


def test_a_turn_by_hand_counts_as_a_run(world: World) -> None:
    """Its rows are seen, the interval begins at its end, and the number of this scheduler's runs stays."""
    scheduler = world.scheduler()
    world.turn = (60, START + timedelta(hours=1), None)
    world.clock.move(hours=2)
    world.rows = 130
    assert scheduler.run_due() is None
    assert "1.0 h ago" in scheduler.explain()[0].reason
    world.clock.move(hours=5)
    assert "70 new rows" in str(scheduler.explain())
    assert scheduler.run_due() is not None
    assert counts(scheduler) == (1, 1, 0)
    assert scheduler.last_training_time == START + timedelta(hours=7)


@pytest.mark.fault(48)
def test_while_somebody_else_turns_the_loop_a_run_waits(world: World) -> None:
    """It fails with that reason before any callback is called, and is tried again."""

    @contextmanager
    def taken() -> Iterator[None]:
        raise StoreBusy("the loop is being turned already")
        yield

    world.turning = taken
    scheduler = world.scheduler()
    outcome = scheduler.run_due()
    assert outcome is not None
    assert "being turned already" in outcome.reason
    assert world.trained == []
    assert scheduler.get_scheduler_status()["queue"]["pending_jobs"] == 1


def test_what_cannot_be_written_down_is_not_begun(world: World) -> None:
    """On a full disk no run starts, and once there is room the schedule goes on where it was."""
    scheduler = world.scheduler()
    world.state.broken = True
    with pytest.raises(StoreError):
        scheduler.run_due()
    assert world.trained == []
    world.state.broken = False
    assert scheduler.run_due() is not None
    assert counts(scheduler) == (1, 1, 0)


def test_the_end_of_a_run_is_known_even_where_it_could_not_be_written(world: World) -> None:
    """The process that saw it counts it, and does not run it a second time."""
    scheduler = world.scheduler()
    scheduler.set_callbacks(trainer=lambda name, rows: setattr(world.state, "broken", True) or {})
    with pytest.raises(StoreError):
        scheduler.run_due()
    world.state.broken = False
    assert counts(scheduler) == (1, 1, 0)
    assert scheduler.run_due() is None


def test_a_naive_time_set_by_a_caller_is_local_and_starts_the_interval(world: World) -> None:
    """Older callers set the last training time themselves."""
    scheduler = world.scheduler()
    for hours, expected in ((5.9, False), (6.1, True)):
        scheduler.last_training_time = (START - timedelta(hours=hours)).astimezone().replace(tzinfo=None)
        assert scheduler.should_trigger_training() is expected
    status = scheduler.get_scheduler_status()
    assert status["timing"]["next_training_time"] == (START - timedelta(hours=0.1)).isoformat()


def test_every_trigger_says_what_it_sees(world: World) -> None:
    """Explaining tells the whole, each part it was made of, and the manual trigger last; it starts nothing."""
    readings = world.scheduler().explain()
    assert [reading.trigger for reading in readings] == [
        "all", "enabled", "not busy", "busy", "all", "interval", "rows", "manual",
    ]  # fmt: skip
    assert readings[0].fires
    assert world.trained == []
    assert world.state.writes == 0


def test_a_scheduler_that_forgets_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    """Without a state, with more runs at once than it does, or with automatic runs off, its start tells."""
    config = SchedulerConfig(max_concurrent_training=3, enable_auto_scheduling=False)
    scheduler = LoRAScheduler(config, new_rows=lambda: 0)
    with caplog.at_level(logging.INFO):
        for _ in range(2):
            scheduler.start_auto_training()
            scheduler.stop_auto_training()
    said = [record.getMessage() for record in caplog.records]
    for words in ("forgets everything", "max_concurrent_training is 3", "automatic runs are off"):
        assert len([line for line in said if words in line]) == 1, words
    assert [line for line in said if line == "scheduler stopped"] == ["scheduler stopped"] * 2


VALUES: dict[str, list[Any]] = {
    "wait": [0.01, 0.02, 1, 5, 6, 7],
    "rows": [-40, 1, 49, 50, 60],
    "look": [None, RuntimeError("no"), KeyboardInterrupt()],
    "restart": [None],
    "turn": [None],
}
STEPS = st.sampled_from([(step, value) for step, values in VALUES.items() for value in values * (30 // len(values))])
"""Each step as likely as the others, and each value of a step: drawn as one number, in half the time of two."""


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(st.lists(STEPS, max_size=25))
def test_whatever_happens_runs_are_counted_spaced_and_have_enough_rows(steps: list[tuple[str, Any]]) -> None:
    """Time, rows, failures, crashes, restarts and turns by hand in any order: nothing is lost, nothing comes early."""
    world = World(max_retry_count=2)
    scheduler, ended, crashes = world.scheduler(), [], 0
    for step, value in steps:
        if step == "wait":
            world.clock.move(hours=value)
        elif step == "rows":
            world.rows = max(0, world.rows + value)
        elif step == "turn":
            world.turn = (world.rows, world.clock.now(), None)
            ended.append(world.clock.now())
        elif step == "restart":
            scheduler = world.scheduler()
        else:
            waits = scheduler.get_scheduler_status()["queue"]["pending_jobs"]
            new, names, world.ends = world.rows - scheduler._memory.seen_rows, len(world.trained), [value]
            try:
                outcome = scheduler.run_due()
            except KeyboardInterrupt:
                crashes, scheduler = crashes + 1, world.scheduler()
                continue
            if len(world.trained) > names and not waits:
                assert new >= 50
                assert not ended or world.clock.now() - max(ended) >= timedelta(hours=6)
            if (
                outcome is not None
                and outcome.status != "skipped"
                and not scheduler.get_scheduler_status()["queue"]["pending_jobs"]
            ):
                ended.append(world.clock.now())
    total, good, failed = counts(scheduler)
    assert total == good + failed
    assert len({name for name, _ in world.trained}) <= total + crashes
    assert counts(world.scheduler()) == (total, good, failed)
    assert len(scheduler._memory.jobs) <= 1
