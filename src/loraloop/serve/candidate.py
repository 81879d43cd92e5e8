"""Follows the running experiment, whoever began or ended it: its candidate is loaded, proven, routed to, withdrawn."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from ..errors import in_words
from ..experiments import Experiment
from ..ports import Store
from .engine import Engine
from .loops import Loop, ended
from .swap import LASTING, Swap
from .trials import Trials

log = logging.getLogger(__name__)

_RETRY_S = 0.5
_REFUSALS = 3
_PROMOTION = timedelta(seconds=10)
"""How long a candidate that was promoted stays loaded for the live pointer to reach it."""


class CandidateWatch:
    """Keeps what stands as ``candidate`` equal to what the running experiment tries.

    * An experiment began: its candidate is brought, as a live release is; then users are dealt to it.
    * It cannot serve: the experiment ends, and says why.
    * It ended, or another one runs: the candidate answers nobody new from the next look on.

    Args:
        bot: whose. store: where experiments are. swap, engine: see there. trials: hears what cannot be served.
        watch_s: seconds between two looks.
    """

    def __init__(
        self,
        bot: str,
        store: Store,
        swap: Swap,
        engine: Engine,
        *,
        trials: Trials,
        watch_s: float = 0.1,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._bot, self._store, self._swap, self._engine = bot, store, swap, engine
        self._trials, self._watch_s, self._now = trials, watch_s, now
        self._bringing: tuple[str, asyncio.Task[None]] | None = None
        self.loop = Loop("the watch over the candidate")

    async def start(self) -> None:
        """Follow until ``close``; an experiment that runs already is taken up off the way of the first requests."""
        self.loop.start(self._follow())

    async def close(self) -> None:
        """Stop following."""
        await self.loop.close()
        await ended(self._bringing[1] if self._bringing is not None else None)
        self._bringing = None

    async def _follow(self) -> None:
        while True:
            try:
                await self._look()
            except Exception as error:  # whatever it was, an experiment that ends must reach its users
                log.warning("the experiment cannot be followed: %s", in_words(error))
                await asyncio.sleep(_RETRY_S)
            await asyncio.sleep(self._watch_s)

    async def _look(self) -> None:
        experiment = await asyncio.to_thread(self._store.experiments.running, self._bot)
        wanted = experiment.candidate_id if experiment is not None else None
        standing = self._swap.candidate.release_id if self._swap.candidate is not None else None
        if self._bringing is not None and (self._bringing[0] != wanted or self._bringing[1].done()):
            await self._drop()
        if standing is not None and standing != wanted and not await self._goes_live(standing):
            await self._swap.stand_candidate(None)
            log.info("candidate %s is withdrawn", standing)
        if experiment is not None and standing != wanted and self._bringing is None:
            self._bringing = (experiment.candidate_id, asyncio.create_task(self._bring(experiment)))

    async def _goes_live(self, candidate_id: str) -> bool:
        """Whether a candidate was just promoted and the live pointer is on its way: then it is not unloaded."""
        if self._swap.live.release_id == candidate_id:
            return False
        ended = next(iter(await asyncio.to_thread(self._store.experiments.list, self._bot, 1)), None)
        return (
            ended is not None
            and ended.candidate_id == candidate_id
            and ended.status == "promoted"
            and (ended.ended_at is None or self._now() - ended.ended_at < _PROMOTION)
        )

    async def _bring(self, experiment: Experiment) -> None:
        release = await asyncio.to_thread(self._store.releases.get, experiment.candidate_id)
        refusals = 0
        while release is not None:
            try:
                route = await self._swap.stand_candidate(release)
                break
            except LASTING as error:
                await self._refuse(experiment, str(error))
                return
            except Exception as error:
                refusals += (await self._engine.health()).ready
                if refusals >= _REFUSALS:
                    await self._refuse(experiment, in_words(error))
                    return
                log.warning("candidate %s waits for the engine: %s", release.id, in_words(error))
                await asyncio.sleep(_RETRY_S)
        if release is None or route is None:
            return
        await self._tell("CandidateServed", experiment, {"version": route.version})
        await self._trials.check()  # from now on the desk deals users to it

    async def _refuse(self, experiment: Experiment, reason: str) -> None:
        log.warning("candidate %s of %s does not serve: %s", experiment.candidate_id, experiment.id, reason)
        await self._tell("ReleaseFailed", experiment, {"reason": reason})
        await self._trials.refuse(experiment.id, reason)

    async def _tell(self, kind: str, experiment: Experiment, facts: dict[str, str]) -> None:
        told = {"release_id": experiment.candidate_id, "experiment_id": experiment.id, **facts}
        await asyncio.to_thread(self._store.events.append, self._bot, kind, "gateway", told)

    async def _drop(self) -> None:
        if self._bringing is None:
            return
        task, self._bringing = self._bringing[1], None
        await ended(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error
