"""A home's gateway put together: which engine answers, which routes, and where what was said is kept."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from .archive import HomeArchive
from .data.review import ReviewQueue
from .errors import SettingsError, UsageError
from .job_board import HomeBoard
from .keeper import ApartKeeper
from .serve.config import ServeConfig
from .serve.engine import Engine
from .serve.job_board import Recipe
from .serve.keys import new_key
from .serve.loops import Loop
from .serve.metrics import Metrics
from .serve.routes import Routes
from .serve.trials import Trials
from .serving_sign import ServingSign
from .upkeep import looked_after, upkeep_loop

if TYPE_CHECKING:
    from fastapi import FastAPI

    from .wiring import Home

Around = Callable[[], AbstractAsyncContextManager[object]]


@dataclass(frozen=True, slots=True)
class Answerers:
    """Who answers behind a gateway's HTTP.

    Attributes:
        around: what is up while the gateway is. trials: the experiment's side; ``None`` where no release is served.
        metrics: where they count; ``None`` where they do not. loops: what must go on meanwhile.
    """

    engine: Engine
    routes: Routes
    around: Around
    trials: Trials | None = None
    metrics: Metrics | None = None
    loops: Sequence[Loop] = ()


LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def upstream(home: Home, config: ServeConfig) -> Answerers:
    """Another server that speaks OpenAI's API; what it says is kept like a release's answers, without a release.

    Raises:
        SettingsError: no server is named, or the file of its key cannot be read.
    """
    from .serve.upstream import FixedRoutes, UpstreamEngine

    if not config.upstream.startswith(("http://", "https://")):
        raise SettingsError("no upstream server is named", hint="loraloop serve --upstream http://HOST:PORT/v1")
    key = ""
    if config.upstream_key_file:
        try:
            key = Path(config.upstream_key_file).expanduser().read_text(encoding="utf-8").strip()
        except OSError as error:
            raise SettingsError(f"[serve] upstream_key_file: {error.strerror}", hint="name a readable file") from error
    base = home.settings.base
    routes = FixedRoutes(system_prompt=base.system_prompt, decoding=base.decoding())
    engine = UpstreamEngine(config.upstream, config.upstream_model, key)
    upkeep = upkeep_loop()
    around = lambda: _up(home, engine.start, engine.close, config.upkeep_s, upkeep)  # noqa: E731
    return Answerers(engine, routes, around, loops=(upkeep,))


def own(home: Home, kind: str, config: ServeConfig) -> Answerers:
    """An engine that serves the home's releases: what is live, and what an experiment tries, is loaded and proved."""
    from .engines import engine_of, serving_of

    chosen = home.settings.engine.model_copy(update={"kind": kind})
    parts = serving_of(home, engine=engine_of(home, chosen))
    upkeep = upkeep_loop()
    around = lambda: _up(home, parts.start, parts.close, config.upkeep_s, upkeep)  # noqa: E731
    return Answerers(parts.engine, parts.router, around, parts.trials, parts.metrics, (*parts.loops, upkeep))


@asynccontextmanager
async def _up(
    home: Home,
    start: Callable[[], Awaitable[None]],
    close: Callable[[], Awaitable[None]],
    upkeep_s: float,
    upkeep: Loop,
) -> AsyncIterator[None]:
    try:
        await start()
        async with looked_after(home, upkeep_s, upkeep):
            yield
    finally:
        await close()


@asynccontextmanager
async def _under(sign: ServingSign, around: Around) -> AsyncIterator[None]:
    """The parts are up, and training on this machine gives way to them from their start on."""
    async with AsyncExitStack() as stack:
        stack.enter_context(sign.shown())
        with sign.answering():  # what is measured at the start, such as threads, must not be measured beside a training
            await stack.enter_async_context(around())
        yield


def computes_here(kind: str, config: ServeConfig, urls: Sequence[str]) -> bool:
    """Whether the model that answers runs on this machine, as far as the settings tell."""
    asked = {"upstream": (config.upstream,), "vllm": urls}
    return kind not in asked or any(urlsplit(url).hostname in LOOPBACK for url in asked[kind])


ENGINES = ("embedded", "vllm", "upstream")
"""What may answer, by name."""


def open_gateway(home: Home, config: ServeConfig, engine: str | None = None) -> FastAPI:
    """Return the gateway of an open home.

    Args:
        config: the settings, with what the command line says instead.
        engine: a name of ``ENGINES``; ``None`` takes the upstream where one is named, else what ``[engine] kind`` says.

    Raises:
        UsageError: there is no such engine, or the address is not this machine's and nobody has a key.
        SettingsError: an engine or a guard cannot be set up.
    """
    from .serve.gateway import create_app

    engine = engine or ("upstream" if config.upstream else home.settings.engine.kind)
    if engine not in ENGINES:
        raise UsageError(f"no engine {engine!r}", hint=f"one of {', '.join(ENGINES)}")
    if config.host not in LOOPBACK and not _has_key(home):
        raise UsageError(
            f"{config.host} can be reached by others, and nobody has a key",
            hint="loraloop keys create --role chat, then serve",
        )
    made = upstream(home, config) if engine == "upstream" else own(home, engine, config)
    archive = HomeArchive(home.store, home.bot, home.secret)
    keeper = None if config.capture == "off" else ApartKeeper(home)
    train = home.settings.train
    recipe = Recipe(home.settings.base.model, train.seed, train.epochs, train.batch_size)
    reviews = ReviewQueue(home.store, home.bot, home.settings.data)
    board = HomeBoard(home.store, home.bot, recipe, home.settings.jobs.max_errors)
    sign = ServingSign(home.folder)
    here = computes_here(engine, config, home.settings.engine.urls)
    around = (lambda: _under(sign, made.around)) if here else made.around
    return create_app(
        made.engine, made.routes, archive, config, keeper=keeper, secret=home.secret, around=around, trials=made.trials,
        metrics=made.metrics, jobs=board, reviews=reviews, loops=made.loops, answering=sign.answering,
    )  # fmt: skip


def first_key(home: Home) -> str | None:
    """Make the first key of a home, for its owner; ``None`` where there is one already. It is shown once."""
    if _has_key(home):
        return None
    from datetime import UTC, datetime

    text, key = new_key(["admin"], "first", datetime.now(UTC))
    home.store.keys.add(key)
    return text


def _has_key(home: Home) -> bool:
    return any(key.revoked_at is None for key in home.store.keys.list())
