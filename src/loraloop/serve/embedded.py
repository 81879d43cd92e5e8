"""The embedded engine: a process of our own that runs the model, spoken to over its pipes; no torch is loaded here."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
import struct
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import ArtifactError, EngineError, LoraloopError, UsageError, in_words
from ..lm.child import child_command, child_environment, rebuilt_error
from .engine import BASE, Ask, Health, Piece, Probe
from .engine_config import EngineConfig
from .loops import ended

log = logging.getLogger(__name__)

MODULE = "loraloop.lm.engine_child"
_ONE_ARENA = {"MALLOC_ARENA_MAX": "1"}
"""Of glibc's allocator: each version is loaded in a thread of its own, and with an arena for each what one version left
free is not used for the next. After 90 swaps of SmolLM2 the process held 22 GB instead of 3."""
_START_TIMEOUT_S = 300.0
_RESTART_PAUSES_S = (0.2, 1.0, 5.0, 15.0, 60.0)
_PAUSES = 1000
_AWAY = "ask again in a moment; it is started again by itself"


class EmbeddedEngine:
    """Serves one base and its versions from a child process, which is started again whenever it dies.

    Args:
        base: dense folder of the base.
        config: how many answers at once, threads, number format.
        log_path: where the process's own words go, appended; ``None`` drops them.
    """

    def __init__(self, base: Path, config: EngineConfig | None = None, *, log_path: Path | None = None) -> None:
        self._base, self._config, self._log_path = base, config or EngineConfig(), log_path
        self._versions: dict[str, tuple[Path, str]] = {}
        self._calls: dict[int, asyncio.Future[Any]] = {}
        self._streams: dict[int, asyncio.Queue[Piece | LoraloopError]] = {}
        self._numbers = itertools.count(1)
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._ready = False
        self._reason = "not started"
        self._load = (0, 0)
        self.facts: Mapping[str, Any] = {}
        """What the process measured: ``dtype``, ``threads``."""
        self.pauses: deque[float] = deque(maxlen=_PAUSES)
        """Of each version that came or went lately: the longest time, in seconds, for which no answer was written."""

    async def start(self) -> None:
        """Start the process and wait until the base answers.

        Raises:
            EngineError, ModelError: it cannot run here.
        """
        if self._keeper is None:
            await self._spawn()
            self._keeper = asyncio.create_task(self._keep())

    async def load(self, version: str, adapter: Path, digest: str = "") -> None:
        """See ``Engine.load``; answers of other versions go on meanwhile."""
        if version in self._versions:
            raise EngineError(f"version {version} is loaded already", hint="names are never used twice")
        self._paused(version, await self._call("load", version=version, adapter=str(adapter), digest=digest))
        self._versions[version] = adapter, digest

    async def unload(self, version: str) -> None:
        """See ``Engine.unload``; returns when the last answer has ended and the weights are free."""
        if version == BASE or self._versions.pop(version, None) is None:
            return
        self._paused(version, await self._call("unload", version=version))

    async def logprobs(self, version: str, probes: Sequence[Probe]) -> list[float]:
        """See ``Engine.logprobs``."""
        told = [{"messages": [dict(m) for m in probe.messages], "answer": probe.answer} for probe in probes]
        return [float(value) for value in await self._call("logprobs", version=version, probes=told)]

    async def stream(self, ask: Ask) -> AsyncIterator[Piece]:
        """See ``Engine.stream``."""
        number = next(self._numbers)
        pieces: asyncio.Queue[Piece | LoraloopError] = asyncio.Queue()
        self._streams[number] = pieces
        finished = False
        try:
            await self._send({
                "do": "ask", "id": number, "version": ask.version, "messages": [dict(m) for m in ask.messages],
                "max_tokens": ask.max_tokens, "temperature": ask.temperature, "top_p": ask.top_p, "seed": ask.seed,
                "stop": list(ask.stop), "repetition_penalty": ask.repetition_penalty,
            })  # fmt: skip
            while not finished:
                piece = await pieces.get()
                if isinstance(piece, LoraloopError):
                    finished = True
                    raise piece
                finished = bool(piece.finish)
                yield piece
        finally:
            self._streams.pop(number, None)
            if not finished and self._ready:
                with contextlib.suppress(EngineError):
                    self._write({"do": "cancel", "of": number})

    async def health(self) -> Health:
        """See ``Engine.health``."""
        versions = (BASE, *self._versions) if self._ready else ()
        return Health(self._ready, "" if self._ready else self._reason, *self._load, versions)

    async def close(self) -> None:
        """Stop the process."""
        if self._keeper is not None:
            await ended(self._keeper)
            self._keeper = None
        await self._end("the engine was closed")

    # -- the process --------------------------------------------------------------------------------------------------

    async def _spawn(self) -> None:
        config = self._config
        spec = {"base": str(self._base), "dtype": config.dtype, "device": config.device, "max_rows": config.max_rows}
        log_file = self._log_path.open("ab") if self._log_path else None
        try:
            self._process = await asyncio.create_subprocess_exec(
                *child_command(MODULE), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
                stderr=log_file or asyncio.subprocess.DEVNULL, env=child_environment() | _ONE_ARENA,
                start_new_session=True,
            )  # fmt: skip
        finally:
            if log_file:
                log_file.close()
        self._write({**spec, "threads": config.threads})
        try:
            async with asyncio.timeout(_START_TIMEOUT_S):
                frame = await self._read()
        except TimeoutError:
            frame = None
        if frame is None or "failed" in frame:
            await self._end("it did not start")
            if frame is not None:
                raise rebuilt_error(frame)
            raise EngineError(f"the engine process did not start{self._where()}")
        self.facts = frame["ready"]
        self._ready, self._reason, self._load = True, "", (0, 0)
        log.info("engine process %d ready: %s", self._process.pid, self.facts)

    async def _keep(self) -> None:
        """Read what the process says; when it dies, start it again with the versions it had."""
        listening, failures = asyncio.create_task(self._listen()), 0
        while True:
            if self._ready:
                await self._end(f"the engine process {await listening}{self._where()}")
                log.warning("%s; it is started again", self._reason)
            await asyncio.sleep(_RESTART_PAUSES_S[min(failures, len(_RESTART_PAUSES_S) - 1)])
            try:
                listening, failures = await self._again(), 0
            except Exception as error:
                failures += 1
                await self._end(f"the engine process does not start again: {in_words(error)}")
                log.warning("%s", self._reason)

    async def _again(self) -> asyncio.Task[str]:
        """Start the process anew and load what it served; returns what listens to it. It may die of that, too.

        Raises:
            EngineError, ModelError: it did, or it cannot run here.
        """
        await self._spawn()
        self._ready = False  # not before it serves what it served
        loading, listening = asyncio.create_task(self._load_again()), asyncio.create_task(self._listen())
        try:
            await asyncio.wait((loading, listening), return_when=asyncio.FIRST_COMPLETED)
            if listening.done():
                raise EngineError(f"it {listening.result()} while it loaded what it had served{self._where()}")
            loading.result()
        except BaseException:
            await ended(listening)
            raise
        finally:
            await ended(loading)
        self._ready = True
        return listening

    async def _load_again(self) -> None:
        for version, (adapter, digest) in list(self._versions.items()):
            try:
                await self._call("load", version=version, adapter=str(adapter), digest=digest)
            except ArtifactError as error:  # whoever routes to it sees that it is gone; the others serve on
                del self._versions[version]
                log.warning("%s is not loaded again: %s", version, error)

    async def _listen(self) -> str:
        """Hear frames until there are no more; returns why, in words."""
        while True:
            try:
                async with asyncio.timeout(self._config.hung_after_s):
                    frame = await self._read()
            except TimeoutError:
                return f"was silent for {self._config.hung_after_s:g} s"
            if frame is None:
                return "died"
            if "pieces" in frame:
                self._load = (frame["active"], frame["waiting"])
                for number, text, finish, prompt_tokens, completion_tokens in frame["pieces"]:
                    self._tell(number, Piece(text, finish, prompt_tokens, completion_tokens))
            elif "done" in frame:
                self._settle(frame["done"], frame["value"])
            else:
                error = rebuilt_error(frame)
                kept = isinstance(error, EngineError | UsageError)  # of use to whoever asked
                told = error if kept else EngineError(str(error), hint=error.hint)
                self._tell(frame["failed"], told)
                self._settle(frame["failed"], error if isinstance(error, ArtifactError) else told)

    async def _end(self, reason: str) -> None:
        self._ready, self._reason, self._load = False, reason, (0, 0)
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        for number in list(self._streams):
            self._tell(number, EngineError(reason, hint=_AWAY))
        for number in list(self._calls):
            self._settle(number, EngineError(reason, hint=_AWAY))

    def _paused(self, version: str, seconds: float) -> None:
        self.pauses.append(seconds)
        log.debug("%s held up the answers being written for %.1f ms at a time at most", version, seconds * 1e3)

    def _where(self) -> str:
        return f"; log: {self._log_path}" if self._log_path else ""

    # -- frames -------------------------------------------------------------------------------------------------------

    async def _call(self, do: str, **facts: Any) -> Any:
        number = next(self._numbers)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._calls[number] = answer
        try:
            self._write({"do": do, "id": number, **facts})
            return await answer
        finally:
            self._calls.pop(number, None)

    async def _send(self, frame: Mapping[str, Any]) -> None:
        if not self._ready:
            raise EngineError(f"the engine cannot answer: {self._reason}", hint=_AWAY)
        self._write(frame)

    def _write(self, frame: Mapping[str, Any]) -> None:
        if self._process is None or self._process.stdin is None or self._process.stdin.is_closing():
            raise EngineError(f"the engine cannot answer: {self._reason}", hint=_AWAY)
        body = json.dumps(frame).encode()
        self._process.stdin.write(struct.pack(">I", len(body)) + body)

    async def _read(self) -> dict[str, Any] | None:
        assert self._process is not None
        assert self._process.stdout is not None  # it was asked for
        try:
            (length,) = struct.unpack(">I", await self._process.stdout.readexactly(4))
            frame: dict[str, Any] = json.loads(await self._process.stdout.readexactly(length))
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        return frame

    def _tell(self, number: int, piece: Piece | LoraloopError) -> None:
        if number in self._streams:
            self._streams[number].put_nowait(piece)

    def _settle(self, number: int, value: Any) -> None:
        answer = self._calls.get(number)
        if answer is None or answer.done():
            return
        if isinstance(value, Exception):
            answer.set_exception(value)
        else:
            answer.set_result(value)
