"""vLLM servers over HTTP: each version is loaded on all of them or on none.

A server must run with ``--enable-lora``, ``--max-loras`` of at least 3 (live, the one before, a candidate), and
``VLLM_ALLOW_RUNTIME_LORA_UPDATING=1``, and must be able to read this home's ``objects`` folder. Its port is for this
gateway alone: an API key guards only some of its paths.
Source: vLLM's documentation of dynamic LoRA serving, of ``/tokenize`` and of ``prompt_logprobs``.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

import aiohttp

from ..errors import EngineError, UsageError
from .engine import BASE, Ask, Health, Piece, Probe
from .engine_config import EngineConfig
from .refusals import MOST_BYTES, refusal

log = logging.getLogger(__name__)

_HINT = "see the vLLM server's log; it needs --enable-lora and VLLM_ALLOW_RUNTIME_LORA_UPDATING=1"


class VllmEngine:
    """See ``Engine``. Requests go to the server with the fewest of ours in flight.

    Args:
        config: addresses of the servers, the base's name there, how long silence may last.
    """

    def __init__(self, config: EngineConfig) -> None:
        self._config = config
        self._urls = [url.rstrip("/") for url in config.urls]
        self._base = config.vllm_base
        self._session: aiohttp.ClientSession | None = None
        self._flights: Counter[str] = Counter()
        self._on_version: Counter[str] = Counter()
        self._landed = asyncio.Condition()

    async def start(self) -> None:
        """Connect, and learn the base's name.

        Raises:
            EngineError: no address is set, or a server is away.
        """
        if not self._urls:
            raise EngineError("no vLLM server is named", hint='set [engine] urls = ["http://HOST:PORT"]')
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=self._config.timeout_s, sock_read=self._config.timeout_s
        )
        self._session = aiohttp.ClientSession(timeout=timeout)
        for url in self._urls:
            names = await self._names(url)
            self._base = self._base or names[0]
            if self._base not in names:
                raise EngineError(f"{url} does not serve {self._base}", hint="let every server serve the same base")

    async def load(self, version: str, adapter: Path, digest: str = "") -> None:
        """See ``Engine.load``; a server that refuses undoes the load on the others. The servers read the files."""
        body = {"lora_name": version, "lora_path": str(adapter.resolve())}
        tries = (self._post(url, "/v1/load_lora_adapter", body) for url in self._urls)
        done = await asyncio.gather(*tries, return_exceptions=True)
        failed = [error for error in done if isinstance(error, BaseException)]
        if failed:
            for url, result in zip(self._urls, done, strict=True):
                if not isinstance(result, BaseException):
                    await self._forget(url, version)
            raise failed[0]

    async def unload(self, version: str) -> None:
        """See ``Engine.unload``."""
        if version == BASE:
            return
        async with self._landed:
            await self._landed.wait_for(lambda: not self._on_version[version])
        for url in self._urls:
            await self._forget(url, version)

    async def logprobs(self, version: str, probes: Sequence[Probe]) -> list[float]:
        """See ``Engine.logprobs``; every server is asked, and they must agree.

        Raises:
            EngineError: a server is away, does not serve the version, or serves other weights than the first.
        """
        found = [[await self._logprob(url, version, probe) for probe in probes] for url in self._urls]
        for url, values in zip(self._urls[1:], found[1:], strict=True):
            apart = max(abs(a - b) for a, b in zip(found[0], values, strict=True))
            if apart > max(1.0, 0.05 * max(abs(value) for value in values)):
                raise EngineError(f"{url} serves other weights as {version} than {self._urls[0]}", hint=_HINT)
        return found[0]

    async def stream(self, ask: Ask) -> AsyncIterator[Piece]:
        """See ``Engine.stream``; where a server is away before it says anything, the next one is asked."""
        urls = sorted(self._urls, key=lambda one: self._flights[one])
        self._on_version[ask.version] += 1
        begun = False
        try:
            for url in urls:
                try:
                    async with aclosing(self._answer(url, ask)) as pieces:
                        async for piece in pieces:
                            begun = True
                            yield piece
                    return
                except EngineError as error:
                    if begun or url == urls[-1]:
                        raise
                    log.warning("%s; another server is asked", error)
        finally:
            self._on_version[ask.version] -= 1
            async with self._landed:
                self._landed.notify_all()

    async def _answer(self, url: str, ask: Ask) -> AsyncGenerator[Piece]:
        body = {
            "model": self._name(ask.version), "messages": [dict(m) for m in ask.messages], "max_tokens": ask.max_tokens,
            "temperature": ask.temperature, "top_p": ask.top_p, "repetition_penalty": ask.repetition_penalty,
            "stop": list(ask.stop), "stream": True,
            "stream_options": {"include_usage": True, "continuous_usage_stats": True},
        }  # fmt: skip
        if ask.seed is not None:
            body["seed"] = ask.seed
        self._flights[url] += 1
        try:
            async with aclosing(self._pieces(url, body)) as pieces:
                async for piece in pieces:
                    yield piece
                    if piece.finish:
                        return
            raise EngineError(f"{url} stopped in the middle of an answer", hint=_HINT)
        finally:
            self._flights[url] -= 1

    async def health(self) -> Health:
        """See ``Engine.health``; ready means that every server is."""
        active = sum(self._flights.values())
        try:
            served = [await self._names(url) for url in self._urls] if self._session else []
        except EngineError as error:
            return Health(False, str(error), active)
        if not served:
            return Health(False, "not started", active)
        shared = [name for name in served[0] if all(name in names for names in served)]
        versions = [BASE if name == self._base else name for name in shared]
        return Health(True, "", active, 0, tuple(versions))

    async def close(self) -> None:
        """Disconnect; the servers go on."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    # -- HTTP ---------------------------------------------------------------------------------------------------------

    def _name(self, version: str) -> str:
        return self._base if version == BASE else version

    async def _names(self, url: str) -> list[str]:
        body = await self._get(url, "/v1/models")
        return [str(model["id"]) for model in body["data"]]

    async def _logprob(self, url: str, version: str, probe: Probe) -> float:
        model = self._name(version)
        messages = [dict(m) for m in probe.messages]
        prompt = await self._post(url, "/tokenize", {"model": model, "messages": messages})
        answer = await self._post(
            url, "/tokenize", {"model": model, "prompt": probe.answer, "add_special_tokens": False}
        )
        ids = [*prompt["tokens"], *answer["tokens"]]
        body = {"model": model, "prompt": ids, "max_tokens": 1, "temperature": 0, "prompt_logprobs": 0}
        said = (await self._post(url, "/v1/completions", body))["choices"][0]["prompt_logprobs"]
        begin = len(prompt["tokens"])
        return sum(float(said[at][str(ids[at])]["logprob"]) for at in range(begin, len(ids)))

    async def _pieces(self, url: str, body: dict[str, Any]) -> AsyncGenerator[Piece]:
        try:
            async with self._open().post(f"{url}/v1/chat/completions", json=body) as response:
                await _refused(url, response)
                async for line in response.content:
                    text = line.decode().strip()
                    if not text.startswith("data:") or text == "data: [DONE]":
                        continue
                    event = json.loads(text.removeprefix("data:"))
                    if "error" in event:
                        raise EngineError(f"{url} failed in the middle of an answer", hint=_HINT)
                    for choice in event["choices"]:
                        usage = event.get("usage") or {}
                        yield Piece(
                            choice["delta"].get("content") or "",
                            choice.get("finish_reason") or "",
                            int(usage.get("prompt_tokens", 0)),
                            int(usage.get("completion_tokens", 0)),
                        )
        except UsageError:  # a ValueError too, and not the server's fault
            raise
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise EngineError(f"{url} is away ({type(error).__name__})", hint=_HINT) from error

    async def _forget(self, url: str, version: str) -> None:
        try:
            await self._post(url, "/v1/unload_lora_adapter", {"lora_name": version})
        except EngineError as error:
            log.info("%s was not unloaded: %s", version, error)

    async def _get(self, url: str, path: str) -> Any:
        try:
            async with self._open().get(f"{url}{path}") as response:
                await _refused(url, response)
                return await response.json()
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise EngineError(f"{url} is away ({type(error).__name__})", hint=_HINT) from error

    async def _post(self, url: str, path: str, body: dict[str, Any]) -> Any:
        try:
            async with self._open().post(f"{url}{path}", json=body) as response:
                await _refused(url, response)
                # loading and unloading answer in plain words
                return await response.json() if "json" in response.content_type else await response.text()
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise EngineError(f"{url} is away ({type(error).__name__})", hint=_HINT) from error

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise EngineError("the vLLM engine is not started", hint="start it first")
        return self._session


async def _refused(url: str, response: aiohttp.ClientResponse) -> None:
    """Raise what a server refuses, without repeating what was asked: its words may hold the conversation."""
    if response.status >= 400:
        said = await response.content.read(MOST_BYTES)
        raise refusal(f"{url}{response.url.path}", response.status, said, _HINT)
