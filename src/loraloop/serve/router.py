"""The routes of a gateway: one table, replaced in one step; a request keeps the route it began with."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace

from ..errors import EngineError, UnknownThing
from ..experiments import Assignment
from ..types import Release
from .engine import BASE
from .routes import CANDIDATE, LIVE, Route

Assign = Callable[[str], Awaitable[Assignment]]
"""Which release a user (a pseudonym) gets; it may take as long as a write to the database."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Answers of a version: begun, and failed because of the engine."""

    begun: int
    failed: int


def route_of(release: Release, version: str) -> Route:
    """The route of a release, under its own id."""
    return Route(
        release.id,
        version,
        release.id,
        str(release.serving.get("system_prompt", "")),
        dict(release.serving.get("decoding", {})),
    )


class Router:
    """See ``Routes``. Everything here happens on one event loop, so a flip is one assignment between two requests.

    Args:
        base: the route of the base alone; what is live while nothing was ever released.
        assign: tells which release a user of ``live`` gets while a candidate stands; ``None``: always the live one.
    """

    def __init__(self, base: Route | None = None, assign: Assign | None = None) -> None:
        self._base = base or Route(BASE, BASE, None)
        self._table: dict[str, Route] = {}
        self._held: Counter[str] = Counter()
        self._begun: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()
        self._ended = asyncio.Condition()
        self.assign = assign
        self.flip(self._base)

    @property
    def live(self) -> Route:
        """What the alias ``live`` leads to now."""
        return self._table[LIVE]

    @property
    def base(self) -> Route:
        """The route of the base alone."""
        return self._base

    def models(self) -> Sequence[Route]:
        """See ``Routes.models``."""
        return tuple(self._table.values())

    def flip(self, live: Route, candidate: Route | None = None, others: Iterable[Route] = ()) -> None:
        """Replace every route in one step.

        Args:
            others: further releases that are loaded; each may be named by its id.
        """
        table = {LIVE: replace(live, model=LIVE)}
        if candidate is not None:
            table[CANDIDATE] = replace(candidate, model=CANDIDATE)
        table[BASE] = self._base
        for route in (live, candidate, *others):
            if route is not None and route.release_id is not None:
                table.setdefault(route.release_id, replace(route, model=route.release_id))
        self._table = table

    def hold(self, model: str, user: str | None) -> AbstractAsyncContextManager[Route]:
        """See ``Routes.hold``."""
        return self._holding(model, user)

    def held(self, version: str) -> int:
        """Requests in flight on a version."""
        return self._held[version]

    def tally(self, version: str) -> Tally:
        """Answers of a version since the gateway started."""
        return Tally(self._begun[version], self._failed[version])

    async def drained(self, version: str) -> None:
        """Wait until no request is in flight on a version."""
        async with self._ended:
            await self._ended.wait_for(lambda: not self._held[version])

    @asynccontextmanager
    async def _holding(self, model: str, user: str | None) -> AsyncIterator[Route]:
        assigned = None
        if model == LIVE and user is not None and self.assign is not None and CANDIDATE in self._table:
            assigned = await self.assign(user)
        route = self._chosen(model, assigned)  # no step between this and the count: what is routed to is held
        self._held[route.version] += 1
        self._begun[route.version] += 1
        try:
            yield route
        except EngineError:
            self._failed[route.version] += 1
            raise
        finally:
            self._held[route.version] -= 1
            async with self._ended:
                self._ended.notify_all()

    def _chosen(self, model: str, assigned: Assignment | None) -> Route:
        route = self._table.get(model)
        if route is None:
            raise UnknownThing(f"no model {model!r} is served", hint="see GET /v1/models")
        if assigned is None or not assigned.arm:
            return route
        arms = {one.release_id: one for one in (self._table.get(CANDIDATE), route) if one is not None}
        chosen = arms.get(assigned.release_id)
        if chosen is None:  # it was withdrawn or replaced a moment ago: the live release answers, and is not counted
            return route
        return replace(
            chosen, model=LIVE, experiment_id=assigned.experiment_id, arm=assigned.arm, mirror_id=assigned.mirror_id
        )
