"""The gateway as users meet it: the official client over a real port, sockets that dawdle, and a signal to end."""

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai
import pytest

from loraloop.serve.config import ServeConfig
from loraloop.serve.gateway import create_app
from loraloop.serve.server import Server
from loraloop.store.sql import open_store
from loraloop.testing.gateway_client import SECRET, GatewayClient
from loraloop.testing.gateway_parts import ScriptedEngine

ASK: list[Any] = [{"role": "user", "content": "Hi"}]


@dataclass
class Served:
    """A gateway on a real port."""

    client: GatewayClient
    server: Server
    thread: threading.Thread

    @property
    def url(self) -> str:
        """Where."""
        return f"http://127.0.0.1:{self.server.port}/v1"

    def openai(self, role: str = "admin", **more: Any) -> openai.OpenAI:
        """The official client."""
        return openai.OpenAI(base_url=self.url, api_key=self.client.keys.get(role, role), max_retries=0, **more)

    def stop(self) -> None:
        """End it."""
        self.server.should_exit = True
        self.thread.join(10)


@pytest.fixture
def serve(tmp_path: Path, empty_database: Path) -> Iterator[Callable[..., Served]]:
    """Serve on a free port with these settings."""
    store = open_store(shutil.copyfile(empty_database, tmp_path / "loraloop.db"))
    made = GatewayClient(store)
    running: list[Served] = []

    def start(**settings: Any) -> Served:
        config = ServeConfig(port=0, **settings)
        app = create_app(made.engine, made.routes, made.archive, config, secret=SECRET, jobs=made.board)
        made.app, made.gateway = app, app.state.gateway
        server, started = Server(app, config), threading.Event()
        server.when_started(started.set)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        assert started.wait(10)
        running.append(Served(made, server, thread))
        return running[-1]

    yield start
    for one in running:
        one.stop()
    made.close()
    store.close()


@pytest.mark.slow
def test_the_official_client_works_unchanged(serve: Callable[..., Served]) -> None:
    """Plain, streaming, models, stored completions, deletion and each error class, with the real library."""
    served = serve()
    client = served.openai()
    plain = client.chat.completions.create(
        model="live", messages=ASK, store=True, user="kim", metadata={"k": "v"}, seed=1
    )
    assert plain.choices[0].message.content == "Hello there, my friend."
    assert plain.usage is not None
    assert plain.usage.total_tokens == 7
    stream = client.chat.completions.create(
        model="live", messages=ASK, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "Hello there, my friend."
    assert chunks[-1].usage is not None
    assert [one.id for one in client.models.list()][:1] == ["live"]
    assert client.models.retrieve("base").id == "base"
    served.client.flush()
    assert next(one.id for one in client.chat.completions.list(limit=1)) == plain.id
    assert client.chat.completions.retrieve(plain.id).choices[0].message.content == "Hello there, my friend."
    assert [one.content for one in client.chat.completions.messages.list(plain.id)] == ["Hi"]
    assert client.chat.completions.delete(plain.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.retrieve(plain.id)
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="live", messages=ASK, logprobs=True)
    assert refused.value.param == "logprobs"
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="gpt-5", messages=ASK)
    with pytest.raises(openai.AuthenticationError):
        served.openai("wrong").models.list()
    with pytest.raises(openai.PermissionDeniedError):
        served.openai("feedback").chat.completions.create(model="live", messages=ASK)


def test_the_official_client_sees_failures_as_failures(serve: Callable[..., Served]) -> None:
    """Engine away, cut streams and limits are raised by the library, with what it needs to try again."""
    served = serve(requests_per_minute=60, burst=3, guard_personal_data=False, guard_unfit_words=False)
    client, engine = served.openai(), served.client.engine
    engine.fails_after = 0
    with pytest.raises(openai.InternalServerError) as away:
        client.chat.completions.create(model="live", messages=ASK)
    assert (away.value.status_code, away.value.response.headers["retry-after"]) == (503, "1")
    engine.fails_after = 2
    with pytest.raises(openai.APIError):
        list(client.chat.completions.create(model="live", messages=ASK, stream=True))
    engine.fails_after = None
    client.chat.completions.create(model="live", messages=ASK)
    with pytest.raises(openai.RateLimitError):
        client.chat.completions.create(model="live", messages=ASK)


@pytest.mark.fault(61)
def test_the_asynchronous_client_and_one_that_leaves(serve: Callable[..., Served]) -> None:
    """Many at once, and row 61: a client that closes its stream frees the engine within two seconds."""
    served = serve(guard_personal_data=False, guard_unfit_words=False)
    engine = served.client.engine

    async def talk() -> float:
        async with openai.AsyncOpenAI(base_url=served.url, api_key=served.client.keys["chat"], max_retries=0) as client:
            many = await asyncio.gather(
                *(client.chat.completions.create(model="live", messages=ASK) for _ in range(20))
            )
            assert {one.choices[0].message.content for one in many} == {"Hello there, my friend."}
            engine.hangs_after = 2
            stream = await client.chat.completions.create(model="live", messages=ASK, stream=True)
            async for chunk in stream:
                if chunk.choices[0].delta.content:
                    break
            await stream.close()
        began = time.monotonic()
        while engine.active and time.monotonic() < began + 5:
            await asyncio.sleep(0.01)
        return time.monotonic() - began

    assert asyncio.run(talk()) < 2
    served.client.flush()
    states = [row.state for talk in served.client.store.completions.page("default", limit=50) for row in [talk]]
    assert states.count("aborted") == 1


@pytest.mark.fault(62)
@pytest.mark.slow
def test_row_62_sockets_that_dawdle_are_closed_and_others_served(serve: Callable[..., Served]) -> None:
    """200 sockets that send a header byte by byte do not keep others waiting, and are closed at the deadline."""
    served = serve(read_timeout_s=1.0)
    slow = [socket.create_connection(("127.0.0.1", served.server.port)) for _ in range(200)]
    for one in slow:
        one.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")
    began = time.monotonic()
    assert served.openai("chat").chat.completions.create(model="live", messages=ASK).choices
    assert time.monotonic() - began < 1.0
    try:
        time.sleep(max(0.0, 0.7 - (time.monotonic() - began)))
        for one in slow:
            one.sendall(b"x")
            one.settimeout(3)
        closed = 0
        for one in slow:
            try:
                closed += one.recv(1) == b""
            except ConnectionError:
                closed += 1
        assert closed == 200
        assert time.monotonic() - began < 3
    finally:
        for one in slow:
            one.close()


@pytest.mark.fault(62)
def test_row_62_whoever_does_not_take_an_answer_holds_nothing(serve: Callable[..., Served]) -> None:
    """A client that keeps its connection and reads nothing is cut off; its request and its version are let go."""
    served = serve(read_timeout_s=0.5, total_timeout_s=1.0, guard_personal_data=False, guard_unfit_words=False)
    served.client.engine.answer = " ".join(["x" * 100_000] * 40)
    body = json.dumps({"model": "live", "messages": ASK, "stream": True}).encode()
    head = f"Host: localhost\r\nAuthorization: Bearer {served.client.keys['chat']}\r\nContent-Length: {len(body)}\r\n"
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        one.connect(("127.0.0.1", served.server.port))
        one.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nContent-Type: application/json\r\n" + head.encode() + b"\r\n" + body
        )
        waited = time.monotonic() + 10
        while not served.client.routes.held and time.monotonic() < waited:
            time.sleep(0.01)
        while served.client.gateway.active and time.monotonic() < waited:
            time.sleep(0.05)
        assert (served.client.gateway.active, served.client.routes.held) == (0, {"ll-r-1": 0})


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 20_000, b"431"),
        (b"POST /v1/feedback HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{", b""),
        (b"nonsense\r\n\r\n", b"400"),
    ],
    ids=["endless header", "half a body", "no HTTP"],
)
def test_what_is_no_whole_request_is_ended(serve: Callable[..., Served], sent: bytes, said: bytes) -> None:
    """Headers without an end, a body that never comes, and noise: answered or closed, within the deadline."""
    served = serve(read_timeout_s=0.5)
    with socket.create_connection(("127.0.0.1", served.server.port), timeout=3) as one:
        one.sendall(sent)
        answer = b""
        try:
            while more := one.recv(65536):
                answer += more
        except ConnectionError:
            pass
    assert said in answer


@pytest.mark.fault(72)
@pytest.mark.slow
def test_row_72_the_drain_cuts_no_answer_and_takes_no_new_one(serve: Callable[..., Served]) -> None:
    """Answers begun end whole, new requests get 503, readiness goes, and the process ends when all is said."""
    served = serve(drain_s=10)
    engine = served.client.engine
    engine.pause_s = 0.15
    answers: list[str | None] = []

    def ask() -> None:
        said = served.openai("chat").chat.completions.create(model="live", messages=ASK)
        answers.append(said.choices[0].message.content)

    late = served.openai("chat")
    late.models.list()
    asking = [threading.Thread(target=ask) for _ in range(8)]
    for one in asking:
        one.start()
    while engine.active < 8:
        time.sleep(0.01)
    loop = served.client.gateway
    served.server.call(served.server.drain)
    while not loop.draining:
        time.sleep(0.005)
    with pytest.raises(openai.InternalServerError) as refused:
        late.chat.completions.create(model="live", messages=ASK)
    assert refused.value.code == "shutting_down"
    for one in asking:
        one.join(10)
    assert answers == ["Hello there, my friend."] * 8
    served.thread.join(5)
    assert not served.thread.is_alive()
    assert served.client.store.conversations.count("default") == 1


@pytest.mark.fault(72)
def test_row_72_an_answer_without_an_end_is_cut_at_the_deadline(serve: Callable[..., Served]) -> None:
    """The drain has an end of its own; what was cut is marked as aborted."""
    served = serve(drain_s=0.3, guard_personal_data=False, guard_unfit_words=False)
    served.client.engine.hangs_after = 1

    def ask() -> None:
        with pytest.raises(openai.APIError):
            list(served.openai("chat").chat.completions.create(model="live", messages=ASK, stream=True))

    asking = threading.Thread(target=ask)
    asking.start()
    while not served.client.engine.active:
        time.sleep(0.01)
    began = time.monotonic()
    served.server.call(served.server.drain)
    served.thread.join(10)
    asking.join(5)
    assert time.monotonic() - began < 6
    assert [one.state for one in served.client.store.completions.page("default")] == ["aborted"]


MOCK = """
import asyncio, json
from aiohttp import web
async def chat(request):
    body = await request.json()
    response = web.StreamResponse(headers={"content-type": "text/event-stream"})
    await response.prepare(request)
    for word in ["You", " said", " " + body["messages"][-1]["content"]]:
        value = {"choices": [{"index": 0, "delta": {"content": word}}]}
        await response.write(b"data: " + json.dumps(value).encode() + b"\\n\\n")
        await asyncio.sleep(0.001)
    stop = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    end = [stop, {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 5}}]
    for value in end:
        await response.write(b"data: " + json.dumps(value).encode() + b"\\n\\n")
    await response.write(b"data: [DONE]\\n\\n")
    return response
async def models(request):
    return web.json_response({"data": [{"id": "m"}]})
async def main():
    app = web.Application()
    app.router.add_post("/v1/chat/completions", chat)
    app.router.add_get("/v1/models", models)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(site._server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


def start(*words: str) -> subprocess.Popen[str]:
    """Start a process whose first line says that it is ready."""
    return subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE, text=True, env=dict(os.environ))


@pytest.mark.slow
def test_loraloop_serve_from_end_to_end(tmp_path: Path) -> None:
    """One command before a foreign server: a first key, a chat, feedback, a revoked key, SIGTERM, all stored."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "loraloop.toml").write_text("")
    upstream = start("-c", MOCK)
    gateway = None
    try:
        assert upstream.stdout is not None
        url = f"http://127.0.0.1:{upstream.stdout.readline().strip()}/v1"
        gateway = start("-m", "loraloop", "--home", str(home), "serve", "--port", "0", "--upstream", url, "--json")
        assert gateway.stdout is not None
        told = json.loads(gateway.stdout.readline())
        client = openai.OpenAI(base_url=told["url"], api_key=told["first_key"], max_retries=0)
        said = client.chat.completions.create(model="live", messages=[{"role": "user", "content": "안녕"}], store=True)
        assert said.choices[0].message.content == "You said 안녕"
        assert client.post("/feedback", body={"completion_id": said.id, "thumb": "up"}, cast_to=object)
        gateway.send_signal(signal.SIGTERM)
        assert gateway.wait(15) == 0
    finally:
        for one in (upstream, gateway):
            if one is not None:
                one.kill()
                one.wait()
                assert one.stdout is not None
                one.stdout.close()
    store = open_store(home / "loraloop.db")
    (talk,) = store.conversations.iterate("default")
    store.close()
    assert (talk.source, talk.consent, [one.kind for one in talk.feedback]) == ("gateway", "granted", ["thumb_up"])
    assert "안녕" not in (home / "loraloop.log").read_text(encoding="utf-8")


def test_the_scripted_engine_keeps_the_ports_promises() -> None:
    """Closing a stream cancels it, and a version's name is never used twice."""

    async def use() -> None:
        from loraloop.errors import EngineError
        from loraloop.serve.engine import Ask

        engine = ScriptedEngine()
        stream = engine.stream(Ask("base", ({"role": "user", "content": "hi"},)))
        await anext(stream)
        await stream.aclose()  # type: ignore[attr-defined]
        assert (engine.active, engine.cancelled) == (0, 1)
        await engine.load("ll-1", Path())
        with pytest.raises(EngineError):
            await engine.load("ll-1", Path())

    asyncio.run(use())
