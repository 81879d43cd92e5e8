"""Every engine keeps the same promises: versions side by side, told apart, never mixed, never reused, let go."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from loraloop.errors import ArtifactError, EngineError
from loraloop.serve.embedded import EmbeddedEngine
from loraloop.serve.engine import BASE, Ask, Engine, Probe
from loraloop.serve.engine_config import EngineConfig
from loraloop.serve.vllm import VllmEngine
from loraloop.testing.engine import FakeEngine
from loraloop.testing.vllm_server import FakeVllm
from loraloop.testing.wrappers import random_adapter

pytestmark = pytest.mark.slow

Started = Callable[[], AbstractAsyncContextManager[Engine]]
HELLO = ({"role": "user", "content": "Hello, how are you?"},)
PROBES = [Probe(HELLO, "I am fine, thank you."), Probe(({"role": "user", "content": "점심?"},), "국수가 좋아요.")]


@asynccontextmanager
async def in_memory() -> AsyncIterator[Engine]:
    """The fake of ``loraloop.testing``."""
    engine = FakeEngine()
    engine.token_s = 0.002
    yield engine


@asynccontextmanager
async def over_http() -> AsyncIterator[Engine]:
    """The vLLM engine over two fake servers."""
    async with FakeVllm() as first, FakeVllm() as second:
        engine = VllmEngine(EngineConfig(kind="vllm", urls=(first.url, second.url)))
        try:
            await engine.start()
            yield engine
        finally:
            await engine.close()


@asynccontextmanager
async def over_real_http() -> AsyncIterator[Engine]:
    """The vLLM engine over a real server (``make vllm``), left as it was found."""
    engine = VllmEngine(EngineConfig(kind="vllm", urls=(os.environ["VLLM_TEST_URL"],)))
    try:
        await engine.start()
        yield engine
    finally:
        for version in (await engine.health()).versions:
            await engine.unload(version)
        await engine.close()


ENGINES = ["in memory", "vllm", pytest.param("embedded", marks=pytest.mark.real)]
if "VLLM_TEST_URL" in os.environ:
    ENGINES.append(pytest.param("real vllm", marks=pytest.mark.real))


@pytest.fixture(scope="module")
def base(tiny_base: Path) -> Path:
    """The tiny base, or the one that a real vLLM serves."""
    return Path(os.environ.get("VLLM_TEST_BASE", tiny_base))


@pytest.fixture(params=ENGINES)
def started(request: pytest.FixtureRequest, base: Path) -> Started:
    """Starts one of the engines."""

    @asynccontextmanager
    async def embedded() -> AsyncIterator[Engine]:
        engine = EmbeddedEngine(base, EngineConfig(dtype="float32", threads=1))
        try:
            await engine.start()
            yield engine
        finally:
            await engine.close()

    known: dict[str, Started] = {
        "in memory": in_memory, "vllm": over_http, "embedded": embedded, "real vllm": over_real_http
    }  # fmt: skip
    return known[request.param]


@pytest.fixture(scope="module")
def adapters(base: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two adapters of the base."""
    folder = tmp_path_factory.mktemp("adapters")
    return [random_adapter(base, folder / str(n), seed=n) for n in (3, 4)]


async def text_of(engine: Engine, version: str, **how: Any) -> str:
    """A whole answer."""
    ask = Ask(version, HELLO, **{"max_tokens": 12, **how})
    return "".join([piece.text async for piece in engine.stream(ask)])


def test_versions_answer_side_by_side_each_as_it_does_alone(started: Started, adapters: list[Path]) -> None:
    """Twelve answers at once over three versions are the three that each version gives alone, and those differ."""

    async def scenario() -> None:
        async with started() as engine:
            for number, adapter in enumerate(adapters):
                await engine.load(f"ll-{number}", adapter)
            versions = [BASE, "ll-0", "ll-1"]
            assert set((await engine.health()).versions) == set(versions)
            alone = [await text_of(engine, version) for version in versions]
            assert len(set(alone)) == 3
            together = await asyncio.gather(*(text_of(engine, versions[n % 3]) for n in range(12)))
            assert together == alone * 4

    asyncio.run(scenario())


def test_an_answer_says_how_it_ended_and_counts_its_tokens(started: Started) -> None:
    """Only the last piece has a reason; counts grow to it, and a limit of tokens is kept."""

    async def scenario() -> None:
        async with started() as engine:
            pieces = [piece async for piece in engine.stream(Ask(BASE, HELLO, max_tokens=5, seed=3))]
            assert [piece.finish for piece in pieces[:-1]] == [""] * (len(pieces) - 1)
            last = pieces[-1]
            assert last.finish in ("length", "stop")
            assert 0 < last.completion_tokens <= 5
            assert last.prompt_tokens > 0

    asyncio.run(scenario())


def test_fixed_answers_tell_versions_apart(started: Started, adapters: list[Path]) -> None:
    """Log-probabilities are the same twice, differ between versions, and are negative."""

    async def scenario() -> None:
        async with started() as engine:
            await engine.load("ll-0", adapters[0])
            base, mine = await engine.logprobs(BASE, PROBES), await engine.logprobs("ll-0", PROBES)
            again = await engine.logprobs("ll-0", PROBES)
            assert mine == pytest.approx(again, abs=1e-3)
            assert max(abs(a - b) for a, b in zip(base, mine, strict=True)) > 0.05
            assert all(value < 0 for value in (*base, *mine))

    asyncio.run(scenario())


@pytest.mark.fault(57)
def test_a_name_is_used_once_and_an_unknown_one_is_an_error(started: Started, adapters: list[Path]) -> None:
    """Loading a name again, asking or measuring what is not loaded: errors that say what to do."""

    async def scenario() -> None:
        async with started() as engine:
            await engine.load("ll-0", adapters[0])
            before = await text_of(engine, "ll-0")
            with pytest.raises(EngineError) as caught:
                await engine.load("ll-0", adapters[1])
            assert caught.value.hint
            assert await text_of(engine, "ll-0") == before
            with pytest.raises(EngineError):
                await text_of(engine, "ll-none")
            with pytest.raises(EngineError):
                await engine.logprobs("ll-none", PROBES)
            await engine.unload("ll-none")

    asyncio.run(scenario())


def test_files_that_are_no_adapter_are_refused_and_nothing_changes(started: Started, tmp_path: Path) -> None:
    """A load that fails leaves no version behind, and the engine goes on."""

    async def scenario() -> None:
        async with started() as engine:
            with pytest.raises((EngineError, ArtifactError)):
                await engine.load("ll-0", tmp_path)
            assert (await engine.health()).versions == (BASE,)
            assert await text_of(engine, BASE)

    asyncio.run(scenario())


@pytest.mark.fault(56)
def test_unloading_waits_for_the_last_answer(started: Started, adapters: list[Path]) -> None:
    """An answer that was begun before its version is unloaded ends as it would have; afterwards the name is gone."""

    async def scenario() -> None:
        async with started() as engine:
            await engine.load("ll-0", adapters[0])
            whole = await text_of(engine, "ll-0", max_tokens=30)
            pieces = engine.stream(Ask("ll-0", HELLO, max_tokens=30))
            words = [(await anext(pieces)).text]
            leaving = asyncio.create_task(engine.unload("ll-0"))
            words += [piece.text async for piece in pieces]
            await leaving
            assert "".join(words) == whole
            assert "ll-0" not in (await engine.health()).versions
            with pytest.raises(EngineError):
                await text_of(engine, "ll-0")

    asyncio.run(scenario())


@pytest.mark.fault(61)
def test_who_leaves_frees_the_engine_within_two_seconds(started: Started) -> None:
    """Closing an iterator cancels its answer."""

    async def scenario() -> None:
        async with started() as engine:
            pieces: Any = engine.stream(Ask(BASE, HELLO, max_tokens=400))
            await anext(pieces)
            start = time.monotonic()
            await pieces.aclose()
            while (await engine.health()).active:
                await text_of(engine, BASE, max_tokens=1)
            assert time.monotonic() - start < 2

    asyncio.run(scenario())
