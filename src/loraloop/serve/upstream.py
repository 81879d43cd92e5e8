"""Any OpenAI-compatible server as the engine, for logging what it says: it can neither load adapters nor be proved."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from ..errors import EngineError, UnknownThing, UsageError
from .engine import BASE, Ask, Health, Piece, Probe
from .http_pool import HttpPool
from .http_reply import Reply
from .refusals import MOST_BYTES, refusal
from .routes import LIVE, Route
from .wire import to_json

HEALTH_S = 2.0
FIRST_S, FRAME_S = 0.015, 0.033
"""What comes within one picture of a film (30 a second) is read, judged and shown together; the end at once.

A write costs as much as all else that is done to its text, and nobody sees the difference. The first frame is shorter,
for guards may hold back all of the first piece.
"""
_CANNOT = "an upstream server loads no adapters here: it is only asked and logged"
_HINT = "use an engine that serves adapters"


class UpstreamEngine:
    """Asks a foreign server over connections kept open.

    Args:
        url: where its API begins, for example ``http://127.0.0.1:8000/v1``.
        model: named to it; empty takes the first that it lists.
        key: sent to it and to nobody else; redirects are not followed.
    """

    def __init__(self, url: str, model: str = "", key: str = "") -> None:
        self._url, self._model = url, model
        self._headers = {"authorization": f"Bearer {key}"} if key else {}
        self._pool: HttpPool | None = None
        self._active = 0

    async def start(self) -> None:
        """Make ready; a server that is away may come later.

        Raises:
            EngineError: the address or the key cannot be used.
        """
        try:
            self._pool = HttpPool(self._url, self._headers)
        except ValueError as error:
            raise EngineError(f"the upstream server cannot be asked: {error}", hint="see [serve] upstream") from error

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
        """Ask; what came within a frame becomes one piece."""
        body = to_json(_body(ask, await self._model_of(ask.version)))
        reading, reply = _Reading(), None
        self._active += 1
        try:
            reply = await self._open().post("/chat/completions", body)
            if reply.status != 200:
                raise refusal("the upstream server", reply.status, await _start_of(reply), "see its log")
            pace_s = FIRST_S
            while not reading.done and (raw := await reply.read(pace_s)):
                text = reading.feed(raw)
                if text:
                    yield Piece(text, "", reading.prompt_tokens, reading.completion_tokens)
                    pace_s = FRAME_S
            if not reading.finish:
                raise EngineError("the upstream server stopped without an end", hint="see its log")
            yield Piece(reading.rest(), reading.finish, reading.prompt_tokens, reading.completion_tokens)
        except UsageError:  # a ValueError too, and not the server's fault
            raise
        except (OSError, ValueError) as error:
            raise EngineError(f"the upstream server is away ({type(error).__name__})", hint="start it") from error
        finally:
            self._active -= 1
            if reply is not None:
                (reply.release if reading.finish else reply.drop)()

    async def health(self) -> Health:
        """Whether it lists its models."""
        try:
            names = await self._names()
        except EngineError as error:
            return Health(ready=False, reason=str(error), active=self._active)
        return Health(ready=True, active=self._active, versions=tuple(names))

    async def close(self) -> None:
        """Let go of the connections."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None

    def _open(self) -> HttpPool:
        if self._pool is None:
            raise EngineError("the upstream engine was not started", hint="call start() first")
        return self._pool

    async def _model_of(self, version: str) -> str:
        if version not in ("", BASE):
            return version
        if not self._model:
            self._model = next(iter(await self._names()), "")
        return self._model

    async def _names(self) -> list[str]:
        try:
            async with asyncio.timeout(HEALTH_S):
                reply = await self._open().get("/models")
                try:
                    if reply.status != 200:
                        raise EngineError(f"the upstream server refused ({reply.status})", hint="see its log")
                    raw = b""
                    while piece := await reply.read():
                        raw += piece
                finally:
                    reply.release()
            return [str(one["id"]) for one in json.loads(raw)["data"]]
        except (OSError, ValueError, KeyError, TypeError) as error:
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
        if self._buffer:
            raw = self._buffer + raw
        if b"\r" in raw:
            raw = raw.replace(b"\r\n", b"\n")
        *events, self._buffer = raw.split(b"\n\n")
        text = ""
        for event in events:
            for line in event.split(b"\n") if b"\n" in event else (event,):
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
        try:
            value: Mapping[str, Any] = from_json(data)
        except ValueError:  # half a surrogate pair, which only the slower reader takes
            value = json.loads(data)
        if "error" in value:
            raise EngineError("the upstream server failed while it answered", hint="see its log")
        usage, choices, text = value.get("usage"), value.get("choices"), ""
        if usage:
            self.prompt_tokens = int(usage["prompt_tokens"])
            self.completion_tokens = int(usage["completion_tokens"])
        for choice in choices or ():
            delta, finish = choice.get("delta"), choice.get("finish_reason")
            if delta and (said := delta.get("content")):
                text += said
                if not usage:
                    self.completion_tokens += 1
            if finish:
                self.finish = "length" if finish == "length" else "stop"
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

    def hold(self, model: str, user: str | None) -> AbstractAsyncContextManager[Route]:
        """The route.

        Raises:
            UnknownThing: another name.
        """
        if model not in self._routes:
            raise UnknownThing(f"no model {model!r}", hint=f"one of {', '.join(self._routes)}")
        return nullcontext(self._routes[model])


async def _start_of(reply: Reply) -> bytes:
    raw = b""
    while len(raw) < MOST_BYTES and (piece := await reply.read()):
        raw += piece
    return raw


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
