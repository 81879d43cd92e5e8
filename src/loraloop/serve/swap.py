"""Load -> prove -> flip -> drain -> unload: how a release comes to answer users, and how it leaves.

Whatever goes wrong before the flip, the old release stays. What was live before is kept loaded and proven, so that the
way back is one flip.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from ..errors import ArtifactError, DeployError, EngineError, LoraloopError
from ..ports import ArtifactStore, Store
from ..types import Adapter, Release
from .engine import BASE, Engine
from .loops import ended
from .proof import PROBES, Calibration, Expected, calibrate, fault
from .router import Router, route_of
from .routes import Route

log = logging.getLogger(__name__)

MOST_LEAVING = 2
"""Versions that may still finish their last answers while another is loaded; each takes the memory of a whole one."""

Expect = Callable[[Adapter, Path], Awaitable[Expected | None]]
"""What an adapter's files give, computed apart from the engine; ``None`` where nothing can be."""


async def expect_nothing(adapter: Adapter, files: Path) -> Expected | None:
    """Only the difference from the base is asked for."""
    return None


class Swap:
    """Brings releases to an engine and routes to them.

    Args:
        bot: whose releases. store, artifacts: where they are. engine: who answers. router: whose table is flipped.
        expect: see ``Expect``.
        tolerance: least tolerance of a proof, in nats.
    """

    def __init__(
        self,
        bot: str,
        store: Store,
        artifacts: ArtifactStore,
        engine: Engine,
        router: Router,
        *,
        expect: Expect = expect_nothing,
        tolerance: float = 0.02,
    ) -> None:
        self._bot, self._store, self._artifacts = bot, store, artifacts
        self._engine, self._router = engine, router
        self._expect, self._tolerance = expect, tolerance
        self._calibration: Calibration | None = None
        self._key = f"engine:{bot}"  # where the names that this bot used are kept
        self._names: dict[str, str] = {}  # of adapters that are loaded and proven, by digest
        self._adapters: dict[str, Adapter] = {}  # those that were brought here, by id; what an id means never changes
        self._used: set[str] = set()
        self._preparing: dict[str, asyncio.Task[str]] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._live: Route = router.base
        self._before: Route | None = None
        self._may_return = True  # whether what was live before may still be asked for by its id
        self._candidate: Route | None = None

    @property
    def live(self) -> Route:
        """What serves now."""
        return self._live

    @property
    def candidate(self) -> Route | None:
        """What stands beside it, if anything does."""
        return self._candidate

    async def start(self) -> None:
        """Take stock of an engine that served before: none of its names is trusted or used again, and ours are let go.

        Names of others (another gateway may share the engine) are left alone.
        """
        served = set((await self._engine.health()).versions)
        ours = set(await asyncio.to_thread(self._store.state.read, self._key) or ())
        self._used |= served | ours
        self._calibration = await calibrate(self._engine, self._tolerance)
        for name in served & ours - set(self._names.values()):
            self._let_go(name)

    async def serve(self, release: Release | None) -> Route:
        """Let a release be live (``None``: the base alone); returns its route once it answers.

        A rollback whose target is loaded flips at once, without a look into the database. One whose target is not
        withdraws what is live at once: the base stands in meanwhile. What was withdrawn cannot be asked for by its id.

        Raises:
            DeployError, ArtifactError: it cannot serve, and why; what was live stays. EngineError: the engine is away.
        """
        start = time.monotonic()
        back = release is not None and release.method == "rollback"
        if release is not None and back and not await self._is_warm(release):
            log.warning("release %s is not loaded any more; the base answers until it is", release.id)
            self._flip(self._router.base, withdraw=True)
        route = await self._loaded(release)
        if self._candidate is not None and not self._serves(self._candidate):
            self._candidate = None  # the engine lost it; whoever stood it sees that
        self._flip(route, withdraw=back)
        seconds = time.monotonic() - start
        log.info("release %s answers as %s after %.2f s", route.release_id, route.version, seconds)
        return route

    async def stand_candidate(self, release: Release | None) -> Route | None:
        """Let a release answer as ``candidate`` beside the live one; ``None`` withdraws it.

        Raises:
            DeployError, ArtifactError, EngineError: as ``serve``.
        """
        self._candidate = None if release is None else await self._loaded(release)
        self._flip(self._live)
        return self._candidate

    async def missing(self) -> bool:
        """Whether the engine has lost a version that is routed to (it was restarted); such are then loaded anew."""
        health = await self._engine.health()
        lost = {digest for digest, name in self._names.items() if name not in health.versions}
        if not health.ready or not lost:
            return False
        gone = {self._names.pop(digest) for digest in lost}
        log.warning("the engine lost %s", ", ".join(sorted(gone)))
        if self._before is not None and self._before.version in gone:
            self._before = None
        return self._live.version in gone or (self._candidate is not None and self._candidate.version in gone)

    async def close(self) -> None:
        """Stop what is still being prepared or drained; the engine is left as it is."""
        for task in (*self._preparing.values(), *self._leaving):
            await ended(task)

    # -- the steps ----------------------------------------------------------------------------------------------------

    async def _loaded(self, release: Release | None) -> Route:
        """The route of a release, loaded as this returns: another swap may clean up in the moment before."""
        while not self._serves(route := await self._route(release)):
            log.debug("%s left before it was routed to", route.version)
        return route

    async def _route(self, release: Release | None) -> Route:
        if release is None:
            return self._router.base
        adapter = await self._adapter(release)
        if adapter is None:
            return route_of(release, BASE)
        name = self._names.get(adapter.digest)
        return route_of(release, name or await self._prepared(adapter))

    async def _adapter(self, release: Release) -> Adapter | None:
        if release.adapter_id is None:
            return None
        known = self._adapters.get(release.adapter_id)
        if known is not None and known.digest in self._names:
            return known
        adapter = await asyncio.to_thread(self._store.adapters.get, release.adapter_id)
        if adapter is None:
            raise DeployError(f"adapter {release.adapter_id} of release {release.id} is not stored any more")
        return adapter

    async def _is_warm(self, release: Release) -> bool:
        try:
            adapter = await self._adapter(release)
        except LoraloopError:
            return False
        return adapter is None or adapter.digest in self._names

    async def _prepared(self, adapter: Adapter) -> str:
        """Load and prove an adapter once, whoever asks; goes on when the asker is cancelled."""
        task = self._preparing.get(adapter.digest)
        if task is None:
            task = asyncio.create_task(self._prepare(adapter))
            self._preparing[adapter.digest] = task
            task.add_done_callback(lambda done: self._settled(adapter.digest, done))
        return await asyncio.shield(task)

    def _settled(self, digest: str, task: asyncio.Task[str]) -> None:
        self._preparing.pop(digest, None)
        if not task.cancelled():
            task.exception()  # heard, also where the asker was cancelled

    async def _prepare(self, adapter: Adapter) -> str:
        await self._room()
        files = await asyncio.to_thread(self._artifacts.verified, adapter.digest)
        expected = await self._expect(adapter, files)
        if self._calibration is None:
            await self.start()
        assert self._calibration is not None  # start() measured it
        name = await self._fresh_name(adapter.digest)
        await self._engine.load(name, files, adapter.digest)
        try:
            wrong = fault(await self._engine.logprobs(name, PROBES), self._calibration, expected)
            if wrong:
                raise DeployError(f"adapter {adapter.id} does not serve: {wrong}")
        except BaseException:
            with contextlib.suppress(LoraloopError):
                await self._engine.unload(name)
            raise
        self._names[adapter.digest], self._adapters[adapter.id] = name, adapter
        return name

    async def _room(self) -> None:
        """Wait until few enough versions are leaving, so that swaps faster than answers do not fill the memory."""
        if len(self._leaving) >= MOST_LEAVING:
            log.warning("%d versions still finish answers; the next is loaded when one has left", len(self._leaving))
        while len(self._leaving) >= MOST_LEAVING:
            await asyncio.wait(self._leaving, return_when=asyncio.FIRST_COMPLETED)

    async def _fresh_name(self, digest: str) -> str:
        name, number = f"ll-{digest[:16]}", 1
        while name in self._used:
            number += 1
            name = f"ll-{digest[:16]}-{number}"
        self._used.add(name)
        await asyncio.to_thread(self._store.state.write, self._key, sorted(self._used))
        return name

    def _flip(self, route: Route, *, withdraw: bool = False) -> None:
        if route.version != self._live.version and self._live.version != BASE:
            self._before, self._may_return = self._live, not withdraw
        self._live = route
        before = self._before if self._may_return else None
        warm = [before] if before is not None and self._serves(before) else []
        self._router.flip(route, self._candidate, warm)
        self._tidy()

    def _serves(self, route: Route) -> bool:
        return route.version == BASE or route.version in self._names.values()

    def _tidy(self) -> None:
        """Let go of versions that nothing leads to, once their last answer has ended."""
        kept = {route.version for route in (self._live, self._before, self._candidate) if route is not None}
        for digest, name in list(self._names.items()):
            if name not in kept:
                del self._names[digest]
                self._let_go(name)

    def _let_go(self, name: str) -> None:
        task = asyncio.create_task(self._leave(name))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def _leave(self, name: str) -> None:
        await self._router.drained(name)
        try:
            await self._engine.unload(name)
        except EngineError as error:
            log.warning("%s could not be unloaded: %s", name, error)


LASTING = (DeployError, ArtifactError)
"""Errors that another try would only repeat."""
