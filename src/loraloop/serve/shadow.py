"""A shadow: what users asked the live release is asked of the candidate too; its answer is compared, never shown."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from time import perf_counter
from typing import TYPE_CHECKING

from ..errors import EngineError, LoraloopError, UnknownThing
from ..traffic import MIRRORED
from .answering import Answering
from .chat_request import ask_of
from .keeping import Request, record, served
from .loops import ended
from .routes import Route
from .sieve import Sieve
from .trials import Trials

if TYPE_CHECKING:
    from .gateway import Gateway

log = logging.getLogger(__name__)

MOST_AT_ONCE = 4
"""Unseen answers in the making; while so many are, further requests are not mirrored: users wait for the engine too."""


class Shadow:
    """Asks the candidate what the live release has just answered, off the request's path.

    Args:
        gateway: whose engine, routes and guards. trials: hears how it went.
    """

    def __init__(self, gateway: Gateway, trials: Trials) -> None:
        self._gateway, self._trials = gateway, trials
        self._under_way: set[asyncio.Task[None]] = set()

    def follow(self, request: Request, answers: Sequence[Answering]) -> None:
        """Begin the unseen answer to a request that was answered whole; returns at once."""
        mirror_id = request.route.mirror_id
        if mirror_id is None or answers[0].state == "aborted":
            return
        if len(self._under_way) >= MOST_AT_ONCE:
            self._gateway.metrics.experimented("mirrored not")
            return
        task = asyncio.create_task(self._answer(request, mirror_id, answers[0].sieve.shown))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def close(self) -> None:
        """Drop what is under way."""
        for task in list(self._under_way):
            await ended(task)

    async def _answer(self, request: Request, mirror_id: str, seen: str) -> None:
        try:
            async with self._gateway.routes.hold(mirror_id, None) as held:
                route = _unseen(held, request.route)
                await self._ask(request, route, seen)
        except UnknownThing:  # the experiment ended a moment ago
            self._gateway.metrics.experimented("mirrored not")
        except LoraloopError as error:  # counted where it happened
            log.debug("an unseen answer failed: %s", type(error).__name__)

    async def _ask(self, request: Request, route: Route, seen: str) -> None:
        gateway, began = self._gateway, perf_counter()
        ask = ask_of(request.body, request.said, route, 0)
        one = Answering(gateway.engine, ask, Sieve(gateway.guards, request.question), began)
        try:
            async with asyncio.timeout(gateway.config.total_timeout_s):
                await one.run()
        except (EngineError, TimeoutError) as error:
            gateway.metrics.experimented("mirrored failed")
            await self._trials.answered(route, request.user, failed=True, mirrored=True)
            if isinstance(error, EngineError):
                raise
            raise EngineError("an unseen answer took too long") from error
        seconds, guard = perf_counter() - began, one.guard
        beside = "guarded" if guard else "same" if one.sieve.shown == seen else "different"
        gateway.metrics.experimented(f"mirrored {beside}")
        await self._trials.answered(
            route, request.user, guard_hit=bool(guard), latency_s=None if guard else seconds,
            length_chars=None if guard else len(one.sieve.shown), mirrored=True,
        )  # fmt: skip
        await self._keep(request, route, one, seconds)

    async def _keep(self, request: Request, route: Route, one: Answering, seconds: float) -> None:
        unseen = Request(
            f"{request.id}-unseen", request.at, request.began, request.body.model_copy(update={"store": False}),
            request.said, request.question, request.user, request.group, route, [],
        )  # fmt: skip
        facts = {
            "state": MIRRORED, "guard": one.guard, "finish": one.finish, "prompt_tokens": one.prompt_tokens,
            "completion_tokens": one.completion_tokens, "first_token_s": one.first_s, "seconds": seconds,
        }  # fmt: skip
        await record(self._gateway, [served(self._gateway, unseen, 0, "", facts)], must=False)


def _unseen(candidate: Route, seen: Route) -> Route:
    """The candidate's route as part of the experiment that asked for it."""
    return Route(
        candidate.model, candidate.version, candidate.release_id, candidate.system_prompt, candidate.decoding,
        experiment_id=seen.experiment_id, arm="candidate",
    )  # fmt: skip
