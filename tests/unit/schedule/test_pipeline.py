"""One run through the callbacks."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loraloop.errors import DeployError, EvaluationError, TrainingError, UsageError
from loraloop.schedule.pipeline import Callbacks, Outcome, row_count, run_callbacks

STEPS = ("data_collector", "trainer", "evaluator", "deployment_manager")


class Called:
    """Four callbacks that write down what they were given and answer what the test says."""

    def __init__(self, **answers: Any) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.answers = {"data_collector": ["a", "b", "c"], **answers}

    def callbacks(self) -> Callbacks:
        """All four."""
        return Callbacks(*(self._callback(step) for step in STEPS))

    def _callback(self, step: str) -> Any:
        def call(*given: Any) -> Any:
            self.calls.append((step, *given))
            return self.answers.get(step, {})

        return call


def test_each_step_gets_what_the_one_before_gave() -> None:
    """The trainer gets name and rows, the evaluator the name, the deployment the name and the performance."""
    called = Called(evaluator={"overall_score": 0.9}, deployment_manager={"success": True})
    told = run_callbacks(called.callbacks(), "x", 3)
    assert told == Outcome("x", "completed", "trained, evaluated and deployed")
    assert called.calls == [
        ("data_collector",),
        ("trainer", "x", ["a", "b", "c"]),
        ("evaluator", "x"),
        ("deployment_manager", "x", {"overall_score": 0.9}),
    ]


def test_too_few_rows_train_nothing() -> None:
    """The run is skipped, and the reason says how many there are and how many are required."""
    called = Called()
    assert run_callbacks(called.callbacks(), "x", 4) == Outcome("x", "skipped", "3 rows, 4 are required")
    assert called.calls == [("data_collector",)]


@pytest.mark.parametrize(
    ("step", "error"), [("trainer", TrainingError), ("evaluator", EvaluationError), ("deployment_manager", DeployError)]
)
def test_a_step_whose_result_has_an_error_stops_the_run(step: str, error: type[Exception]) -> None:
    """The error is the step's own kind, carries its words, and no later step is called."""
    called = Called(**{step: {"error": "out of memory", "success": True}})
    with pytest.raises(error, match="out of memory"):
        run_callbacks(called.callbacks(), "x", 1)
    assert [call[0] for call in called.calls] == list(STEPS[: STEPS.index(step) + 1])


def test_a_refused_adapter_is_an_ordinary_end() -> None:
    """A deployment that says no completes the run with its reason, also where it gives none."""
    for answer, reason in (({"success": False, "reason": "hold"}, "hold"), ({"success": False}, "refused")):
        told = run_callbacks(Called(deployment_manager=answer).callbacks(), "x", 1)
        assert (told.status, told.reason) == ("completed", f"trained and evaluated; not deployed: {reason}")


@pytest.mark.parametrize("answer", [None, {}, "done", {"success": True}, {"success": None}])
def test_only_an_explicit_no_is_a_refusal(answer: Any) -> None:
    """Callers whose deployment tells nothing have deployed."""
    told = run_callbacks(Called(deployment_manager=answer).callbacks(), "x", 1)
    assert told.reason == "trained, evaluated and deployed"


@pytest.mark.parametrize(
    ("missing", "reason"), [("evaluator", "there is no evaluator"), ("deployment_manager", "no deployment_manager")]
)
def test_without_a_later_step_the_run_ends_before_it(missing: str, reason: str) -> None:
    """An adapter that nobody judges is never deployed, and the outcome says why."""
    called = Called()
    told = run_callbacks(replace(called.callbacks(), **{missing: None}), "x", 1)
    assert told.status == "completed"
    assert reason in told.reason
    assert "deployment_manager" not in [call[0] for call in called.calls]


def test_without_a_collector_the_trainer_collects_its_own() -> None:
    """It is called with no rows, whatever number is required; without a trainer there is no run."""
    called = Called()
    run_callbacks(replace(called.callbacks(), data_collector=None), "x", 50)
    assert called.calls[0] == ("trainer", "x", [])
    with pytest.raises(UsageError, match="nothing to train with"):
        run_callbacks(Callbacks(), "x", 1)


def test_what_a_callback_raises_leaves_as_it_is() -> None:
    """The caller of the run decides what an error means."""
    called = Called()

    def broken(name: str) -> None:
        raise ZeroDivisionError(name)

    with pytest.raises(ZeroDivisionError, match="x"):
        run_callbacks(replace(called.callbacks(), evaluator=broken), "x", 1)


@given(st.one_of(st.none(), st.integers(), st.lists(st.integers()), st.dictionaries(st.integers(), st.none())))
def test_rows_are_counted_in_whatever_holds_them(data: Any) -> None:
    """A list by its length, a number as it is, nothing as none."""
    assert row_count(data) == (0 if data is None else data if isinstance(data, int) else len(data))


@pytest.mark.parametrize("data", [iter([]), 1.5, object()])
def test_what_cannot_be_counted_is_named(data: Any) -> None:
    """A generator or another thing without a length is refused by its type."""
    with pytest.raises(UsageError, match=type(data).__name__):
        row_count(data)
