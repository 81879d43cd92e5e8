"""A home's gateway put together: which engine answers, which routes, and where what was said is kept."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from .archive import HomeArchive
from .data.review import ReviewQueue
from .errors import SettingsError, UsageError
from .job_board import HomeBoard
from .serve.config import ServeConfig
from .serve.engine import Engine
from .serve.job_board import Recipe
from .serve.keys import new_key
from .serve.routes import Routes

if TYPE_CHECKING:
    from fastapi import FastAPI

    from .wiring import Home

Around = Callable[[], AbstractAsyncContextManager[object]] | None
"""What is up while the gateway is; ``None`` where only the engine is."""

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def upstream(home: Home, config: ServeConfig) -> tuple[Engine, Routes, Around]:
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
    return UpstreamEngine(config.upstream, config.upstream_model, key), routes, None


def own(home: Home, kind: str) -> tuple[Engine, Routes, Around]:
    """An engine that serves the home's releases: what is live is loaded, proved and followed."""
    from .engines import engine_of, serving_of

    config = home.settings.engine.model_copy(update={"kind": kind})
    parts = serving_of(home, engine=engine_of(home, config))

    @asynccontextmanager
    async def around() -> AsyncIterator[None]:
        await parts.start()
        try:
            yield
        finally:
            await parts.close()

    return parts.engine, parts.router, around


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
    made, routes, around = upstream(home, config) if engine == "upstream" else own(home, engine)
    archive = HomeArchive(home.store, home.bot, home.secret)
    train = home.settings.train
    recipe = Recipe(home.settings.base.model, train.seed, train.epochs, train.batch_size)
    reviews = ReviewQueue(home.store, home.bot, home.settings.data)
    board = HomeBoard(home.store, home.bot, recipe, home.settings.jobs.max_errors)
    return create_app(made, routes, archive, config, secret=home.secret, jobs=board, around=around, reviews=reviews)


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
