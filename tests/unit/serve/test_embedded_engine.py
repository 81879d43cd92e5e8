"""The embedded engine: a process that answers, is cancelled, dies, comes back, and goes with its parent."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from loraloop.errors import ConversationTooLong, EngineError, ModelError, TamperedArtifact, UsageError
from loraloop.lm.adapter_files import WEIGHTS, adapter_digest
from loraloop.serve.embedded import EmbeddedEngine
from loraloop.serve.engine import Ask, Probe
from loraloop.serve.engine_config import EngineConfig
from loraloop.testing.wrappers import random_adapter

pytestmark = pytest.mark.real

CONFIG = EngineConfig(dtype="float32", threads=1, max_rows=4)
HELLO = ({"role": "user", "content": "Hello, how are you?"},)


@asynccontextmanager
async def started(base: Path, **update: float) -> AsyncIterator[EmbeddedEngine]:
    """A started engine that is closed in the end."""
    engine = EmbeddedEngine(base, CONFIG.model_copy(update=update))
    try:
        await engine.start()
        yield engine
    finally:
        await engine.close()


async def text_of(engine: EmbeddedEngine, ask: Ask) -> str:
    """A whole answer."""
    return "".join([piece.text async for piece in engine.stream(ask)])


@pytest.mark.fault(59)
def test_a_process_that_hangs_is_ended_and_comes_back(tiny_base: Path, tmp_path: Path) -> None:
    """One that says nothing any more is no engine: its answers end with an error, and another process takes its place.

    One that has nothing to do is left alone for longer than that.
    """
    adapter = random_adapter(tiny_base, tmp_path / "adapter")

    async def scenario() -> None:
        async with started(tiny_base, hung_after_s=2.5) as engine:
            await engine.load("ll-1", adapter)
            process = engine._process
            assert process is not None
            await asyncio.sleep(4)
            assert engine._process is process
            pieces = engine.stream(Ask("ll-1", HELLO, max_tokens=400))
            await anext(pieces)
            os.kill(process.pid, signal.SIGSTOP)
            with pytest.raises(EngineError, match=r"silent for 2\.5 s"):
                async for _ in pieces:
                    pass
            async with asyncio.timeout(60):
                while not (await engine.health()).ready:
                    await asyncio.sleep(0.05)
            assert (await engine.health()).versions == ("base", "ll-1")
            assert await text_of(engine, Ask("ll-1", HELLO, max_tokens=8))

    asyncio.run(scenario())


@pytest.mark.fault(59)
def test_a_process_that_dies_fails_its_answers_and_comes_back_with_its_versions(
    tiny_base: Path, tmp_path: Path
) -> None:
    """Killing the process ends its answers with an error; soon it serves the same versions with the same words."""
    adapter = random_adapter(tiny_base, tmp_path / "adapter")

    async def scenario() -> None:
        async with started(tiny_base) as engine:
            await engine.load("ll-1", adapter)
            assert 0 < engine.pauses[-1] < 1
            ask = Ask("ll-1", HELLO, max_tokens=8)
            before = await text_of(engine, ask)
            process = engine._process
            assert process is not None
            pieces = engine.stream(Ask("ll-1", HELLO, max_tokens=400))
            await anext(pieces)
            os.kill(process.pid, signal.SIGKILL)
            with pytest.raises(EngineError, match="died") as caught:
                async for _ in pieces:
                    pass
            assert "again" in caught.value.hint
            health = await engine.health()
            assert (health.ready, health.versions) == (False, ())
            assert "died" in health.reason
            async with asyncio.timeout(60):
                while not (await engine.health()).ready:
                    await asyncio.sleep(0.05)
            assert (await engine.health()).versions == ("base", "ll-1")
            assert await text_of(engine, ask) == before

    asyncio.run(scenario())


@pytest.mark.fault(59)
def test_an_adapter_that_was_spoilt_meanwhile_does_not_keep_the_others_away(tiny_base: Path, tmp_path: Path) -> None:
    """When the process starts again, what is still whole is served, and what was exchanged is not."""
    whole, spoilt = random_adapter(tiny_base, tmp_path / "1"), random_adapter(tiny_base, tmp_path / "2", seed=4)

    async def scenario() -> None:
        async with started(tiny_base) as engine:
            await engine.load("ll-1", whole, adapter_digest(whole))
            await engine.load("ll-2", spoilt, adapter_digest(spoilt))
            shutil.copyfile(whole / WEIGHTS, spoilt / WEIGHTS)
            with pytest.raises(TamperedArtifact):
                await engine.load("ll-3", spoilt, adapter_digest(random_adapter(tiny_base, tmp_path / "3", seed=4)))
            assert engine._process is not None
            os.kill(engine._process.pid, signal.SIGKILL)
            async with asyncio.timeout(60):
                while (await engine.health()).ready:
                    await asyncio.sleep(0.01)
                while not (await engine.health()).ready:
                    await asyncio.sleep(0.05)
            assert (await engine.health()).versions == ("base", "ll-1")
            assert await text_of(engine, Ask("ll-1", HELLO, max_tokens=4))

    asyncio.run(scenario())


def test_a_reader_who_leaves_frees_the_place(tiny_base: Path) -> None:
    """Closing the iterator ends the answer in the process within two seconds."""

    async def scenario() -> None:
        async with started(tiny_base) as engine:
            leaving = [engine.stream(Ask("base", HELLO, max_tokens=400)) for _ in range(4)]
            for pieces in leaving:
                await anext(pieces)
            start = time.monotonic()
            for pieces in leaving:
                await pieces.aclose()  # type: ignore[attr-defined]
            await text_of(engine, Ask("base", HELLO, max_tokens=2))
            assert time.monotonic() - start < 2.0
            assert (await engine.health()).active == 0

    asyncio.run(scenario())


def test_a_base_that_is_none_is_told_at_the_start(tmp_path: Path) -> None:
    """A folder without a model is the user's mistake, and comes back as the error that says so."""

    async def scenario() -> None:
        engine = EmbeddedEngine(tmp_path, CONFIG)
        with pytest.raises(ModelError, match="holds no"):
            await engine.start()
        assert not (await engine.health()).ready
        await engine.close()

    asyncio.run(scenario())


def test_the_gateways_process_never_loads_torch() -> None:
    """Importing the embedded engine imports no model library."""
    code = "import sys, loraloop.serve.embedded; print(sorted({'torch', 'transformers', 'numpy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


PARENT = """
import asyncio, sys
from pathlib import Path
from loraloop.serve.embedded import EmbeddedEngine
from loraloop.serve.engine_config import EngineConfig

async def main():
    engine = EmbeddedEngine(Path(sys.argv[1]), EngineConfig(dtype="float32", threads=1))
    await engine.start()
    print(engine._process.pid, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


@contextmanager
def parent_of_an_engine(base: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A process that has started an engine, and the engine's process id."""
    with subprocess.Popen([sys.executable, "-c", PARENT, str(base)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        try:
            yield parent, int(parent.stdout.readline())
        finally:
            parent.kill()


def test_the_process_dies_with_its_parent(tiny_base: Path) -> None:
    """When the gateway is killed, no engine process is left behind."""
    with parent_of_an_engine(tiny_base) as (parent, engine_pid):
        assert Path(f"/proc/{engine_pid}").exists() or sys.platform != "linux"
        parent.kill()
        parent.wait()
        for _ in range(200):
            try:
                os.kill(engine_pid, 0)
            except ProcessLookupError:
                return
            if Path(f"/proc/{engine_pid}/stat").read_text().split()[2] == "Z":
                return
            time.sleep(0.05)
        raise AssertionError("the engine process outlived its parent")


def test_a_proof_tells_versions_apart(tiny_base: Path, tmp_path: Path) -> None:
    """Log-probabilities of a fixed answer are the same twice, and differ between an adapter and the base."""
    adapter = random_adapter(tiny_base, tmp_path / "adapter")
    probes = [Probe(HELLO, "I am fine, thank you.")]

    async def scenario() -> None:
        async with started(tiny_base) as engine:
            await engine.load("ll-1", adapter)
            mine, base = await engine.logprobs("ll-1", probes), await engine.logprobs("base", probes)
            assert mine == await engine.logprobs("ll-1", probes)
            assert abs(mine[0] - base[0]) > 0.1

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("temperature", "top_p"), [(1e-310, 1.0), (1e-38, 1.0), (0.5, 1e-310)], ids=["hardly warm", "cold", "no nucleus"]
)
def test_no_setting_of_one_request_takes_the_process_down(tiny_base: Path, temperature: float, top_p: float) -> None:
    """Whoever asks for hardly any randomness gets the likeliest tokens; the process answers on."""

    async def scenario() -> None:
        async with started(tiny_base) as engine:
            process = engine._process
            sure = await text_of(engine, Ask("base", HELLO, max_tokens=4))
            asked = Ask("base", HELLO, max_tokens=4, temperature=temperature, top_p=top_p, seed=1)
            assert await text_of(engine, asked) == sure
            assert engine._process is process

    asyncio.run(scenario())


STRICT_TEMPLATE = """{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}
{{ raise_exception('roles must alternate: ' + m.content) }}{% endif %}<|im_start|>{{ m.role }}
{{ m.content }}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""
"""As Gemma's and Mistral's are: roles must alternate, the user first."""


def test_a_conversation_that_the_model_cannot_read_is_refused_and_others_are_answered(
    tiny_base: Path, tmp_path: Path
) -> None:
    """One that the template refuses, or that is too long, is its sender's mistake; no word of it reaches the log."""
    base = shutil.copytree(tiny_base, tmp_path / "base")
    (base / "chat_template.jinja").write_text(STRICT_TEMPLATE)
    log = tmp_path / "engine.log"

    async def scenario() -> None:
        engine = EmbeddedEngine(base, CONFIG, log_path=log)
        try:
            await engine.start()
            async with asyncio.timeout(60):
                with pytest.raises(UsageError, match="alternate"):
                    await text_of(engine, Ask("base", (*HELLO, *HELLO), max_tokens=4))
                long = ({"role": "user", "content": "Hello, how are you? " * 200},)
                with pytest.raises(ConversationTooLong, match="the model reads 512"):
                    await text_of(engine, Ask("base", long, max_tokens=4))
                assert await text_of(engine, Ask("base", HELLO, max_tokens=2))
        finally:
            await engine.close()
        assert "how are you" not in log.read_text()

    asyncio.run(scenario())


DYING_CHILD = """
import os, sys
from loraloop.lm.frames import read_frame, write_frame

lives = open(os.environ["LIVES"], "a+")
lives.write("x")
lives.flush()
lives.seek(0)
life, out = len(lives.read()), sys.stdout.buffer
read_frame(sys.stdin.buffer)
write_frame(out, {"ready": {}})
while (frame := read_frame(sys.stdin.buffer)) is not None:
    if life == 2 or frame["do"] == "ask":
        os._exit(1)
    write_frame(out, {"done": frame["id"], "value": 0.001})
"""
"""An engine's process that dies when it is asked, and in its second life while it loads, as one without memory does."""


def test_a_process_that_dies_while_it_loads_again_is_started_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second death, on the way back, does not leave the gateway without an engine for ever."""
    command = [sys.executable, "-P", "-c", DYING_CHILD]
    monkeypatch.setattr("loraloop.serve.embedded.child_command", lambda module: command)
    monkeypatch.setattr("loraloop.serve.embedded._RESTART_PAUSES_S", (0.01,))
    monkeypatch.setenv("LIVES", str(tmp_path / "lives"))

    async def scenario() -> None:
        async with started(tmp_path) as engine:
            await engine.load("ll-1", tmp_path)
            with pytest.raises(EngineError, match="died"):
                await text_of(engine, Ask("ll-1", HELLO))
            async with asyncio.timeout(60):
                while not (await engine.health()).ready:
                    await asyncio.sleep(0.01)
            assert (await engine.health()).versions == ("base", "ll-1")
        assert (tmp_path / "lives").read_text() == "xxx"

    asyncio.run(scenario())


def test_work_beside_the_answers_leaves_no_threads_behind(tiny_base: Path, tmp_path: Path) -> None:
    """Helpers of a thread that has loaded a version, left alive, would slow every answer down."""
    adapter = random_adapter(tiny_base, tmp_path / "adapter")

    async def scenario() -> None:
        engine = EmbeddedEngine(tiny_base, CONFIG.model_copy(update={"threads": 2}))
        try:
            await engine.start()
            await text_of(engine, Ask("base", HELLO, max_tokens=4))
            assert engine._process is not None
            tasks = Path(f"/proc/{engine._process.pid}/task")
            before = len(list(tasks.iterdir()))
            for number in range(3):
                await engine.load(f"ll-{number}", adapter)
                await engine.logprobs(f"ll-{number}", [Probe(HELLO, "I am fine, thank you.")])
            end = time.monotonic() + 10
            while len(list(tasks.iterdir())) > before and time.monotonic() < end:
                await asyncio.sleep(0.05)
            assert len(list(tasks.iterdir())) <= before
        finally:
            await engine.close()

    asyncio.run(scenario())
