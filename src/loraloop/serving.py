"""A home's gateway put together: which engine answers, which routes, and where what was said is kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from .archive import HomeArchive
from .errors import SettingsError, UsageError
from .serve.config import ServeConfig
from .serve.engine import Engine
from .serve.keys import new_key
from .serve.routes import Routes

if TYPE_CHECKING:
    from fastapi import FastAPI

    from .wiring import Home

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def upstream(home: Home, config: ServeConfig) -> tuple[Engine, Routes]:
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
    return UpstreamEngine(config.upstream, config.upstream_model, key), FixedRoutes(
        system_prompt=base.system_prompt, decoding=base.decoding()
    )


ENGINES: dict[str, Callable[[Home, ServeConfig], tuple[Engine, Routes]]] = {"upstream": upstream}
"""What may answer, by name: each gives an engine and the routes to its versions."""


def open_gateway(home: Home, config: ServeConfig, engine: str = "upstream") -> FastAPI:
    """Return the gateway of an open home.

    Args:
        config: the settings, with what the command line says instead.
        engine: a name of ``ENGINES``.

    Raises:
        UsageError: there is no such engine, or the address is not this machine's and nobody has a key.
        SettingsError: an engine or a guard cannot be set up.
    """
    from .serve.gateway import create_app

    if engine not in ENGINES:
        raise UsageError(f"no engine {engine!r}", hint=f"one of {', '.join(ENGINES)}")
    if config.host not in LOOPBACK and not _has_key(home):
        raise UsageError(
            f"{config.host} can be reached by others, and nobody has a key",
            hint="loraloop keys create --role chat, then serve",
        )
    made, routes = ENGINES[engine](home, config)
    return create_app(made, routes, HomeArchive(home.store, home.bot, home.secret), config, secret=home.secret)


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
