"""Follows the live pointer of the database: whoever moves it, in whatever process, the gateway's routes follow."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, Protocol

from ..errors import in_words
from ..ports import Store
from ..types import Release
from .engine import Engine
from .engine_config import EngineConfig
from .loops import Loop, ended
from .router import Router, Tally
from .swap import LASTING, Swap

log = logging.getLogger(__name__)

_CHECK_S = 2.0
_RETRY_S = 0.5
_REFUSALS = 3
_ACTOR = "gateway"


class Releasing(Protocol):
    """What the watch asks of the deployment manager; every call goes to the database."""

    def confirm(self, release_id: str | None = None, actor: str = "operator") -> Release:
        """End a release's trial: it stays."""
        ...

    def rollback_adapter(self, target_adapter: str | None = None, *, actor: str = "operator") -> dict[str, Any]:
        """Go back to an earlier release; ``success`` says whether, ``error`` why not."""
        ...

    def recover(self) -> list[str]:
        """Take back a trial whose deadline has passed."""
        ...


class Watch:
    """Keeps what is served equal to what the database says is live.

    * The pointer moved: the release is loaded, proven and routed to; a newer move overtakes one under way.
    * It cannot serve: an event says why, and the pointer goes back to what serves, or served before a restart.
    * On trial: confirmed once it has answered without engine errors for a while, which begins anew with each error;
      reverted at its deadline.
    * The engine lost its versions: they are loaded and proven anew.

    Args:
        bot: whose releases. store: where the pointer is. swap, router, engine: see there.
        deployer: confirms and goes back.
        config: how often to look, and how long a trial lasts at least.
        swapped: hears how each swap ended (``"done"``, ``"failed"``, ``"rolled_back"``) and the seconds it took.
    """

    def __init__(
        self,
        bot: str,
        store: Store,
        swap: Swap,
        router: Router,
        engine: Engine,
        *,
        deployer: Releasing,
        config: EngineConfig | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        swapped: Callable[[str, float], None] = lambda outcome, seconds: None,
    ) -> None:
        self._bot, self._store, self._swap, self._router, self._engine = bot, store, swap, router, engine
        self._deployer, self._config, self._now, self._swapped = deployer, config or EngineConfig(), now, swapped
        self._seen: str | None = ""  # of the release that is served or being brought; "" before the first look
        self._served_at, self._since = 0.0, Tally(0, 0)
        self._swapping: asyncio.Task[None] | None = None
        self._has_served = False
        self._looker = ThreadPoolExecutor(1, "watch")  # no crowd of requests stands before a rollback
        self.loop = Loop("the watch over the live release")

    async def start(self) -> None:
        """Bring what is live, then follow the pointer until ``close``."""
        await self._swap.start()
        await self._look()
        if self._swapping is not None:
            await asyncio.wait([self._swapping])
        self.loop.start(self._follow())

    async def close(self) -> None:
        """Stop following."""
        await self.loop.close()
        await ended(self._swapping)
        await self._swap.close()
        self._looker.shutdown(wait=False)

    async def _follow(self) -> None:
        checked = time.monotonic()
        while True:
            await asyncio.sleep(self._config.watch_s)
            try:
                live = await self._look()
                if time.monotonic() - checked >= min(_CHECK_S, self._config.confirm_after_s or _CHECK_S):
                    checked = time.monotonic()
                    await self._check(live)
            except Exception as error:  # whatever it was, a release that goes back must reach its users
                log.warning("the live release cannot be followed: %s", in_words(error))
                await asyncio.sleep(_RETRY_S)

    async def _look(self) -> Release | None:
        """Notice whether the pointer moved, and begin to follow it."""
        looking = asyncio.get_running_loop().run_in_executor(self._looker, self._store.releases.live, self._bot)
        live = await looking
        self._hear()
        if (live.id if live else None) != self._seen:
            if self._swapping is not None:
                self._swapping.cancel()
            self._seen = live.id if live else None
            self._served_at = 0.0
            self._swapping = asyncio.create_task(self._bring(live))
        return live

    def _hear(self) -> None:
        """Raise what a swap died of, so that it is told and the next look brings the release again."""
        task = self._swapping
        if task is not None and task.done() and not task.cancelled() and (error := task.exception()) is not None:
            self._swapping, self._seen = None, ""
            raise error

    async def _bring(self, release: Release | None) -> None:
        refusals, begun = 0, time.monotonic()
        while True:
            try:
                route = await self._swap.serve(release)
                back = release is not None and release.method == "rollback"
                self._has_served = True
                self._swapped("rolled_back" if back else "done", time.monotonic() - begun)
                self._served_at, self._since = time.monotonic(), self._router.tally(route.version)
                await self._tell("ReleaseServed", release, {"version": route.version})
                return
            except LASTING as error:
                await self._refuse(release, str(error))
                return
            except Exception as error:
                # an engine that was away may be back before it is asked how it is
                refusals += (await self._engine.health()).ready
                if refusals >= _REFUSALS:
                    await self._refuse(release, in_words(error))
                    return
                log.warning("release %s waits for the engine: %s", release.id if release else "base", in_words(error))
                await asyncio.sleep(_RETRY_S)

    async def _refuse(self, release: Release | None, reason: str) -> None:
        """Tell that a release cannot serve, and let the database say what does serve.

        Where nothing has served since the start, that is tried which served before, and the base alone if it cannot.
        """
        log.warning("release %s does not serve: %s", release.id if release else "base", reason)
        self._swapped("failed", 0.0)
        await self._tell("ReleaseFailed", release, {"reason": reason})
        if release is None:
            return
        serves = self._swap.live.release_id or "base"
        done: dict[str, Any] = {}
        for target in (serves,) if self._has_served else (None, serves):  # None: the release before this one
            done = await asyncio.to_thread(self._deployer.rollback_adapter, target, actor=_ACTOR)
            if done["success"]:
                return
        log.warning("the database still names release %s: %s", release.id, done["error"])

    async def _check(self, live: Release | None) -> None:
        if self._swapping is not None and not self._swapping.done():
            return
        if await self._swap.missing():
            self._seen = ""  # the next look brings it again
            return
        if live is None or live.status != "on_trial" or live.id != self._swap.live.release_id:
            return
        if live.trial_ends_at is not None and self._now() > live.trial_ends_at:
            await asyncio.to_thread(self._deployer.recover)
            return
        tally, wait_s = self._router.tally(self._swap.live.version), self._config.confirm_after_s
        if tally.failed != self._since.failed:
            self._served_at, self._since = time.monotonic(), tally
        answered = tally.begun > self._since.begun
        if wait_s and time.monotonic() - self._served_at >= wait_s and answered:
            await asyncio.to_thread(self._deployer.confirm, live.id, _ACTOR)

    async def _tell(self, kind: str, release: Release | None, facts: dict[str, Any]) -> None:
        if release is not None:
            told = {"release_id": release.id, **facts}
            await asyncio.to_thread(self._store.events.append, self._bot, kind, _ACTOR, told)
