"""Homes with one live adapter on a tiny real base, made once and copied; commands as a user types them."""

import json
import logging
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import openai
import pytest

from loraloop.cli.main import main
from loraloop.lm.adapter_files import adapter_digest
from loraloop.testing.wrappers import random_adapter
from loraloop.types import Adapter
from loraloop.wiring import init_home, open_home

SECRET = bytes(range(32)).hex()
"""The key of pseudonyms in these homes, fixed: which side of the split a person falls on is a matter of the key."""
SYLLABLES = [a + b for a in "bdfgklmnprst" for b in ("a", "e", "i", "o", "u", "an", "or")]


@dataclass(frozen=True)
class Said:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The answer of a command that was asked for JSON."""
        return json.loads(self.out)


Command = Callable[..., Said]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Iterator[Command]:
    """Run a command on a home: ``command(home, "turn", "--name", "x")``."""

    def run(home: Path, *words: str) -> Said:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(["--home", str(home), "--lang", "en", *words])
        shown = capsys.readouterr()
        assert "Traceback" not in shown.err, shown.err
        return Said(int(ended.value.code or 0), shown.out, shown.err)

    before = list(logging.getLogger().handlers)
    yield run
    for handler in set(logging.getLogger().handlers) - set(before):
        logging.getLogger().removeHandler(handler)
        handler.close()


def write_records(path: Path, begin: int, count: int) -> Path:
    """Write older records whose words are their own, so that none nearly repeats another."""
    with path.open("w", encoding="utf-8") as file:
        for n in range(begin, begin + count):
            drawn = random.Random(n)
            words = ["".join(drawn.choices(SYLLABLES, k=3)) for _ in range(9)]
            row = {
                "user_input": " ".join(words[:4]) + "?",
                "bot_response": " ".join(words[4:]) + ".",
                "quality_score": 0.9,
                "timestamp": "2026-01-05T10:00:00",
            }
            file.write(json.dumps(row) + "\n")
    return path


@pytest.fixture
def records() -> Callable[[Path, int, int], Path]:
    """Write older records to a file: ``records(path, begin, count)``."""
    return write_records


@pytest.fixture(scope="session")
def live_home(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with one adapter live, made once; copy it before you touch it."""
    from loraloop.data.formats import ImportOptions
    from loraloop.data.importers import import_files

    folder = tmp_path_factory.mktemp("live")
    suite = folder / "suite.json"
    suite.write_text('{"items": [{"prompt": "hello"}, {"prompt": "what is it"}]}')
    init_home(
        folder / "home", base__model=str(tiny_base), evaluate__suites=[str(suite)], base__max_new_tokens=4,
        gate__min_heldout_rows=2, gate__latency_floor_s=30.0, train__learning_rate=5e-3,
        train__epochs=1, train__min_steps=1,
    )  # fmt: skip
    key = folder / "home" / "secret.key"
    key.write_text(SECRET)
    key.chmod(0o600)
    with open_home(folder / "home") as home:
        options = ImportOptions(bot=home.bot, secret=home.secret, consent="granted", approved_by="review")
        import_files([str(write_records(folder / "one.jsonl", 0, 60))], "auto", options, home.store)
        result = home.loop.turn("first", actor="test")
        if result.release is None:
            home.deployer.release(result.decision, result.adapter, serving=home.serving(), actor="test", method="force")
    return folder / "home"


@pytest.fixture
def a_home(live_home: Path, tmp_path: Path) -> Path:
    """A copy of the live home, for one test."""
    shutil.copytree(live_home, tmp_path / "home", symlinks=True)
    return tmp_path / "home"


@pytest.fixture
def loraloop() -> Callable[..., str]:
    """One command of another process, which must succeed: ``loraloop(home, "deploy", "first")``."""

    def run(home: Path, *words: str) -> str:
        command = [sys.executable, "-P", "-m", "loraloop", "--home", str(home), *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture
def two_adapters(tiny_base: Path, tmp_path: Path) -> Callable[..., Path]:
    """A home with two adapters of a tiny base that answer differently, none of them released, and these settings."""

    def make(**settings: Any) -> Path:
        folder = tmp_path / "home"
        chosen = {"base__max_new_tokens": 12, "engine__dtype": "float32", "engine__watch_s": 0.05, **settings}
        init_home(folder, base__model=str(tiny_base), **chosen)
        with open_home(folder) as opened:
            for number, name in enumerate(("first", "second"), start=3):
                staged = opened.artifacts.staging()
                random_adapter(tiny_base, staged, 0.5, seed=number)
                digest = adapter_digest(staged)
                path = opened.artifacts.publish(staged, digest)
                at = datetime(2026, 1, number, tzinfo=UTC)
                made = Adapter(f"ad-{digest[:16]}", opened.bot, name, digest, opened.base.id, str(path), at)
                opened.store.adapters.put(made)
        return folder

    return make


@pytest.fixture
def served() -> Iterator[Callable[[Path], openai.OpenAI]]:
    """``loraloop serve`` of a home in a process of its own, and a client with its first key: ``served(home)``."""
    running: list[subprocess.Popen[str]] = []

    def serve(home: Path) -> openai.OpenAI:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "loraloop", "--home", str(home), "serve", "--port", "0", "--json"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        running.append(process)
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.stderr and process.stderr.read()
        told = json.loads(line)
        return openai.OpenAI(base_url=told["url"], api_key=told["first_key"], max_retries=0)

    yield serve
    for process in running:
        process.terminate()
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said[-2000:]
