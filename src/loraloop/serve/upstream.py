"""Any OpenAI-compatible server as the engine, for logging what it says: it can neither load adapters nor be proved."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from ..errors import EngineError, UnknownThing
from .engine import BASE, Ask, Health, Piece, Probe
from .routes import LIVE, Route

CONNECT_S, HEALTH_S, END_S = 5.0, 2.0, 0.5
CONNECTIONS = 1024
_CANNOT = "an upstream server loads no adapters here: it is only asked and logged"
_HINT = "use an engine that serves adapters"


class UpstreamEngine:
    """Asks a foreign server over one pooled session.

    Args:
        url: where its API begins, for example ``http://127.0.0.1:8000/v1``.
        model: named to it; empty takes the first that it lists.
        key: sent to it and to nobody else; redirects are not followed.
    """

    def __init__(self, url: str, model: str = "", key: str = "") -> None:
        self._url, self._model = url.rstrip("/"), model
        self._headers = {"authorization": f"Bearer {key}"} if key else {}
        self._session: aiohttp.ClientSession | None = None
        self._active = 0

    async def start(self) -> None:
        """Open the session; a server that is away may come later."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=30),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S),
            headers=self._headers,
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def load(self, version: str, adapter: Path, digest: str = "") -> None:
        """Refuse."""
        raise EngineError(_CANNOT, hint=_HINT)

    async def unload(self, version: str) -> None:
        """Refuse."""
        raise EngineError(_CANNOT, hint=_HINT)

    async def logprobs(self, version: str, probes: Sequence[Probe]) -> list[float]:
        """Refuse."""
        raise EngineError("an upstream server's weights cannot be proved", hint=_HINT)

    async def stream(self, ask: Ask) -> AsyncIterator[Piece]:
        """Ask; every read from the network becomes one piece."""
        body = _body(ask, await self._model_of(ask.version))
        reading = _Reading()
        self._active += 1
        try:
            async with self._open().post(f"{self._url}/chat/completions", json=body, allow_redirects=False) as response:
                if response.status != 200:
                    raise EngineError(f"the upstream server refused ({response.status})", hint="see its log")
                async for raw in response.content.iter_any():
                    text = reading.feed(raw)
                    if reading.done:
                        break
                    if text:
                        yield Piece(text, "", reading.prompt_tokens, reading.completion_tokens)
                if not reading.finish:
                    raise EngineError("the upstream server stopped without an end", hint="see its log")
                await _to_the_end(response)
                yield Piece(reading.rest(), reading.finish, reading.prompt_tokens, reading.completion_tokens)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise EngineError(f"the upstream server is away ({type(error).__name__})", hint="start it") from error
        finally:
            self._active -= 1

    async def health(self) -> Health:
        """Whether it lists its models."""
        try:
            names = await self._names()
        except EngineError as error:
            return Health(ready=False, reason=str(error), active=self._active)
        return Health(ready=True, active=self._active, versions=tuple(names))

    async def close(self) -> None:
        """Let go of the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise EngineError("the upstream engine was not started", hint="call start() first")
        return self._session

    async def _model_of(self, version: str) -> str:
        if version not in ("", BASE):
            return version
        if not self._model:
            self._model = next(iter(await self._names()), "")
        return self._model

    async def _names(self) -> list[str]:
        try:
            timeout = aiohttp.ClientTimeout(total=HEALTH_S)
            async with self._open().get(f"{self._url}/models", timeout=timeout, allow_redirects=False) as response:
                if response.status != 200:
                    raise EngineError(f"the upstream server refused ({response.status})", hint="see its log")
                return [str(one["id"]) for one in (await response.json(content_type=None))["data"]]
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError, KeyError, TypeError) as error:
            raise EngineError(f"the upstream server is away ({type(error).__name__})", hint="start it") from error


class _Reading:
    """Server-sent events, as they arrive in pieces that end anywhere."""

    def __init__(self) -> None:
        self._buffer = b""
        self._rest = ""
        self.finish = ""
        self.done = False
        self.prompt_tokens = self.completion_tokens = 0

    def feed(self, raw: bytes) -> str:
        """Take bytes; returns the text in them. What comes with the end is kept for ``rest``."""
        *events, self._buffer = (self._buffer + raw).replace(b"\r\n", b"\n").split(b"\n\n")
        text = ""
        for event in events:
            for line in event.split(b"\n"):
                if line.startswith(b"data:"):
                    text += self._line(line[5:].strip())
        if self.done:
            self._rest, text = text, ""
        return text

    def rest(self) -> str:
        """Text that came in the same read as the end."""
        return self._rest

    def _line(self, data: bytes) -> str:
        if data == b"[DONE]":
            self.done = True
            return ""
        value: Mapping[str, Any] = json.loads(data)
        if "error" in value:
            raise EngineError("the upstream server failed while it answered", hint="see its log")
        if value.get("usage"):
            self.prompt_tokens = int(value["usage"]["prompt_tokens"])
            self.completion_tokens = int(value["usage"]["completion_tokens"])
        text = ""
        for choice in value.get("choices") or ():
            text += (choice.get("delta") or {}).get("content") or ""
            if text and not value.get("usage"):
                self.completion_tokens += 1
            if choice.get("finish_reason"):
                self.finish = "length" if choice["finish_reason"] == "length" else "stop"
        return text


class FixedRoutes:
    """One route that never moves, under the names ``live`` and ``base``.

    Args:
        system_prompt, decoding: put before and asked of every conversation, as a release would.
    """

    def __init__(self, version: str = BASE, system_prompt: str = "", decoding: Mapping[str, Any] | None = None) -> None:
        facts = {"version": version, "release_id": None, "system_prompt": system_prompt, "decoding": decoding or {}}
        self._routes = {name: Route(model=name, **facts) for name in (LIVE, BASE)}  # type: ignore[arg-type]

    def models(self) -> Sequence[Route]:
        """Both names."""
        return tuple(self._routes.values())

    @asynccontextmanager
    async def hold(self, model: str, user: str | None) -> AsyncIterator[Route]:
        """The route.

        Raises:
            UnknownThing: another name.
        """
        if model not in self._routes:
            raise UnknownThing(f"no model {model!r}", hint=f"one of {', '.join(self._routes)}")
        yield self._routes[model]


def _body(ask: Ask, model: str) -> dict[str, Any]:
    body: dict[str, Any] = {
        "model": model,
        "messages": list(ask.messages),
        "max_tokens": ask.max_tokens,
        "temperature": ask.temperature,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    optional = {"top_p": ask.top_p if ask.top_p != 1.0 else None, "seed": ask.seed, "stop": list(ask.stop) or None}
    return body | {name: value for name, value in optional.items() if value is not None}


async def _to_the_end(response: aiohttp.ClientResponse) -> None:
    """Read what follows the last event, so that the connection can be used again."""
    try:
        async with asyncio.timeout(END_S):
            async for _ in response.content.iter_any():
                pass
    except TimeoutError:
        response.close()
