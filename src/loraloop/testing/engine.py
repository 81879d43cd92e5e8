"""An engine for tests: it answers in words that name its version, and can lie, refuse, stall and be away."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from ..errors import EngineError
from ..serve.engine import BASE, Ask, Health, Piece, Probe


class FakeEngine:
    """See ``Engine``. The answer of a version is its name, once for each token asked for.

    Attributes:
        lying: loads succeed and the base answers. refusing: loads fail.
        away: nothing works. load_s: seconds that a load takes. token_s: seconds between two tokens.
        loaded: every name ever loaded, in order. unloaded: every name ever unloaded.
    """

    def __init__(self) -> None:
        self.lying = self.refusing = self.away = False
        self.load_s = self.token_s = 0.0
        self.loaded: list[str] = []
        self.unloaded: list[str] = []
        self._files: dict[str, str] = {BASE: ""}
        self._active: dict[str, int] = {}

    async def start(self) -> None:
        """Nothing is needed."""
        self._reachable()

    async def load(self, version: str, adapter: Path, digest: str = "") -> None:
        """Read the weights file; see ``Engine.load``."""
        self._reachable()
        await asyncio.sleep(self.load_s)
        self._reachable()
        if version in self.loaded:
            raise EngineError(f"version {version} was used before", hint="names are never used twice")
        if self.refusing or not (adapter / "adapter_model.safetensors").is_file():
            raise EngineError(f"the engine refuses {version}", hint="see its log")
        weights = (adapter / "adapter_model.safetensors").read_bytes()
        self._files[version] = "" if self.lying else hashlib.sha256(weights).hexdigest()
        self.loaded.append(version)

    async def unload(self, version: str) -> None:
        """See ``Engine.unload``."""
        while self._active.get(version):
            await asyncio.sleep(0.001)
        if version != BASE and self._files.pop(version, None) is not None:
            self.unloaded.append(version)

    async def logprobs(self, version: str, probes: Sequence[Probe]) -> list[float]:
        """Numbers that depend on the weights and the answer."""
        self._reachable()
        files = self._known(version)
        digests = (hashlib.sha256(f"{files} {probe.answer}".encode()).digest() for probe in probes)
        return [-10.0 - digest[0] / 16 for digest in digests]

    async def stream(self, ask: Ask) -> AsyncIterator[Piece]:
        """The version's name again and again."""
        self._reachable()
        self._known(ask.version)
        self._active[ask.version] = self._active.get(ask.version, 0) + 1
        try:
            for number in range(1, ask.max_tokens + 1):
                await asyncio.sleep(self.token_s)
                self._reachable()
                finish = "length" if number == ask.max_tokens else ""
                yield Piece(f"{ask.version} ", finish, len(ask.messages), number)
        finally:
            self._active[ask.version] -= 1

    async def health(self) -> Health:
        """See ``Engine.health``."""
        reason = "the engine is away" if self.away else ""
        return Health(not self.away, reason, sum(self._active.values()), 0, () if self.away else tuple(self._files))

    async def close(self) -> None:
        """Nothing is held."""

    def lose(self) -> None:
        """Forget every version, as an engine does that was restarted."""
        self._files = {BASE: ""}

    def _reachable(self) -> None:
        if self.away:
            raise EngineError("the engine is away", hint="start it")

    def _known(self, version: str) -> str:
        if version not in self._files:
            raise EngineError(f"version {version} is not loaded", hint="load it first")
        return self._files[version]
