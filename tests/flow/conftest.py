"""Homes with one live adapter on a tiny real base, made once and copied; commands as a user types them."""

import json
import logging
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from loraloop.cli.main import main
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
