"""An engine and routes for tests of what stands before them: they keep the ports' promises and compute nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from ..errors import EngineError, UnknownThing
from ..serve.engine import BASE, Ask, Health, Piece, Probe
from ..serve.routes import CANDIDATE, LIVE, Route

Answer = str | Callable[[Ask], str]


class ScriptedEngine:
    """Says what it was told to say, word by word, and can be slow, fail, hang or stop without an end.

    Attributes:
        answer: what it says, or a function of what is asked. pause_s: before each word. fails_after: words after
            which it raises (``None``: never). hangs_after: words after which nothing comes any more.
        asked: what it was asked. cancelled: answers that were closed before their end. active: those open now.
    """

    def __init__(self, answer: Answer = "Hello there, my friend.", pause_s: float = 0.0) -> None:
        self.answer, self.pause_s = answer, pause_s
        self.fails_after: int | None = None
        self.hangs_after: int | None = None
        self.stops_silently = False
        self.ready = True
        self.asked: list[Ask] = []
        self.cancelled = self.active = 0
        self.versions: set[str] = {BASE}

    async def start(self) -> None:
        """Nothing to start."""

    async def load(self, version: str, adapter: Path, digest: str = "") -> None:
        """Serve a version; a name is never used twice."""
        if version in self.versions:
            raise EngineError(f"{version} was used before")
        self.versions.add(version)

    async def unload(self, version: str) -> None:
        """Serve it no longer."""
        self.versions.discard(version)

    async def logprobs(self, version: str, probes: Sequence[Probe]) -> list[float]:
        """The same for every probe."""
        return [-1.0 for _ in probes]

    async def stream(self, ask: Ask) -> AsyncIterator[Piece]:
        """Say it."""
        self.asked.append(ask)
        text = self.answer if isinstance(self.answer, str) else self.answer(ask)
        words = [word for word in text.replace(" ", "\0 ").split("\0") if word]
        prompt = sum(len(one["content"].split()) for one in ask.messages)
        ended = False
        self.active += 1
        try:
            for place, word in enumerate(words):
                if self.fails_after == place:
                    ended = True
                    raise EngineError("the engine fell over")
                if self.hangs_after == place:
                    await asyncio.Event().wait()
                if self.pause_s:
                    await asyncio.sleep(self.pause_s)
                if place >= ask.max_tokens:
                    break
                yield Piece(word, "", prompt, place + 1)
            ended = True
            if not self.stops_silently:
                said = min(len(words), ask.max_tokens)
                yield Piece("", "length" if len(words) > ask.max_tokens else "stop", prompt, said)
        finally:
            self.active -= 1
            self.cancelled += not ended

    async def health(self) -> Health:
        """As it is set."""
        reason = "" if self.ready else "not loaded yet"
        return Health(self.ready, reason, active=self.active, versions=tuple(sorted(self.versions)))

    async def close(self) -> None:
        """Nothing to close."""


class HeldRoutes:
    """Routes in memory that count who holds them; ``move`` points ``live`` elsewhere for those who come later."""

    def __init__(self, system_prompt: str = "", decoding: Mapping[str, Any] | None = None) -> None:
        self._facts: dict[str, Any] = {"system_prompt": system_prompt, "decoding": decoding or {"max_new_tokens": 64}}
        self.held: dict[str, int] = {}
        self.users: list[str | None] = []
        self._routes: dict[str, Route] = {}
        self._routes[BASE] = Route(BASE, BASE, None, **self._facts)
        self.move("r-1")

    def move(self, release_id: str, *, alias: str = LIVE, experiment_id: str = "", arm: str = "") -> None:
        """Let an alias, and the release's own id, lead to a release."""
        version = f"ll-{release_id}"
        for model in (alias, release_id):
            self._routes[model] = Route(model, version, release_id, **self._facts, experiment_id=experiment_id, arm=arm)

    def models(self) -> Sequence[Route]:
        """Aliases first."""
        order = [LIVE, CANDIDATE]
        return sorted(self._routes.values(), key=lambda one: (one.model not in order, one.model))

    @asynccontextmanager
    async def hold(self, model: str, user: str | None) -> AsyncIterator[Route]:
        """The route as it is now."""
        if model not in self._routes:
            raise UnknownThing(f"no model {model!r}")
        route = self._routes[model]
        self.users.append(user)
        self.held[route.version] = self.held.get(route.version, 0) + 1
        try:
            yield route
        finally:
            self.held[route.version] -= 1
