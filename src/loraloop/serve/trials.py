"""An experiment at the gateway: who gets which release is asked, what came of it is told, and what follows is done.

The desk behind the port decides; nothing here does. It is looked at every few seconds, and at once after an answer that
went wrong, off the requests' path.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from datetime import datetime
from typing import Protocol

from ..errors import in_words
from ..experiments import Action, Assignment
from ..traffic import Completion, Opinion
from .engine import Engine
from .loops import Loop
from .metrics import Metrics
from .routes import LIVE, Route

log = logging.getLogger(__name__)

GOOD_SCORE = 0.5
"""A score from here on, without a thumb or a correction, counts as approval."""


class Desk(Protocol):
    """What the gateway asks of whoever keeps experiments; every call may go to the database."""

    @property
    def frozen_at(self) -> datetime | None:
        """Since when nothing automatic happens any more."""
        ...

    def assign(self, user: str | None) -> Assignment:
        """Which release answers a user, after it was written down."""
        ...

    def answered(
        self, assignment: Assignment, user: str | None, *, failed: bool = False, guard_hit: bool = False,
        latency_s: float | None = None, length_chars: int | None = None, mirrored: bool = False,
    ) -> None:  # fmt: skip
        """How an answer went."""
        ...

    def judged(self, experiment_id: str, arm: str, user: str | None, *, approved: bool) -> None:
        """What a user said of an answer."""
        ...

    def regenerated(self, experiment_id: str, arm: str, user: str | None) -> None:
        """A user asked for another answer."""
        ...

    def check(self) -> Action:
        """Look at where everything stands, and act on it."""
        ...

    def refuse(self, experiment_id: str, reason: str) -> None:
        """End an experiment whose candidate cannot be served."""
        ...

    def close(self) -> None:
        """Write down what was observed."""
        ...


class Trials:
    """What a gateway does about experiments.

    Args:
        desk: decides. engine: is asked how it is when an answer failed. metrics: where steps and verdicts are counted.
        check_s: seconds between two looks.
    """

    def __init__(self, desk: Desk, engine: Engine, metrics: Metrics, check_s: float = 5.0) -> None:
        self._desk, self._engine, self._check_s, self._metrics = desk, engine, check_s, metrics
        self._blamed: set[str | None] = set()  # releases that an engine's being away was counted against
        self._urgent = asyncio.Event()
        self.loop = Loop("the look at the experiment")
        metrics.watch("rollbacks_frozen", "1 while nothing automatic happens any more.", lambda: bool(self.frozen))

    @property
    def frozen(self) -> str:
        """Since when and that nothing automatic happens, in words; empty while it does."""
        since = self._desk.frozen_at
        return f"too many automatic rollbacks: experiments are frozen since {since:%Y-%m-%d %H:%M} UTC" if since else ""

    async def start(self) -> None:
        """Look every few seconds until ``close``."""
        self.loop.start(self._follow())

    async def close(self) -> None:
        """Stop looking, and write down what was observed."""
        await self.loop.close()
        try:
            await asyncio.to_thread(self._desk.close)
        except Exception as error:
            log.warning("what was seen of the experiment last is not written down: %s", in_words(error))

    async def assign(self, user: str) -> Assignment:
        """Which release a user gets; a database that dawdles holds up this user alone."""
        return await asyncio.to_thread(self._desk.assign, user)

    async def answered(
        self, route: Route, user: str | None, *, failed: bool = False, guard_hit: bool = False,
        latency_s: float | None = None, length_chars: int | None = None, mirrored: bool = False,
    ) -> None:  # fmt: skip
        """Tell how an answer of a route went.

        Of an engine that is away, or that was started again and has yet to be given the release, only the first failure
        of each release counts: it says nothing of releases, but one that brings the engine down each time is found all
        the same. What a client asked of a release by name says
        nothing: else whoever wants to could send it back.
        """
        if route.model != LIVE and not mirrored:
            return
        if failed and not await self._could_answer(route):
            if route.release_id in self._blamed:
                return
            self._blamed.add(route.release_id)
        elif not failed:
            self._blamed.clear()
        given = Assignment(route.release_id, route.experiment_id, route.arm, route.release_id if mirrored else None)
        self._desk.answered(
            given, user, failed=failed, guard_hit=guard_hit, latency_s=latency_s, length_chars=length_chars,
            mirrored=mirrored,
        )  # fmt: skip
        if failed or guard_hit:
            self._urgent.set()

    async def _could_answer(self, route: Route) -> bool:
        health = await self._engine.health()
        return health.ready and route.version in health.versions

    def judged(self, answer: Completion, opinion: Opinion) -> None:
        """Tell what a user said of an answer; a comment alone says nothing that can be counted."""
        approved = approval_of(opinion)
        if approved is not None:
            self._desk.judged(answer.experiment_id, answer.arm, answer.user, approved=approved)
        if opinion.regenerated:
            self._desk.regenerated(answer.experiment_id, answer.arm, answer.user)

    async def check(self) -> None:
        """Look now, and let the desk act; what it cannot do now it tries again at the next look."""
        try:
            action = await asyncio.to_thread(self._desk.check)
        except Exception as error:  # whatever it was, automatic rollbacks must go on
            log.warning("the experiment cannot be looked at: %s", in_words(error))
            return
        if action.kind != "none":
            self._metrics.experimented(action.kind)

    async def refuse(self, experiment_id: str, reason: str) -> None:
        """Tell that a candidate cannot be served."""
        await asyncio.to_thread(self._desk.refuse, experiment_id, reason)

    async def _follow(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(
                    self._check_s
                ):  # Python 3.11's wait_for can lose a cancellation, and this end
                    await self._urgent.wait()
            self._urgent.clear()
            await self.check()


def approval_of(opinion: Opinion) -> bool | None:
    """Whether an opinion approves of its answer; ``None`` where it does not say.

    Example:
        >>> approval_of(Opinion("c", "k", thumb="down", score=0.9))
        False
        >>> approval_of(Opinion("c", "k", score=0.9)), approval_of(Opinion("c", "k", comment="hm"))
        (True, None)
    """
    if opinion.thumb:
        return opinion.thumb == "up"
    if opinion.correction:
        return False
    return None if opinion.score is None else opinion.score >= GOOD_SCORE
