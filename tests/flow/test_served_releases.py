"""The join of loop and gateway: what other processes release answers users, and rollback takes it back."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import openai
import pytest

from loraloop.lm.adapters import adapter_digest
from loraloop.testing.wrappers import random_adapter
from loraloop.types import Adapter
from loraloop.wiring import init_home, open_home

pytestmark = pytest.mark.real

ASK: list[Any] = [{"role": "user", "content": "Hello, how are you today?"}]


def loraloop(home: Path, *words: str) -> str:
    """One command of another process, which must succeed."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "loraloop", "--home", str(home), *words],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def home(tiny_base: Path, tmp_path: Path) -> Path:
    """A home with two adapters of a tiny base that answer differently, none of them released."""
    folder = tmp_path / "home"
    init_home(
        folder, base__model=str(tiny_base), base__max_new_tokens=12, engine__dtype="float32", engine__watch_s=0.05
    )
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


@pytest.fixture
def served(home: Path) -> Iterator[openai.OpenAI]:
    """``loraloop serve`` in a process of its own, and a client with its first key."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "loraloop", "--home", str(home), "serve", "--port", "0", "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, process.stderr and process.stderr.read()
    told = json.loads(line)
    client = openai.OpenAI(base_url=told["url"], api_key=told["first_key"], max_retries=0)
    yield client
    process.terminate()
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said[-2000:]


def answer(client: openai.OpenAI) -> tuple[str, str]:
    """What the live release says now, and which it is."""
    found = client.chat.completions.create(model="live", messages=ASK, user="kid", store=True)
    return found.choices[0].message.content or "", found.model


def becomes(client: openai.OpenAI, other_than: str, within_s: float) -> str:
    """The live answer once it is another one."""
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        said, _ = answer(client)
        if said != other_than:
            return said
        time.sleep(0.1)
    raise AssertionError(f"still {other_than!r} after {within_s} s")


def names_heard(home: Path) -> list[str]:
    """Whose answers are kept, in order, each run of one release once."""
    with open_home(home) as opened:
        releases = {one.id: one.adapter_name for one in opened.store.releases.history(opened.bot)}
        kept = list(opened.store.conversations.iterate(opened.bot))
    names = [releases.get(one.release_id or "", "base") for one in kept]
    return [name for n, name in enumerate(names) if n == 0 or names[n - 1] != name]


def test_what_is_released_is_what_users_hear_and_rollback_takes_it_back(home: Path, served: openai.OpenAI) -> None:
    """Base, first, second, rollback: each answers with its own weights, and what was said is kept with who said it."""
    base, _ = answer(served)
    force = ("--force", "--reason", "test")
    loraloop(home, "deploy", "first", *force)
    first = becomes(served, base, 180)  # the expected proof is computed once for each adapter
    loraloop(home, "deploy", "second", *force)
    second = becomes(served, first, 180)
    assert len({base, first, second}) == 3
    loraloop(home, "rollback")
    begun = time.monotonic()
    assert becomes(served, second, 10) == first
    assert time.monotonic() - begun < 2.5  # it was kept warm
    # "first" says the same twice, which is one conversation
    expected, end = ["base", "first", "second"], time.monotonic() + 10
    while (heard := names_heard(home)) != expected and time.monotonic() < end:
        time.sleep(0.2)  # what was said is written off the requests' path
    assert heard == expected
    names = {model.id for model in served.models.list()}
    assert {"live", "base"} <= names
