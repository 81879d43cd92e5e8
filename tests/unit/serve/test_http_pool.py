"""Requests over kept connections: answers of every framing, connections used again, and servers that go away."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from loraloop.serve import http_pool, http_reply
from loraloop.serve.http_pool import HttpPool
from loraloop.testing.scripted_server import Answer, ScriptedServer

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"


@asynccontextmanager
async def asked(*answers: Answer | bytes) -> AsyncIterator[tuple[ScriptedServer, HttpPool]]:
    """A server that answers so, and a pool that asks it."""
    async with ScriptedServer(*answers) as server:
        pool = HttpPool(server.url, {})
        try:
            yield server, pool
        finally:
            pool.close()


async def whole(pool: HttpPool, body: bytes = b"{}") -> bytes:
    """Ask, read to the end, give the connection back."""
    reply = await pool.post("/chat", body)
    found = b""
    while piece := await reply.read():
        found += piece
    reply.release()
    return found


async def until(true: Callable[[], bool]) -> None:
    """Wait for something that happens soon."""
    async with asyncio.timeout(5):
        while not true():
            await asyncio.sleep(0.005)


def test_an_answer_in_chunks_is_handed_on_and_its_connection_used_again() -> None:
    """Ten requests share one connection; headers, path and body arrive as meant."""

    async def main() -> None:
        async with ScriptedServer(CHUNKED + b"5\r\nhello\r\n3\r\nyou\r\n0\r\n\r\n") as server:
            pool = HttpPool(server.url, {"authorization": "Bearer k"})
            for _ in range(10):
                assert await whole(pool, b'{"a":1}') == b"helloyou"
            assert server.connections == 1
            head, _, body = server.requests[-1].partition(b"\r\n\r\n")
            assert head.startswith(b"POST /v1/chat HTTP/1.1\r\n")
            assert b"authorization: Bearer k" in head
            assert body == b'{"a":1}'
            pool.close()
            await until(lambda: server.closed == 1)

    asyncio.run(main())


def test_pieces_come_as_they_arrive() -> None:
    """What is here is read before the rest has come, however the bytes are cut."""

    async def main() -> None:
        go_on = asyncio.Event()

        async def answer(writer: asyncio.StreamWriter) -> None:
            for byte in CHUNKED + b"3\r\none\r\n":
                writer.write(bytes([byte]))
                await writer.drain()
            await go_on.wait()
            writer.write(b"3\r\ntwo\r\n0\r\n\r\n")

        async with asked(answer) as (_server, pool):
            reply = await pool.post("/chat", b"")
            found = await reply.read()
            while len(found) < 3:
                found += await reply.read()
            assert found == b"one"
            go_on.set()
            assert [await reply.read(), await reply.read()] == [b"two", b""]
            reply.release()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("answer", "connections"),
    [
        (OK + b"content-length: 2\r\n\r\nhi", 1),
        (OK + b"connection: close\r\ncontent-length: 2\r\n\r\nhi", 2),
        (b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + OK + b"content-length: 2\r\n\r\nhi", 1),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nhi", 2),
    ],
)
def test_every_framing_is_understood(answer: bytes, connections: int) -> None:
    """A connection is used again exactly where the server keeps it."""

    async def main() -> None:
        async with asked(answer) as (server, pool):
            assert [await whole(pool), await whole(pool)] == [b"hi", b"hi"]
            assert server.connections == connections

    asyncio.run(main())


def test_an_answer_without_a_length_ends_with_its_connection() -> None:
    """So it is whole, where an answer of a known length would be cut."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(OK + b"\r\nall of it")
        await writer.drain()
        writer.close()

    async def main() -> None:
        async with asked(answer) as (_server, pool):
            assert await whole(pool) == b"all of it"

    asyncio.run(main())


def test_a_kept_connection_that_the_server_closes_is_replaced_once() -> None:
    """The request goes over a fresh one; where that is closed too, it fails."""

    async def hang_up(writer: asyncio.StreamWriter) -> None:
        writer.close()

    good = OK + b"content-length: 2\r\n\r\nhi"

    async def main() -> None:
        async with asked(good, hang_up, good, hang_up) as (server, pool):
            assert [await whole(pool), await whole(pool)] == [b"hi", b"hi"]
            assert server.connections == 2
            with pytest.raises(ConnectionError):
                await whole(pool)
            assert server.connections == 3

    asyncio.run(main())


def test_an_answer_that_is_cut_is_told() -> None:
    """What came is read, then the loss; the request is not sent again."""

    async def cut(writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED + b"5\r\nhello\r\n")
        await writer.drain()
        writer.close()

    async def main() -> None:
        async with asked(cut) as (server, pool):
            reply = await pool.post("/chat", b"")
            assert await reply.read() == b"hello"
            with pytest.raises(ConnectionError):
                await reply.read()
            reply.drop()
            assert len(server.requests) == 1

    asyncio.run(main())


@pytest.mark.parametrize("said", [b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", CHUNKED + b"zz\r\n"])
def test_what_is_no_http_is_a_value_error(said: bytes) -> None:
    """A port where something else listens does not hang a request."""

    async def main() -> None:
        async with ScriptedServer(said) as server:
            with pytest.raises(ValueError, match="HTTP"):
                await whole(HttpPool(server.url, {}))

    asyncio.run(main())


def test_who_drops_an_answer_closes_its_connection() -> None:
    """The server sees that nobody waits any more, and the next request has a fresh connection."""

    async def for_ever(writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED)
        while True:
            writer.write(b"1\r\nx\r\n")
            await writer.drain()
            await asyncio.sleep(0.005)

    async def main() -> None:
        async with asked(for_ever, OK + b"content-length: 0\r\n\r\n") as (server, pool):
            reply = await pool.post("/chat", b"")
            assert (await reply.read()).startswith(b"x")
            reply.drop()
            await until(lambda: server.closed == 1)
            assert await whole(pool) == b""
            assert server.connections == 2

    asyncio.run(main())


def test_an_end_that_comes_late_is_waited_for_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection released early is used again once its answer ended, and closed where it does not end."""
    monkeypatch.setattr(http_reply, "END_S", 0.1)

    async def late(writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED + b"5\r\nhello\r\n")
        await writer.drain()
        await asyncio.sleep(0.02)
        writer.write(b"3\r\nyou\r\n0\r\n\r\n")

    async def never(writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED + b"5\r\nhello\r\n")

    async def main() -> None:
        async with asked(late, never) as (server, pool):
            for closed in (0, 1):
                reply = await pool.post("/chat", b"")
                assert await reply.read() == b"hello"
                reply.release()
                await asyncio.sleep(0.2)
                assert (server.connections, server.closed) == (1, closed)

    asyncio.run(main())


def test_a_reader_that_dawdles_holds_the_server_back() -> None:
    """A hundred megabytes do not pile up in memory, and all of them arrive."""
    piece = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
    sent = 0

    async def much(writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(CHUNKED)
        for _ in range(1600):
            writer.write(piece)
            await writer.drain()
            sent += 1
        writer.write(b"0\r\n\r\n")

    async def main() -> None:
        async with asked(much) as (_server, pool):
            reply = await pool.post("/chat", b"")
            await asyncio.sleep(0.3)
            assert sent < 400
            found = 0
            while got := await reply.read():
                found += len(got)
            assert found == 1600 * 65_536
            reply.release()

    asyncio.run(main())


def test_a_connection_that_was_told_to_wait_is_not_used_again() -> None:
    """Whoever gives a long answer back unread does not leave a deaf connection to the next one."""
    long = OK + b"content-length: 300000\r\n\r\n" + b"x" * 300_000

    async def main() -> None:
        async with asked(long, OK + b"content-length: 2\r\n\r\nhi") as (server, pool):
            reply = await pool.post("/chat", b"{}")
            await asyncio.sleep(0.2)
            reply.release()
            async with asyncio.timeout(5):
                assert await whole(pool) == b"hi"
            assert server.connections == 2

    asyncio.run(main())


def test_what_comes_unasked_closes_the_connection() -> None:
    """Bytes after an answer are not taken for the next one."""

    async def main() -> None:
        async with asked(OK + b"content-length: 2\r\n\r\nhi" + OK + b"content-length: 3\r\n\r\nbad") as (server, pool):
            assert [await whole(pool), await whole(pool)] == [b"hi", b"hi"]
            assert server.connections == 2

    asyncio.run(main())


def test_a_paced_reader_gathers_what_comes_and_waits_for_no_end() -> None:
    """The first piece is read at once, later ones together, and the end is held up by nothing."""

    async def main() -> None:
        async def answer(writer: asyncio.StreamWriter) -> None:
            writer.write(CHUNKED)
            for letter in b"abcde":
                writer.write(b"1\r\n%c\r\n" % letter)
                await writer.drain()
                await asyncio.sleep(0.02)
            writer.write(b"0\r\n\r\n")

        async with asked(answer) as (_server, pool):
            reply = await pool.post("/chat", b"")
            async with asyncio.timeout(5):
                assert [await reply.read(60), await reply.read(60), await reply.read(60)] == [b"a", b"bcde", b""]
            reply.release()

    asyncio.run(main())


def test_a_paced_reader_keeps_nothing_back_when_the_server_falls_silent() -> None:
    """What came is read when its time is over, though nothing follows it; a loss is told at once."""
    cut = asyncio.Event()

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED + b"1\r\na\r\n")
        await writer.drain()
        await asyncio.sleep(0.02)
        writer.write(b"1\r\nb\r\n")
        await writer.drain()
        await cut.wait()
        writer.close()

    async def main() -> None:
        async with asked(answer) as (_server, pool):
            reply = await pool.post("/chat", b"")
            async with asyncio.timeout(5):
                assert [await reply.read(0.1), await reply.read(60)] == [b"a", b"b"]
                cut.set()
                with pytest.raises(ConnectionError):
                    await reply.read(60)
            reply.drop()

    asyncio.run(main())


def test_more_than_the_most_wait_for_one_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """With room for two, eight requests at once share two connections."""
    monkeypatch.setattr(http_pool, "CONNECTIONS", 2)

    async def main() -> None:
        async with asked(OK + b"content-length: 2\r\n\r\nhi") as (server, pool):
            assert await asyncio.gather(*(whole(pool) for _ in range(8))) == [b"hi"] * 8
            assert server.connections == 2

    asyncio.run(main())


def test_a_request_that_is_cancelled_gives_its_place_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever leaves before the head has come closes the connection and makes room."""
    monkeypatch.setattr(http_pool, "CONNECTIONS", 1)

    async def silent(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)

    async def main() -> None:
        async with asked(silent, OK + b"content-length: 2\r\n\r\nhi") as (_server, pool):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await pool.post("/chat", b"")
            assert await whole(pool) == b"hi"

    asyncio.run(main())


def test_an_idle_connection_is_not_used_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """After its time a fresh one is opened."""
    monkeypatch.setattr(http_pool, "IDLE_S", 0.01)

    async def main() -> None:
        async with asked(OK + b"content-length: 2\r\n\r\nhi") as (server, pool):
            await whole(pool)
            await asyncio.sleep(0.05)
            await whole(pool)
            assert server.connections == 2
            await until(lambda: server.closed == 1)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("url", "headers", "said"),
    [
        ("ftp://host/v1", {}, "no address"),
        ("http://", {}, "no address"),
        ("http://host/v1", {"authorization": "Bearer a\r\nx: y"}, "control character"),
        ("http://host:port/v1", {}, "Port"),
    ],
)
def test_an_address_or_key_that_cannot_be_sent_is_refused(url: str, headers: dict[str, str], said: str) -> None:
    """No header is smuggled in, and no other scheme is spoken."""
    with pytest.raises(ValueError, match=said):
        HttpPool(url, headers)


def test_a_name_and_word_in_the_address_are_sent_as_such() -> None:
    """As Basic authentication, and not in the Host header."""

    async def main() -> None:
        async with ScriptedServer(OK + b"content-length: 0\r\n\r\n") as server:
            pool = HttpPool(server.url.replace("http://", "http://me:p%40ss@"), {})
            await whole(pool)
            assert b"authorization: Basic bWU6cEBzcw==\r\n" in server.requests[0]
            assert b"host: 127.0.0.1:" in server.requests[0]
            pool.close()

    asyncio.run(main())


def test_tls_is_spoken_where_the_address_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """To a server that does not speak it nothing is said in the clear."""
    monkeypatch.setattr(http_pool, "CONNECT_S", 0.3)

    async def main() -> None:
        async with ScriptedServer(OK + b"content-length: 0\r\n\r\n") as server:
            with pytest.raises(TimeoutError):
                await HttpPool(server.url.replace("http", "https", 1), {}).get("/models")
            assert server.requests == []

    asyncio.run(main())
