"""Whose turn it is: one process at a time turns a bot's loop, by hand or by its schedule."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .errors import StoreBusy, StoreError

if TYPE_CHECKING:
    from .schedule.scheduler import LoRAScheduler
    from .wiring import Home


@contextmanager
def turning(home: Home) -> Iterator[None]:
    """Hold a bot's turn: two processes that train, decide and clean up at once would undo each other.

    Raises:
        StoreBusy: another process holds it. A process that dies lets go of it.
    """
    path = home.folder / f"turn-{home.bot}.lock"
    try:
        held = path.open("a")
    except OSError as error:
        raise StoreError(f"cannot write to {path}: {error.strerror}") from error
    with held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreBusy(
                f"another process turns the loop of bot {home.bot!r}", hint="wait for it to end, or stop it"
            ) from None
        yield


def scheduled(home: Home) -> LoRAScheduler:
    """Return the home's scheduler with the loop's steps as its callbacks."""
    loop, scheduler = home.loop, home.scheduler
    made: dict[str, Any] = {}

    def collect() -> Sequence[Any]:
        made["dataset"] = loop.collect()
        rows: Sequence[Any] = made["dataset"].rows
        return rows

    def train(name: str, rows: Sequence[Any]) -> Mapping[str, Any]:
        with turning(home):
            made["adapter"] = loop.train(made["dataset"], name)
        return {"adapter_id": made["adapter"].id}

    def evaluate(name: str) -> Mapping[str, Any]:
        with turning(home):
            made["report"] = loop.evaluate(made["adapter"])
        return {"report_id": made["report"].id}

    def deploy(name: str, performance: Mapping[str, Any]) -> Mapping[str, Any]:
        decision = loop.gate(made["report"], actor="scheduler")
        release = loop.deploy(decision, made["adapter"], actor="scheduler")
        return {"success": release is not None, "reason": f"{decision.verdict}: {decision.reason}"}

    scheduler.set_callbacks(collect, train, evaluate, deploy)
    return scheduler
