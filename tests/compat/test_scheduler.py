"""``training.lora_scheduler`` as its callers know it."""

import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from loraloop.testing.clock import MovedClock
from training.lora_scheduler import LoRAScheduler, SchedulerConfig

from .callers import GOOD, as_json, holds_as_config, reads_like_a_dict, takes, wait_for


class Pipeline:
    """The four callbacks; each writes down what it was given."""

    def __init__(self, rows: int = 60) -> None:
        self.rows: list[int] = list(range(rows))
        self.calls: list[tuple[Any, ...]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.fails = False

    def collect(self) -> list[int]:
        """The rows."""
        return self.rows

    def train(self, name: str, data: list[int]) -> dict[str, Any]:
        """Waits at the gate, and fails where it shall."""
        self.calls.append(("train", name, len(data)))
        assert self.gate.wait(10)
        if self.fails:
            raise RuntimeError("out of memory")
        return {"adapter_name": name}

    def evaluate(self, name: str) -> dict[str, Any]:
        """A good performance."""
        self.calls.append(("evaluate", name))
        return GOOD

    def deploy(self, name: str, performance: dict[str, Any]) -> dict[str, Any]:
        """Done."""
        self.calls.append(("deploy", name, performance["overall_score"]))
        return {"success": True}


@pytest.fixture
def pipeline() -> Pipeline:
    """Callbacks with enough rows."""
    return Pipeline()


@pytest.fixture
def scheduler(pipeline: Pipeline) -> Iterator[LoRAScheduler]:
    """One with all four callbacks, stopped in the end."""
    found = LoRAScheduler()
    found.set_callbacks(
        data_collector=pipeline.collect,
        trainer=pipeline.train,
        evaluator=pipeline.evaluate,
        deployment_manager=pipeline.deploy,
    )
    yield found
    pipeline.gate.set()
    found.stop_auto_training()


def test_the_config_is_the_promised_one() -> None:
    """Every field has its promised default, is taken by place and by keyword, and stays assignable."""
    holds_as_config(
        SchedulerConfig,
        {
            "training_interval_hours": 6,
            "min_samples_for_training": 50,
            "max_concurrent_training": 1,
            "enable_auto_scheduling": True,
            "retry_on_failure": True,
            "max_retry_count": 3,
        },
    )


def test_every_call_takes_what_it_always_took() -> None:
    """Names, order and defaults of all parameters are the promised ones."""
    takes(LoRAScheduler.__init__, config=None)
    takes(LoRAScheduler.set_callbacks, data_collector=None, trainer=None, evaluator=None, deployment_manager=None)
    takes(LoRAScheduler.start_auto_training)
    takes(LoRAScheduler.stop_auto_training)
    takes(LoRAScheduler.should_trigger_training)
    takes(LoRAScheduler.manual_trigger_training, adapter_name=None)
    takes(LoRAScheduler.get_scheduler_status)


def test_a_new_scheduler_is_at_rest(scheduler: LoRAScheduler) -> None:
    """Nothing runs, nothing was counted, nothing waits, and the status says so under the promised keys."""
    status = scheduler.get_scheduler_status()
    reads_like_a_dict(status, {"is_running", "config", "statistics", "timing", "queue"})
    assert status["is_running"] is scheduler.is_running is False
    assert status["statistics"] == {
        "total_training_runs": 0,
        "successful_runs": 0,
        "failed_runs": 0,
        "success_rate": 0.0,
    }
    assert status["timing"] == {"last_training_time": None, "next_training_time": None}
    assert status["queue"]["pending_jobs"] == 0
    assert status["config"]["min_samples_for_training"] == 50
    assert scheduler.last_training_time is None
    assert (scheduler.total_training_runs, scheduler.successful_runs, scheduler.failed_runs) == (0, 0, 0)


def test_enough_rows_and_enough_time_trigger(scheduler: LoRAScheduler, pipeline: Pipeline) -> None:
    """Fifty rows are asked for and counted as rows; a last training under six hours ago, set by a caller, waits."""
    assert scheduler.should_trigger_training() is True
    pipeline.rows = pipeline.rows[:49]
    assert scheduler.should_trigger_training() is False
    pipeline.rows = list(range(50))
    assert scheduler.should_trigger_training() is True
    for hours, expected in ((5.9, False), (6.1, True)):
        scheduler.last_training_time = datetime.now() - timedelta(hours=hours)
        assert scheduler.should_trigger_training() is expected


def test_nothing_triggers_on_nothing() -> None:
    """Without rows, without callbacks, or where collecting fails, no training is due."""

    def broken() -> list[Any]:
        raise RuntimeError("the database is away")

    assert LoRAScheduler().should_trigger_training() is False
    for collect in (broken, list):
        scheduler = LoRAScheduler(SchedulerConfig())
        scheduler.set_callbacks(data_collector=collect)
        assert scheduler.should_trigger_training() is False


def test_the_config_counts_as_it_is_now(pipeline: Pipeline) -> None:
    """What is assigned to the config later changes the next answer."""
    config = SchedulerConfig(6, 100)
    scheduler = LoRAScheduler(config)
    scheduler.set_callbacks(pipeline.collect, pipeline.train, pipeline.evaluate, pipeline.deploy)
    assert scheduler.should_trigger_training() is False
    config.min_samples_for_training = 60
    assert scheduler.should_trigger_training() is True
    config.enable_auto_scheduling = False
    assert scheduler.should_trigger_training() is False


def test_a_started_scheduler_trains_by_itself_once(scheduler: LoRAScheduler, pipeline: Pipeline) -> None:
    """It collects, trains, evaluates and deploys, counts the run, and then waits for its interval."""
    scheduler.start_auto_training()
    assert scheduler.is_running is True
    scheduler.start_auto_training()
    wait_for(lambda: scheduler.successful_runs == 1)
    name = pipeline.calls[0][1]
    assert pipeline.calls == [("train", name, 60), ("evaluate", name), ("deploy", name, 0.9)]
    status = scheduler.get_scheduler_status()
    assert status["is_running"] is True
    assert status["statistics"]["total_training_runs"] == 1
    assert status["statistics"]["success_rate"] == 100.0
    last, following = (
        datetime.fromisoformat(as_json(status)["timing"][f"{n}_training_time"]) for n in ("last", "next")
    )
    assert following - last == timedelta(hours=6)
    assert scheduler.last_training_time == last
    assert scheduler.should_trigger_training() is False
    scheduler.stop_auto_training()
    assert scheduler.is_running is False


def test_a_manual_trigger_runs_at_once_under_the_callers_name(scheduler: LoRAScheduler, pipeline: Pipeline) -> None:
    """It does not wait for the next look, needs no fifty rows, and is refused where nothing runs."""
    assert scheduler.manual_trigger_training("custom_adapter") is False
    pipeline.rows = pipeline.rows[:3]
    scheduler.start_auto_training()
    time.sleep(0.1)
    begun = time.monotonic()
    assert scheduler.manual_trigger_training("custom_adapter") is True
    wait_for(lambda: scheduler.successful_runs == 1, 5)
    assert time.monotonic() - begun < 2
    assert pipeline.calls[0] == ("train", "custom_adapter", 3)
    assert scheduler.manual_trigger_training() is True
    wait_for(lambda: scheduler.successful_runs == 2, 5)
    assert pipeline.calls[3][1] != "custom_adapter"
    scheduler.stop_auto_training()
    assert scheduler.manual_trigger_training("custom_adapter") is False


def test_what_waits_is_counted(scheduler: LoRAScheduler, pipeline: Pipeline) -> None:
    """While one is trained, those asked for meanwhile are pending; one is trained at a time."""
    pipeline.rows = pipeline.rows[:3]
    pipeline.gate.clear()
    scheduler.start_auto_training()
    scheduler.manual_trigger_training("one")
    wait_for(lambda: len(pipeline.calls) == 1, 5)
    scheduler.manual_trigger_training("two")
    scheduler.manual_trigger_training("three")
    assert scheduler.get_scheduler_status()["queue"]["pending_jobs"] == 2
    assert scheduler.should_trigger_training() is False
    assert len(pipeline.calls) == 1
    pipeline.gate.set()
    wait_for(lambda: scheduler.successful_runs == 3, 5)
    assert [call[1] for call in pipeline.calls if call[0] == "train"] == ["one", "two", "three"]
    assert scheduler.get_scheduler_status()["queue"]["pending_jobs"] == 0


@pytest.mark.parametrize(("retry", "pending"), [(True, 1), (False, 0)])
def test_a_failed_run_is_counted_and_tried_again_where_that_is_wanted(
    scheduler: LoRAScheduler, pipeline: Pipeline, retry: bool, pending: int
) -> None:
    """A trainer that raises is a failed run; it waits for another try only with ``retry_on_failure``."""
    scheduler.config = SchedulerConfig(retry_on_failure=retry)
    pipeline.fails = True
    scheduler.start_auto_training()
    wait_for(lambda: scheduler.failed_runs == 1, 5)
    status = scheduler.get_scheduler_status()
    assert status["is_running"] is True
    assert (scheduler.total_training_runs, scheduler.successful_runs) == (1, 0)
    assert status["statistics"]["success_rate"] == 0.0
    assert status["queue"]["pending_jobs"] == pending
    assert scheduler.last_training_time is None


@pytest.mark.parametrize("most", [0, 3])
def test_a_failed_run_is_tried_again_as_often_as_the_config_says(pipeline: Pipeline, most: int) -> None:
    """After the first try come ``max_retry_count`` more under the same name, then none before the next interval."""
    clock = MovedClock()
    scheduler = LoRAScheduler(SchedulerConfig(max_retry_count=most), clock=clock)
    scheduler.set_callbacks(pipeline.collect, pipeline.train, pipeline.evaluate, pipeline.deploy)
    pipeline.fails = True
    for _ in range(10):
        scheduler.run_due()
        clock.move(hours=1)
        if scheduler.get_scheduler_status()["queue"]["pending_jobs"] == 0:
            break
    assert (scheduler.total_training_runs, scheduler.failed_runs, scheduler.successful_runs) == (1 + most, 1 + most, 0)
    assert len({name for _, name, _ in pipeline.calls}) == 1
    assert scheduler.run_due() is None
    pipeline.fails = False
    clock.move(hours=6)
    scheduler.run_due()
    assert scheduler.successful_runs == 1
    rate = scheduler.get_scheduler_status()["statistics"]["success_rate"]
    assert rate == pytest.approx(100 / (2 + most))


def test_a_retry_that_succeeds_ends_the_trying(pipeline: Pipeline) -> None:
    """The second try deploys the adapter under the name of the first, and nothing waits afterwards."""
    clock = MovedClock()
    scheduler = LoRAScheduler(clock=clock)
    scheduler.set_callbacks(pipeline.collect, pipeline.train, pipeline.evaluate, pipeline.deploy)
    pipeline.fails = True
    scheduler.run_due()
    pipeline.fails = False
    clock.move(hours=1)
    scheduler.run_due()
    assert [call[0] for call in pipeline.calls] == ["train", "train", "evaluate", "deploy"]
    assert len({call[1] for call in pipeline.calls}) == 1
    assert scheduler.get_scheduler_status()["queue"]["pending_jobs"] == 0
    assert scheduler.get_scheduler_status()["statistics"]["success_rate"] == 50.0


def test_without_auto_scheduling_only_what_is_asked_for_runs(scheduler: LoRAScheduler, pipeline: Pipeline) -> None:
    """A started scheduler whose ``enable_auto_scheduling`` is off trains nothing but manual runs."""
    scheduler.config = SchedulerConfig(enable_auto_scheduling=False)
    scheduler.start_auto_training()
    assert scheduler.is_running is True
    assert scheduler.manual_trigger_training("asked_for") is True
    wait_for(lambda: scheduler.successful_runs == 1, 5)
    assert [call[1] for call in pipeline.calls] == ["asked_for"] * 3


def test_only_some_callbacks_may_be_set_and_one_replaced(pipeline: Pipeline) -> None:
    """Without evaluator and deployment the run ends after training; a later call keeps what it does not name."""
    scheduler = LoRAScheduler(SchedulerConfig(min_samples_for_training=1))
    scheduler.set_callbacks(pipeline.collect, pipeline.train)
    scheduler.set_callbacks(evaluator=pipeline.evaluate)
    scheduler.start_auto_training()
    wait_for(lambda: scheduler.successful_runs == 1, 5)
    scheduler.stop_auto_training()
    assert [call[0] for call in pipeline.calls] == ["train", "evaluate"]
