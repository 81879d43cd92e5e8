"""The gateway's parts in one place, and the app over them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from .archive import Archive
from .chat import ChatEndpoint
from .config import ServeConfig
from .documents import describe
from .door import Door
from .engine import Engine
from .feedback import Tokens
from .guards import Guard, guards_of
from .job_board import JobBoard
from .job_paths import add_job_paths
from .keys import KeyRing
from .limits import Buckets
from .loops import Loop
from .metrics import Metrics
from .paths import add_paths
from .recorder import Keeper, Recorder
from .reviews import Reviews
from .routes import Routes
from .shadow import Shadow
from .trials import Trials

log = logging.getLogger(__name__)

Answering = Callable[[], AbstractContextManager[object]]
Around = Callable[[], AbstractAsyncContextManager[object]]

CHAT_PATH = "/v1/chat/completions"
NO_TELEMETRY: TelemetryConfig = {"auto_configure": False, "tracing": False, "metrics": False, "logs": False}
"""FastAPI would send traces wherever the environment says; what is measured here is measured in ``metrics.py``."""


@dataclass
class Gateway:
    """Everything that answers requests.

    Attributes:
        trials: the experiment's side; ``None`` where nobody deals users. shadow: mirrors requests to its candidate.
        jobs: the bot's durable jobs; ``None`` where nobody does them.
        loops: what must go on meanwhile, such as automatic rollbacks.
        answering: entered around each answer, so that others on the machine may give way to it.
        draining: no new request is taken. active: requests being answered now.
    """

    engine: Engine
    routes: Routes
    archive: Archive
    config: ServeConfig
    tokens: Tokens
    guards: tuple[Guard, ...]
    recorder: Recorder
    keeper: Keeper | None
    ring: KeyRing
    buckets: Buckets
    reviews: Reviews | None = None
    metrics: Metrics = field(default_factory=Metrics)
    trials: Trials | None = None
    shadow: Shadow | None = None
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    jobs: JobBoard | None = None
    loops: Sequence[Loop] = ()
    answering: Answering = nullcontext
    draining: bool = False
    active: int = 0

    @property
    def stopped(self) -> str:
        """What does not go on any more and should, in words; empty while all does."""
        return "; ".join(f"{loop.name} has stopped" for loop in self.loops if loop.has_stopped)

    async def unready(self) -> str:
        """Why no request can be answered now, in words; empty where one can."""
        if self.draining:
            return "shutting down"
        if self.config.capture == "strict" and self.recorder.is_broken:
            return "exchanges cannot be stored"
        health = await self.engine.health()
        return "" if health.ready else health.reason or "the engine is not ready"


def create_app(
    engine: Engine,
    routes: Routes,
    archive: Archive,
    config: ServeConfig | None = None,
    *,
    keeper: Keeper | None = None,
    secret: bytes = b"",
    jobs: JobBoard | None = None,
    around: Around | None = None,
    reviews: Reviews | None = None,
    trials: Trials | None = None,
    metrics: Metrics | None = None,
    loops: Sequence[Loop] = (),
    answering: Answering = nullcontext,
) -> FastAPI:
    """Return the gateway as an ASGI app; it closes the keeper when it ends, and not the archive.

    Args:
        engine: runs the model.
        routes: says which version answers.
        archive: keeps exchanges, opinions and keys.
        config: settings.
        keeper: stores exchanges, in the archive's place.
        secret: key of the presigned tokens; the home's.
        jobs: the bot's durable jobs, for /v1/fine_tuning/jobs.
        around: what is up while the app is; ``None`` starts the engine before the first request and closes it after
            the last.
        reviews: the queue of answers that wait for a person; ``None`` where there is none.
        trials: hears how answers went and what users said of them; whoever made it starts and closes it.
        metrics: where it is counted; ``None`` makes new ones.
        loops: what must go on meanwhile; ``/readyz`` names what has stopped.
        answering: entered around each answer.

    Raises:
        SettingsError: a guard's list cannot be read.
    """
    chosen = config or ServeConfig()
    gateway = Gateway(
        engine=engine,
        routes=routes,
        archive=archive,
        config=chosen,
        tokens=Tokens(secret, chosen.feedback_token_hours if secret else 0),
        guards=guards_of(chosen),
        recorder=Recorder((keeper or archive).keep, chosen.queue),
        keeper=keeper,
        ring=KeyRing(archive.keys),
        buckets=Buckets(chosen.requests_per_minute, chosen.burst),
        reviews=reviews,
        metrics=metrics or Metrics(),
        trials=trials,
        jobs=jobs,
        loops=loops,
        answering=answering,
    )
    gateway.shadow = Shadow(gateway, trials) if trials is not None else None
    _watch(gateway)

    return _app_over(gateway, around or (lambda: _running(engine)))


def _app_over(gateway: Gateway, around: Around) -> FastAPI:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        try:
            async with around():
                yield
                if gateway.shadow is not None:
                    await gateway.shadow.close()
        finally:
            if not await asyncio.to_thread(gateway.recorder.close):
                log.warning("%d exchanges were not stored before the end", gateway.recorder.waiting)
            if gateway.keeper is not None:
                await asyncio.to_thread(gateway.keeper.close)

    app = GatewayApp(title="loraloop gateway", docs_url=None, redoc_url=None, lifespan=lifespan, telemetry=NO_TELEMETRY)
    app.state.gateway, app.state.door = gateway, Door(gateway)
    app.router.redirect_slashes = False
    app.router.routes.append(Route(CHAT_PATH, ChatEndpoint(gateway), methods=["POST"]))
    add_paths(app, gateway)
    add_job_paths(app, gateway)
    app.add_middleware(app.state.door.before)
    describe(app)
    return app


class GatewayApp(FastAPI):
    """FastAPI, but for the busiest path: a chat goes through the same door and past FastAPI's own layers."""

    def build_middleware_stack(self) -> ASGIApp:
        """Return what a request meets first."""
        rest = super().build_middleware_stack()
        chat = self.state.door.before(ChatEndpoint(self.state.gateway))

        async def first(scope: Scope, receive: Receive, send: Send) -> None:
            is_chat = scope.get("path") == CHAT_PATH and scope.get("method") == "POST"
            await (chat if is_chat else rest)(scope, receive, send)

        return first


@asynccontextmanager
async def _running(engine: Engine) -> AsyncIterator[None]:
    await engine.start()
    try:
        yield
    finally:
        await engine.close()


def _watch(gateway: Gateway) -> None:
    recorder, metrics = gateway.recorder, gateway.metrics
    numbers: dict[str, tuple[str, Callable[[], Any]]] = {
        "capture_stored": ("Exchanges stored.", lambda: recorder.stored),
        "capture_dropped": ("Exchanges that found the queue full.", lambda: recorder.dropped),
        "capture_failed": ("Exchanges lost because the store failed.", lambda: recorder.failed),
        "capture_waiting": ("Exchanges waiting to be stored.", lambda: recorder.waiting),
        "loops_stopped": (
            "Loops that have stopped and should go on; /readyz names them.",
            lambda: sum(loop.has_stopped for loop in gateway.loops),
        ),
        "active_requests": ("Requests being answered.", lambda: gateway.active),
    }
    if gateway.jobs is not None:
        numbers["jobs_yielded_seconds"] = ("For how long jobs stood aside for users.", gateway.jobs.yielded_s)
    for name, (meaning, read) in numbers.items():
        metrics.watch(name, meaning, read)
