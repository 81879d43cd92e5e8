"""The join of loop and gateway: what other processes release answers users, and rollback takes it back."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openai
import pytest

from loraloop.wiring import open_home

pytestmark = pytest.mark.real

Elsewhere = Callable[..., str]
Served = Callable[[Path], openai.OpenAI]

ASK: list[Any] = [{"role": "user", "content": "Hello, how are you today?"}]


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


def test_what_is_released_is_what_users_hear_and_rollback_takes_it_back(
    two_adapters: Callable[..., Path], served: Served, loraloop: Elsewhere
) -> None:
    """Base, first, second, rollback: each answers with its own weights, and what was said is kept with who said it."""
    home = two_adapters()
    client = served(home)
    base, _ = answer(client)
    force = ("--force", "--reason", "test")
    loraloop(home, "deploy", "first", *force)
    first = becomes(client, base, 180)  # the expected proof is computed once for each adapter
    loraloop(home, "deploy", "second", *force)
    second = becomes(client, first, 180)
    assert len({base, first, second}) == 3
    loraloop(home, "rollback")
    begun = time.monotonic()
    assert becomes(client, second, 10) == first
    assert time.monotonic() - begun < 2.5  # it was kept warm
    # "first" says the same twice, which is one conversation
    expected, end = ["base", "first", "second"], time.monotonic() + 10
    while (heard := names_heard(home)) != expected and time.monotonic() < end:
        time.sleep(0.2)  # what was said is written off the requests' path
    assert heard == expected
    names = {model.id for model in client.models.list()}
    assert {"live", "base"} <= names
