"""vLLM over HTTP: several servers are one engine, or none."""

import asyncio
from pathlib import Path

import pytest

from loraloop.errors import ConversationTooLong, EngineError
from loraloop.serve.engine import BASE, Ask, Probe
from loraloop.serve.engine_config import EngineConfig
from loraloop.serve.vllm import VllmEngine
from loraloop.testing.adapter_files import plain_adapter
from loraloop.testing.vllm_server import FakeVllm

HELLO = ({"role": "user", "content": "a secret of a child"},)


def engine_of(*servers: FakeVllm) -> VllmEngine:
    """The engine over these servers."""
    return VllmEngine(EngineConfig(kind="vllm", urls=tuple(server.url for server in servers), timeout_s=5))


def test_a_version_is_loaded_on_every_server_or_on_none(tmp_path: Path) -> None:
    """One server refuses: the others forget the version, and the error names the one."""

    async def scenario() -> None:
        adapter = plain_adapter(tmp_path / "a", 1)
        async with FakeVllm() as first, FakeVllm() as second:
            engine = engine_of(first, second)
            await engine.start()
            second.refusing = True
            with pytest.raises(EngineError, match=second.url):
                await engine.load("ll-1", adapter)
            assert (first.loaded, second.loaded) == ({}, {})
            second.refusing = False
            await engine.load("ll-1", adapter)
            assert set(first.loaded) == set(second.loaded) == {"ll-1"}
            await engine.close()

    asyncio.run(scenario())


@pytest.mark.fault(58)
def test_a_server_that_serves_something_else_is_found(tmp_path: Path) -> None:
    """One of two servers answers with the base under the adapter's name: measuring the version says which."""

    async def scenario() -> None:
        async with FakeVllm() as first, FakeVllm() as second:
            engine = engine_of(first, second)
            await engine.start()
            second.lying = True
            await engine.load("ll-1", plain_adapter(tmp_path / "a", 1))
            with pytest.raises(EngineError, match="other weights"):
                await engine.logprobs("ll-1", [Probe(HELLO, "I am fine, thank you. And you?")])
            await engine.close()

    asyncio.run(scenario())


def test_a_server_that_is_gone_is_an_error_without_the_conversation() -> None:
    """A dead server ends answers with an error that names it and repeats nothing of what was said."""

    async def scenario() -> None:
        async with FakeVllm() as server:
            engine = engine_of(server)
            await engine.start()
            assert (await engine.health()).ready
        assert not (await engine.health()).ready
        with pytest.raises(EngineError) as caught:
            async for _ in engine.stream(Ask(BASE, HELLO)):
                pass
        assert "secret" not in f"{caught.value} {caught.value.hint}"
        await engine.close()

    asyncio.run(scenario())


def test_a_reader_who_leaves_ends_the_answer_on_the_server() -> None:
    """Closing the iterator drops the connection, at which vLLM aborts."""

    async def scenario() -> None:
        async with FakeVllm() as server:
            engine = engine_of(server)
            await engine.start()
            pieces = engine.stream(Ask(BASE, HELLO, max_tokens=5000))
            await anext(pieces)
            await pieces.aclose()  # type: ignore[attr-defined]
            async with asyncio.timeout(2):
                while not server.aborted:
                    await asyncio.sleep(0.01)
            await engine.close()

    asyncio.run(scenario())


def test_no_address_is_told_with_the_setting() -> None:
    """Without an address the engine says what to set."""

    async def scenario() -> None:
        with pytest.raises(EngineError) as caught:
            await VllmEngine(EngineConfig(kind="vllm")).start()
        assert "[engine] urls" in caught.value.hint

    asyncio.run(scenario())


def test_while_one_of_two_servers_is_away_the_other_answers(tmp_path: Path) -> None:
    """The dead one has the fewest answers under way and is asked first each time; nobody gets its error."""

    async def scenario() -> None:
        adapter = plain_adapter(tmp_path / "a", 1)
        async with FakeVllm() as second:
            async with FakeVllm() as first:
                engine = engine_of(first, second)
                await engine.start()
                await engine.load("ll-1", adapter)
                asked = Ask("ll-1", HELLO, max_tokens=2)
                said = [piece.text async for piece in engine.stream(asked)]
            for _ in range(3):
                assert [piece.text async for piece in engine.stream(asked)] == said
            second.loaded.clear()
            with pytest.raises(EngineError):
                await anext(engine.stream(asked))
            assert (await engine.health()).active == 0
            await engine.close()

    asyncio.run(scenario())


def test_a_conversation_that_is_too_long_is_its_senders_mistake() -> None:
    """It is told apart from a server that fails, which would count against the release."""

    async def scenario() -> None:
        async with FakeVllm() as server:
            engine = engine_of(server)
            await engine.start()
            long = ({"role": "user", "content": "a secret of a child " * 100},)
            with pytest.raises(ConversationTooLong) as caught:
                await anext(engine.stream(Ask(BASE, long)))
            assert "secret" not in str(caught.value)
            await engine.close()

    asyncio.run(scenario())
