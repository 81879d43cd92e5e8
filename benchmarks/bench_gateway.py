"""Overhead of the gateway: sustainable rate and added p99 beside a bare byte relay and LiteLLM's proxy.

The relay is uvicorn (uvloop, httptools) and aiohttp's client, the usual one: each read is one write. The gateway asks
by a client of its own (``serve/http_pool.py``), which costs less than aiohttp; what comes within 15 ms of the first
piece, and within 33 ms later, goes out as one write, and the last text with the end; so it writes less often.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from recording import record

CHUNKS, PAUSE_S = 16, 0.002
"""Of the mock's answer: events, and the pause before each. Its own time is therefore about 32 ms."""
RATE = 500
WARM_S, P99_BOUND_S, KEPT_FRAC = 1.0, 0.5, 0.99
ASK = {
    "model": "live",
    "stream": True,
    "messages": [{"role": "user", "content": "What is for lunch today? Something warm, aaaaaa."}],
}
SAID = (b"aaaaaa", b"Today")
"""Of the question and of the answer: in each exchange other letters stand there, for nobody says the same each time."""
WORDS = [
    "Today",
    " there",
    " is",
    " a",
    " warm",
    " soup",
    " with",
    " rice",
    " and",
    " some",
    " fruit",
    " for",
    " all",
    " of",
    " you",
    ".",
]


def letters(number: int, length: int) -> bytes:
    """A number in so many small letters."""
    return bytes(97 + number // 26**place % 26 for place in range(length))


# --- the mock upstream: raw asyncio, no framework ---


def _events() -> list[bytes]:
    head = {"id": "chatcmpl-mock", "object": "chat.completion.chunk", "created": 1, "model": "mock"}
    deltas: list[dict[str, Any]] = [{"content": WORDS[n % len(WORDS)]} for n in range(CHUNKS)]
    values = [{**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    end = {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    usage = {
        **head,
        "choices": [],
        "usage": {"prompt_tokens": 9, "completion_tokens": CHUNKS, "total_tokens": CHUNKS + 9},
    }
    events = [b"data: " + json.dumps(value).encode() + b"\n\n" for value in values]
    last = b"".join(b"data: " + json.dumps(value).encode() + b"\n\n" for value in (end, usage)) + b"data: [DONE]\n\n"
    return [b"%x\r\n%b\r\n" % (len(event), event) for event in [*events, last]]


class Mock(asyncio.Protocol):
    """Answers every POST with the same stream, every GET with a list of models."""

    EVENTS = _events()
    FIRST, LATER = EVENTS[0].split(SAID[1]), EVENTS[1:]
    answers = 0
    HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A new connection."""
        self.transport: Any = transport
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        """Wait for the whole request."""
        self.buffer += data
        head, found, body = self.buffer.partition(b"\r\n\r\n")
        if not found:
            return
        lower = head.lower()
        length = int(lower.split(b"content-length:")[1].split(b"\r\n")[0]) if b"content-length:" in lower else 0
        if len(body) < length:
            return
        self.buffer = body[length:]
        if head.startswith(b"GET"):
            value = b'{"object":"list","data":[{"id":"mock","object":"model"}]}'
            self.transport.write(
                b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(value) + value
            )
            return
        Mock.answers += 1
        self.transport.write(self.HEAD + letters(Mock.answers, len(SAID[1])).join(self.FIRST))
        self._later(0)

    def _later(self, place: int) -> None:
        pause_s = PAUSE_S if place < len(self.LATER) else 0
        asyncio.get_running_loop().call_later(pause_s, self._next, place)

    def _next(self, place: int) -> None:
        if self.transport.is_closing():
            return
        if place == len(self.LATER):
            self.transport.write(b"0\r\n\r\n")
            return
        self.transport.write(self.LATER[place])
        self._later(place + 1)


async def mock() -> None:
    """Serve for ever; the port goes to standard output."""
    server = await asyncio.get_running_loop().create_server(Mock, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


# --- the bare relay: uvicorn and aiohttp, bytes in, bytes out ---


def relay(upstream: str) -> None:
    """Pass every request's bytes on and the answer's bytes back, unread."""
    import aiohttp
    import uvicorn

    session: aiohttp.ClientSession | None = None

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal session
        if scope["type"] != "http":
            raise RuntimeError("no lifespan here")
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        if session is None:
            session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=1024), timeout=aiohttp.ClientTimeout(total=None)
            )
        async with session.post(
            upstream + scope["path"][3:], data=body, headers={"content-type": "application/json"}
        ) as response:
            await send(
                {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]}
            )
            async for chunk in response.content.iter_any():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    port = free_port()
    print(port, flush=True)
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=port,
        loop="uvloop",
        http="httptools",
        lifespan="off",
        access_log=False,
        log_level="error",
    )


def free_port() -> int:
    """A port that nobody listens on."""
    import socket

    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


# --- the load generator: open loop, raw sockets, pooled connections ---


class Call(asyncio.Protocol):
    """One pooled connection: a request out, the end of its answer awaited."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A new connection."""
        self.transport: Any = transport
        self.done: asyncio.Future[bool] | None = None
        self.tail, self.ok = b"", False

    def data_received(self, data: bytes) -> None:
        """Look for the end of the answer."""
        if not self.tail:
            self.ok = data.startswith(b"HTTP/1.1 200")
        self.tail = (self.tail + data)[-64:]
        if self.tail.endswith(b"0\r\n\r\n") and self.done is not None and not self.done.done():
            self.done.set_result(self.ok and b"[DONE]" in self.tail)
        elif not self.ok and self.done is not None and not self.done.done():
            self.done.set_result(False)

    def connection_lost(self, error: Exception | None) -> None:
        """The answer will not end."""
        if self.done is not None and not self.done.done():
            self.done.set_result(False)


async def load(port: int, rate: float, seconds: float, key: str) -> dict[str, float]:
    """Send ``rate`` requests a second for some seconds, whether or not earlier ones were answered."""
    loop = asyncio.get_running_loop()
    body = json.dumps(ASK).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nauthorization: Bearer {key}\r\n"
    request = head.encode() + b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body
    idle: list[Call] = []
    taken: list[float] = []
    failed = 0
    begin = time.perf_counter() + 0.05  # uvloop's own clock counts whole milliseconds
    last_end = begin

    before, _, after = request.partition(SAID[0])
    first = int(time.time() * 1e3)  # no load asks what another asked

    async def one(due: float, number: int) -> None:
        nonlocal failed, last_end
        try:
            call = idle.pop() if idle else (await loop.create_connection(Call, "127.0.0.1", port))[1]
            if call.transport.is_closing():
                call = (await loop.create_connection(Call, "127.0.0.1", port))[1]
            call.tail, call.ok, call.done = b"", False, loop.create_future()
            call.transport.write(before + letters(first + number, len(SAID[0])) + after)
            if await asyncio.wait_for(call.done, 10):
                if due - begin >= WARM_S:
                    now = time.perf_counter()
                    taken.append(now - due)
                    last_end = max(last_end, now)
                idle.append(call)
                return
            call.transport.close()
        except (OSError, TimeoutError):
            pass
        failed += 1

    tasks = []
    for n in range(int(rate * (seconds + WARM_S))):
        due = begin + n / rate
        delay = due - time.perf_counter()
        if delay > 0:
            await asyncio.sleep(delay)
        tasks.append(loop.create_task(one(due, n)))
    await asyncio.gather(*tasks)
    for call in idle:
        call.transport.close()
    ordered = sorted(taken) or [float("inf")]
    span = last_end - begin - WARM_S - statistics.median(ordered)
    return {
        "offered": rate,
        "achieved": len(taken) / max(span, seconds) if taken else 0.0,
        "p50_ms": statistics.median(ordered) * 1e3,
        "p99_ms": ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))] * 1e3,
        "failed": float(failed),
    }


def generate(port: int, rate: float, seconds: float, key: str) -> dict[str, float]:
    """The load, in a process of its own."""
    out = subprocess.run(
        [sys.executable, __file__, "--child", "load", str(port), str(rate), str(seconds), key],
        capture_output=True, text=True, check=True, timeout=seconds * 4 + 60,
    )  # fmt: skip
    found: dict[str, float] = json.loads(out.stdout)
    return found


def sustains(found: dict[str, float]) -> bool:
    """Whether a rate was borne: nothing failed, nearly all came in time, and p99 stayed bounded."""
    return (
        not found["failed"]
        and found["achieved"] >= KEPT_FRAC * found["offered"]
        and found["p99_ms"] <= P99_BOUND_S * 1e3
    )


def sustainable(port: int, key: str, first: float, seconds: float, steps: int) -> tuple[float, list[dict[str, float]]]:
    """The largest rate that is borne in one of two tries, by doubling and then halving the interval ``steps`` times.

    One stumble of the machine would otherwise be taken for the server's limit, whoever's turn it is.
    """
    tried: list[dict[str, float]] = []
    low, high = 0.0, first

    def borne(rate: float) -> bool:
        for _ in range(2):
            tried.append(generate(port, rate, seconds, key))
            if sustains(tried[-1]):
                return True
        return False

    while high < 20_000 and borne(high):
        low, high = high, high * 2
    while low == 0.0 and high > 2:
        high /= 2
        if borne(high):
            low, high = high, high * 2
    for _ in range(steps):
        middle = (low + high) / 2
        low, high = (middle, high) if borne(middle) else (low, middle)
    return low, tried


# --- who is measured ---


class Started:
    """A process whose first line tells where it listens."""

    def __init__(self, *words: str, env: dict[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            [sys.executable, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, **(env or {})},
        )
        assert self.process.stdout is not None
        self.line = self.process.stdout.readline().strip()

    def cpu_s(self) -> tuple[float, float]:
        """Seconds of processor that it and that its children have used; on a busy machine the steadier measure."""
        own = beside = 0.0
        for file in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):  # a process that has ended meanwhile
                fields = file.read_text().rsplit(")", 1)[1].split()
                spent = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
                if int(file.parent.name) == self.process.pid:
                    own += spent
                elif int(fields[1]) == self.process.pid:
                    beside += spent
        return own, beside

    def stop(self) -> None:
        """End it, and wait."""
        self.process.terminate()
        try:
            self.process.wait(40)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def costed(started: Started, port: int, rate: float, seconds: float, key: str) -> dict[str, float]:
    """So many requests a second, with the processor's time that each took of the server, and of its children."""
    before = started.cpu_s()
    found = generate(port, rate, seconds, key)
    time.sleep(1.0)  # what is still being written counts, too
    own, beside = (
        (now - then) / (rate * (seconds + WARM_S)) * 1e6 for now, then in zip(started.cpu_s(), before, strict=True)
    )
    return found | {"cpu_us": own, "children_cpu_us": beside}


def ours(folder: Path, upstream: str, capture: str) -> tuple[Started, int, str]:
    """Our gateway on a home of its own, guards on."""
    home = folder / f"home-{capture}"
    home.mkdir(exist_ok=True)
    (home / "loraloop.toml").write_text(
        f'[serve]\nupstream_model = "mock"\ncapture = "{capture}"\nqueue = 100000\n'
        "requests_per_minute = 1000000000.0\nburst = 1000000\nmax_active = 100000\n"
    )
    started = Started("-m", "loraloop", "--home", str(home), "serve", "--port", "0", "--upstream", upstream, "--json")
    told = json.loads(started.line)
    key = told["first_key"] or (folder / f"key-{capture}").read_text()
    (folder / f"key-{capture}").write_text(key)
    return started, int(told["url"].rsplit(":", 1)[1].split("/")[0]), key


def lost(port: int, key: str) -> float:
    """Exchanges that a best-effort capture dropped."""
    import urllib.request

    asked = urllib.request.Request(f"http://127.0.0.1:{port}/metrics", headers={"authorization": f"Bearer {key}"})
    with urllib.request.urlopen(asked, timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    return sum(
        float(line.split()[1])
        for line in lines
        if line.startswith(("loraloop_capture_dropped ", "loraloop_capture_failed "))
    )


LITELLM_KEY = "sk-" + secrets.token_hex(32)
"""Without one its proxy refuses to start."""


def litellm(folder: Path, upstream: str) -> tuple[subprocess.Popen[bytes], int] | None:
    """LiteLLM's proxy in an environment of its own, kept for the next run; ``None``, aloud, where it fails."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "loraloop-bench-litellm"
    if not (cache / "bin" / "litellm").exists():
        subprocess.run([sys.executable, "-m", "venv", str(cache)], check=True)
        done = subprocess.run(
            [str(cache / "bin" / "pip"), "install", "-q", "litellm[proxy]"], check=False, timeout=1500
        )
        if done.returncode:
            print("LiteLLM's proxy could not be installed: left out", file=sys.stderr)
            return None
    config = folder / "litellm.yaml"
    config.write_text(
        "model_list:\n  - model_name: live\n    litellm_params:\n      model: openai/mock\n"
        f"      api_base: {upstream}\n      api_key: none\n"
    )
    port = free_port()
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    environment |= {"LITELLM_LOG": "ERROR", "DO_NOT_TRACK": "1", "LITELLM_MASTER_KEY": LITELLM_KEY,
        "LITELLM_LOCAL_MODEL_COST_MAP": "True"}  # fmt: skip
    words = [
        str(cache / "bin" / "litellm"),
        "--config",
        str(config),
        "--port",
        str(port),
        "--host",
        "127.0.0.1",
        "--telemetry",
        "False",
    ]
    log = folder / "litellm.log"
    with log.open("wb") as said:
        process = subprocess.Popen(words, stdout=said, stderr=said, env=environment)
    for _ in range(120):
        time.sleep(1)
        if process.poll() is not None:
            break
        if not generate(port, 2, 1, LITELLM_KEY)["failed"]:
            return process, port
    process.kill()
    process.wait()
    print(f"LiteLLM's proxy did not start, and is left out:\n{log.read_text()[-2000:]}", file=sys.stderr)
    return None


def measure(quick: bool, with_litellm: bool) -> dict[str, Any]:
    """Everything, in one run."""
    seconds, steps, rounds, searches = (2.0, 2, 1, 1) if quick else (5.0, 4, 6, 2)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        upstream = Started(__file__, "--child", "mock")
        url = f"http://127.0.0.1:{upstream.line}/v1"
        bare = Started(__file__, "--child", "relay", url)
        time.sleep(2)
        result: dict[str, Any] = {
            "chunks": CHUNKS,
            "mock_ms": CHUNKS * PAUSE_S * 1e3,
            "p99_bound_ms": P99_BOUND_S * 1e3,
        }
        try:
            at_500 = result["at_500_a_second"] = {"direct": [], "relay": [], "on": [], "off": [], "strict": []}
            made = {capture: ours(folder, url, capture) for capture in ("best-effort", "off", "strict")}
            asked = {"relay": (bare, int(bare.line), "")}
            asked |= {"on": made["best-effort"], "off": made["off"], "strict": made["strict"]}
            for turn in range(rounds):  # in turn, there and back, so that a noisy minute hits all alike
                at_500["direct"].append(generate(int(upstream.line), RATE, seconds, ""))
                for shown in list(asked)[:: -1 if turn % 2 else 1]:
                    started, port, key = asked[shown]
                    at_500[shown].append(costed(started, port, RATE, seconds, key))
            rates = result["sustainable_a_second"] = {}
            found: dict[str, list[float]] = {"relay": [], "on": [], "off": []}
            for _ in range(searches):
                for shown, rate in found.items():
                    _, port, key = asked[shown]
                    most, tried = sustainable(port, key, 250, seconds, steps)
                    rate.append(most)
                    result.setdefault(f"{shown}_tried", []).extend(tried)
            result["searched"] = found
            rates |= {shown: statistics.mean(rate) for shown, rate in found.items()}
            half = rates["relay"] / 2
            result["half_rate"], at_half = half, {"direct": [], "relay": [], "on": []}
            for _ in range(max(1, rounds // 2)):
                at_half["direct"].append(generate(int(upstream.line), half, seconds, ""))
                for shown in ("relay", "on"):
                    started, port, key = asked[shown]
                    at_half[shown].append(costed(started, port, half, seconds, key))
            result["at_half_of_what_the_relay_bears"] = at_half
            _, port, key = made["best-effort"]
            result["lost_with_capture_on"] = lost(port, key)
            for started, _, _ in made.values():
                started.stop()
            other = litellm(folder, url) if with_litellm else None
            if other is not None:
                rates["litellm"], result["litellm_tried"] = sustainable(other[1], LITELLM_KEY, 10, seconds, steps)
                other[0].terminate()
                other[0].wait(30)
        finally:
            bare.stop()
            upstream.stop()
    return result | summary(result)


def summary(result: dict[str, Any]) -> dict[str, Any]:
    """The figures that the issue asks for."""
    at, rates = result["at_500_a_second"], result["sustainable_a_second"]
    p50 = {name: statistics.median(one["p50_ms"] for one in found) for name, found in at.items()}
    cpu = {name: statistics.median(one["cpu_us"] for one in found) for name, found in at.items() if name != "direct"}
    own, whole = (
        statistics.median(
            (on["cpu_us"] + keeper * on["children_cpu_us"]) / off["cpu_us"] - 1
            for on, off in zip(at["on"], at["off"], strict=True)
        )
        for keeper in (0, 1)
    )
    return {
        "cpu_us_a_request": cpu,
        "cpu_ratio_to_relay": cpu["relay"] / cpu["on"],
        "p99": added_p99(at),
        "p99_at_half": added_p99(result["at_half_of_what_the_relay_bears"]),
        "p50_added_ms": {name: p50[name] - p50["direct"] for name in ("relay", "on", "off", "strict")},
        "capture_share_of_the_gateways_cpu": own,
        "capture_share_of_cpu_with_its_own_process": whole,
        "rate_ratio_to_relay": rates["on"] / max(rates["relay"], 1e-9),
        "rate_ratio_to_litellm": rates["on"] / rates["litellm"] if rates.get("litellm") else None,
    }


def added_p99(rounds: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    """What each adds to the upstream's own p99, in ms; the ratio to the relay's where that is more than chance."""
    direct = [one["p99_ms"] for one in rounds["direct"]]
    p99 = {name: statistics.median(one["p99_ms"] for one in found) for name, found in rounds.items()}
    added = {name: value - p99["direct"] for name, value in p99.items() if name != "direct"}
    chance = (max(direct) - min(direct)) / 2
    return {
        "ms": p99,
        "added_ms": added,
        "chance_ms": chance,
        "added_ratio_to_relay": added["on"] / added["relay"] if added["relay"] > chance else None,
    }


def child(words: list[str]) -> None:
    """One of the processes."""
    import uvloop

    if words[0] == "mock":
        uvloop.run(mock())
    elif words[0] == "relay":
        relay(words[1])
    else:
        print(json.dumps(uvloop.run(load(int(words[1]), float(words[2]), float(words[3]), words[4]))))


def main() -> None:
    """Measure and tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="shorter and fewer rounds")
    parser.add_argument("--no-litellm", action="store_true", help="leave LiteLLM's proxy out")
    parser.add_argument("--child", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        child(given.child)
        return
    record("gateway", measure(given.quick, not given.no_litellm))


if __name__ == "__main__":
    main()
