"""Another server as the engine: its events as they come, cut anywhere, and everything it may do wrong."""

import asyncio
import json
from typing import Any

import pytest

from loraloop.errors import ConversationTooLong, EngineError
from loraloop.serve.engine import BASE, Ask, Piece
from loraloop.serve.upstream import UpstreamEngine
from loraloop.testing.scripted_server import ScriptedServer

CHUNKED = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
ASK = Ask(BASE, ({"role": "user", "content": "안녕"},), max_tokens=7, seed=3)
LAST = b"0\r\n\r\n"


def delta(text: str, finish: str | None = None) -> dict[str, Any]:
    """A chunk of a completion."""
    return {"choices": [{"index": 0, "delta": {"content": text} if text else {}, "finish_reason": finish}]}


USAGE = {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 5}}
WHOLE = [delta("Hel"), delta("lo"), delta("", "stop"), USAGE, "[DONE]"]


def event(value: Any, break_: str = "\n") -> bytes:
    """One event as it is sent."""
    said = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"data: {said}{break_}{break_}".encode()


def chunk(body: bytes) -> bytes:
    """One chunk as it is sent."""
    return b"%x\r\n%b\r\n" % (len(body), body)


def said_by(*answers: bytes, model: str = "m", key: str = "") -> tuple[list[Piece] | EngineError, ScriptedServer]:
    """What the engine makes of the last of these answers, and the server."""

    async def main() -> tuple[list[Piece] | EngineError, ScriptedServer]:
        async with ScriptedServer(*answers) as server:
            engine = UpstreamEngine(server.url, model, key)
            await engine.start()
            try:
                return [piece async for piece in engine.stream(ASK)], server
            except EngineError as error:
                return error, server
            finally:
                await engine.close()

    return asyncio.run(main())


@pytest.mark.parametrize("size", [1, 7, 100_000])
@pytest.mark.parametrize("break_", ["\n", "\r\n"])
def test_an_answer_is_the_same_however_it_is_cut(size: int, break_: str) -> None:
    """Text, end and tokens do not depend on where the network cuts the bytes."""
    body = b": a comment\n\n" + b"".join(event(one, break_) for one in [delta("안녕 "), *WHOLE])
    sent = b"".join(chunk(body[at : at + size]) for at in range(0, len(body), size))
    pieces, server = said_by(CHUNKED + sent + LAST)
    assert isinstance(pieces, list)
    assert "".join(piece.text for piece in pieces) == "안녕 Hello"
    assert [piece.finish for piece in pieces if piece.finish] == ["stop"]
    assert (pieces[-1].prompt_tokens, pieces[-1].completion_tokens) == (3, 5)
    head, _, asked = server.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v1/chat/completions ")
    body_sent = json.loads(asked)
    assert (body_sent["model"], body_sent["max_tokens"], body_sent["seed"]) == ("m", 7, 3)
    assert body_sent["messages"] == [{"role": "user", "content": "안녕"}]


def test_tokens_are_counted_where_the_server_tells_none() -> None:
    """One for each event with text."""
    pieces, _ = said_by(CHUNKED + b"".join(chunk(event(one)) for one in WHOLE if one is not USAGE) + LAST)
    assert isinstance(pieces, list)
    assert pieces[-1].completion_tokens == 2


def test_half_a_surrogate_is_read() -> None:
    """A server that escapes its text may cut a letter in two."""
    body = event('{"choices":[{"index":0,"delta":{"content":"a\\ud83d"}}]}') + b"".join(map(event, WHOLE))
    pieces, _ = said_by(CHUNKED + chunk(body) + LAST)
    assert isinstance(pieces, list)
    assert pieces[-1].text == "a\ud83dHello"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n", "refused (500)"),
        (b"HTTP/1.1 400 Bad\r\ncontent-length: 3\r\n\r\nbad", "refused (400)"),
        (b"HTTP/1.1 302 Found\r\nlocation: http://other.example/\r\ncontent-length: 0\r\n\r\n", "refused (302)"),
        (CHUNKED + chunk(event(delta("Hel"))) + LAST, "without an end"),
        (CHUNKED + chunk(event({"error": {"message": "x"}})), "failed while it answered"),
        (CHUNKED + chunk(b"data: {no json\n\n"), "is away (JSONDecodeError)"),
        (b"garbage\r\n\r\n", "is away (ValueError)"),
    ],
)
def test_what_goes_wrong_is_an_engine_error(answer: bytes, said: str) -> None:
    """Each failure is told, and nothing of what the server said is repeated."""
    error, _ = said_by(answer)
    assert isinstance(error, EngineError)
    assert said in str(error)


def test_a_conversation_that_is_too_long_is_its_senders_mistake() -> None:
    """What the server says of it is told apart from a server that fails, and not repeated."""
    told = json.dumps(
        {"error": {"message": "maximum context length, 안녕", "code": "context_length_exceeded"}}
    ).encode()

    async def main() -> None:
        answer = b"HTTP/1.1 400 Bad Request\r\ncontent-length: %d\r\n\r\n%b" % (len(told), told)
        async with ScriptedServer(answer) as server:
            engine = UpstreamEngine(server.url, "m")
            await engine.start()
            with pytest.raises(ConversationTooLong) as caught:
                await anext(engine.stream(ASK))
            assert "안녕" not in str(caught.value)
            await engine.close()

    asyncio.run(main())


def test_the_key_is_sent_and_the_first_model_taken() -> None:
    """Where no model is named, the first that the server lists is asked for, once."""
    models = b'{"data":[{"id":"first"},{"id":"second"}]}'
    listed = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(models), models)
    pieces, server = said_by(listed, CHUNKED + chunk(b"".join(map(event, WHOLE))) + LAST, model="", key="secret")
    assert isinstance(pieces, list)
    assert server.requests[0].startswith(b"GET /v1/models ")
    assert all(b"authorization: Bearer secret\r\n" in one for one in server.requests)
    assert b'"model":"first"' in server.requests[1]
    assert server.connections == 1


def test_who_leaves_cancels_the_answer() -> None:
    """Closing the stream closes the connection, so that the server stops; one that ended is used again."""

    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED)
        while True:
            writer.write(chunk(event(delta("x"))))
            await writer.drain()
            await asyncio.sleep(0.005)

    async def main() -> None:
        whole = CHUNKED + chunk(b"".join(map(event, WHOLE))) + LAST
        async with ScriptedServer(whole, endless) as server:
            engine = UpstreamEngine(server.url, "m")
            await engine.start()
            assert [piece.text async for piece in engine.stream(ASK)][-1] == "Hello"
            stream: Any = engine.stream(ASK)
            assert (await anext(stream)).text == "x"
            await stream.aclose()
            async with asyncio.timeout(5):
                while not server.closed:
                    await asyncio.sleep(0.005)
            assert server.connections == 1
            await engine.close()

    asyncio.run(main())


def test_health_tells_what_is_served_or_why_not() -> None:
    """A server that refuses, or is not there, is not ready."""
    models = b'{"data":[{"id":"first"}]}'
    listed = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(models), models)

    async def main() -> None:
        async with ScriptedServer(listed, b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n") as server:
            engine = UpstreamEngine(server.url)
            await engine.start()
            assert (await engine.health()).versions == ("first",)
            assert not (await engine.health()).ready
        await engine.close()
        away = UpstreamEngine("http://127.0.0.1:1/v1")
        assert "not started" in (await away.health()).reason
        await away.start()
        assert "is away" in (await away.health()).reason
        await away.close()

    asyncio.run(main())


def test_a_key_that_cannot_be_sent_is_said_at_the_start() -> None:
    """With the setting to look at, and without the key."""
    with pytest.raises(EngineError, match="control character") as refused:
        asyncio.run(UpstreamEngine("http://127.0.0.1:1/v1", key="a\nb").start())
    assert "a\nb" not in str(refused.value)
