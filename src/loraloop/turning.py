"""Turning a home's loop: by hand, one at a time, and by its schedule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .schedule.scheduler import LoRAScheduler
    from .wiring import Home


def turning(home: Home) -> AbstractContextManager[None]:
    """Hold a bot's turn over several steps, or over what must not happen during one.

    Raises:
        StoreBusy: its loop is being turned already.
    """
    return home.turn_lock.held()


def scheduled(home: Home) -> LoRAScheduler:
    """Return the home's scheduler with the loop's steps as its callbacks; it holds the bot's turn over a whole run."""
    loop, scheduler = home.loop, home.scheduler
    made: dict[str, Any] = {}

    def collect() -> Sequence[Any]:
        home.forgetting.look_after()
        made["dataset"] = loop.collect()
        rows: Sequence[Any] = made["dataset"].rows
        return rows

    def train(name: str, rows: Sequence[Any]) -> Mapping[str, Any]:
        made["adapter"] = loop.train(made["dataset"], name)
        return {"adapter_id": made["adapter"].id}

    def evaluate(name: str) -> Mapping[str, Any]:
        made["report"] = loop.evaluate(made["adapter"])
        return {"report_id": made["report"].id}

    def deploy(name: str, performance: Mapping[str, Any]) -> Mapping[str, Any]:
        decision = loop.gate(made["report"], actor="scheduler")
        release = loop.deploy(decision, made["adapter"], actor="scheduler")
        return {"success": release is not None, "reason": f"{decision.verdict}: {decision.reason}"}

    scheduler.set_callbacks(collect, train, evaluate, deploy)
    return scheduler
