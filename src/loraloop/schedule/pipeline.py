"""One run through the caller's callbacks: collect, train, evaluate, deploy."""

from __future__ import annotations

from collections.abc import Mapping, Sized
from dataclasses import dataclass
from typing import Any

from ..errors import DeployError, EvaluationError, LoraloopError, TrainingError, UsageError
from ..ports import Callback
from ..types import Record


@dataclass(frozen=True)
class Callbacks:
    """What a run calls; each may be missing.

    Attributes:
        data_collector: ``() -> list``. Without it the trainer collects its own.
        trainer: ``(name, data) -> dict``.
        evaluator: ``(name) -> dict``. Without it nothing is deployed.
        deployment_manager: ``(name, performance) -> dict``.
    """

    data_collector: Callback | None = None
    trainer: Callback | None = None
    evaluator: Callback | None = None
    deployment_manager: Callback | None = None

    def over(self, *given: Callback | None) -> Callbacks:
        """Return these with the given ones, in order, in the place of those that are not ``None``."""
        had = (self.data_collector, self.trainer, self.evaluator, self.deployment_manager)
        return Callbacks(*(new or old for new, old in zip(given, had, strict=True)))


@dataclass(frozen=True, slots=True)
class Outcome(Record):
    """How a run ended: ``status`` is ``"completed"``, ``"skipped"`` or ``"failed"``."""

    name: str
    status: str
    reason: str


def row_count(data: Any) -> int:
    """Return how many rows a collector gave: the length of a list, a number as it is, 0 for ``None``.

    Raises:
        UsageError: it is neither.
    """
    if data is None:
        return 0
    if isinstance(data, Sized):
        return len(data)
    if isinstance(data, int):
        return data
    raise UsageError(f"the data_collector gave {type(data).__name__}, not a list")


def run_callbacks(callbacks: Callbacks, name: str, required_rows: int) -> Outcome:
    """Collect, train, evaluate and deploy one adapter.

    A refused adapter is an ordinary outcome. A step that could not answer (it raises, or its result has ``error``) is
    not: the error leaves here and the caller records it.

    Args:
        name: of the adapter.
        required_rows: fewer than these and the run is skipped.

    Raises:
        UsageError: there is no trainer. LoraloopError: a step's result names an error. Whatever a callback raises.
    """
    if callbacks.trainer is None:
        raise UsageError("there is nothing to train with", hint="hand one in: set_callbacks(trainer=...)")
    data: Any = []
    if callbacks.data_collector is not None:
        data = callbacks.data_collector()
        rows = row_count(data)
        if rows < required_rows:
            return Outcome(name, "skipped", f"{rows} rows, {required_rows} are required")
    _checked(callbacks.trainer(name, data), "training", TrainingError)
    if callbacks.evaluator is None:
        return Outcome(name, "completed", "trained; not deployed: there is no evaluator")
    performance = _checked(callbacks.evaluator(name), "evaluating", EvaluationError)
    if callbacks.deployment_manager is None:
        return Outcome(name, "completed", "trained and evaluated; not deployed: there is no deployment_manager")
    told = _checked(callbacks.deployment_manager(name, performance), "deploying", DeployError)
    if isinstance(told, Mapping) and told.get("success") is False:
        return Outcome(name, "completed", f"trained and evaluated; not deployed: {told.get('reason', 'refused')}")
    return Outcome(name, "completed", "trained, evaluated and deployed")


def _checked(result: Any, step: str, error: type[LoraloopError]) -> Any:
    if isinstance(result, Mapping) and result.get("error"):
        raise error(f"{step} failed: {result['error']}")
    return result
