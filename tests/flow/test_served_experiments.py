"""The join of experiments and gateway: processes apart, the official client, thumbs, and what follows from them."""

import json
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import openai
import pytest

from loraloop.wiring import open_home

pytestmark = pytest.mark.real

Elsewhere = Callable[..., str]
Served = Callable[[Path], openai.OpenAI]
FORCE = ("--force", "--reason", "test")
MODEST: dict[str, Any] = {
    "base__max_new_tokens": 4,
    "serve__guard_personal_data": False,
    "serve__guard_unfit_words": False,
    "serve__experiment_check_s": 0.2,
    "serve__requests_per_minute": 1_000_000.0,
    "serve__burst": 100_000,
    "experiment__step_users": 1,
    "experiment__step_hours": 0.0,
    "experiment__least_users": 20,
    "experiment__least_hours": 0.0,
    "experiment__tolerance": 0.2,
    "experiment__latency_more": 3.0,
    "experiment__length_change": 3.0,
}
"""Small numbers, no waits; the rules and their error rates are the ones that always hold."""


@dataclass
class Town:
    """Users of a gateway who chat once each and say what they think of the answer."""

    client: openai.OpenAI
    got: Counter[str] = field(default_factory=Counter)
    texts: dict[str, str] = field(default_factory=dict)

    def visit(self, name: str, approves: Callable[[str], bool]) -> str:
        """One user asks and sends a thumb; returns the release that answered."""
        ask: list[Any] = [{"role": "user", "content": "Hello, how are you today?"}]
        said = self.client.chat.completions.create(model="live", messages=ask, user=name, temperature=0)
        release = str(said.system_fingerprint)
        text = said.choices[0].message.content or ""
        assert self.texts.setdefault(release, text) == text, "an answer is wholly that of the release it names"
        thumb = "up" if approves(release) else "down"
        self.client.post("/feedback", body={"completion_id": said.id, "thumb": thumb}, cast_to=object)
        self.got[release] += 1
        return release

    def crowd(self, name: str, approves: Callable[[str], bool], over: Callable[[], bool], most: int = 1500) -> None:
        """Let users come, some at a time, until it is over."""
        with ThreadPoolExecutor(8) as users:
            for begin in range(0, most, 24):
                if over():
                    return
                list(users.map(lambda n: self.visit(f"{name} {n}", approves), range(begin, begin + 24)))
        assert over(), f"not over after {most} users"

    def stands(self, release: str) -> bool:
        """Whether the alias ``candidate`` leads to a release."""
        raw = self.client.get("/models", cast_to=object)
        return any(one["id"] == "candidate" and one["release"] == release for one in raw["data"])  # type: ignore[index]

    def until(self, holds: Callable[[], bool], within_s: float) -> float:
        """Wait until something holds; returns the seconds."""
        begun = time.monotonic()
        while not holds():
            assert time.monotonic() - begun < within_s
            time.sleep(0.05)
        return time.monotonic() - begun


@pytest.mark.fault(65)
def test_users_thumbs_promote_one_canary_and_take_another_back_and_a_shadow_is_never_seen(
    two_adapters: Callable[..., Path], served: Served, loraloop: Elsewhere
) -> None:
    """A shadow, stopped from beside; a canary that goes 5, 25, 50, 100 %; and one that users do not like."""
    folder = two_adapters(**MODEST)
    loraloop(folder, "deploy", "first", *FORCE)
    town = Town(served(folder))
    with open_home(folder) as home:

        def begin(name: str, *words: str) -> str:
            said = loraloop(folder, "experiment", "start", name, *words, *FORCE, "--json")
            candidate = str(json.loads(said)["candidate_id"])
            town.until(lambda: town.stands(candidate), 120)
            time.sleep(0.5)  # the next look deals users to it
            return candidate

        def live() -> str:
            found = home.store.releases.live(home.bot)
            return found.id if found else ""

        def is_over() -> bool:
            return home.store.experiments.running(home.bot) is None

        first = live()
        unseen = begin("second", "--mode", "shadow")
        for n in range(10):
            assert town.visit(f"early {n}", lambda _: True) == first
        metrics = town.client.get("http://" + str(town.client.base_url.netloc.decode()) + "/metrics", cast_to=str)
        assert 'loraloop_experiment_total{kind="mirrored_' in metrics
        loraloop(folder, "experiment", "stop", "--reason", "seen enough")
        assert town.until(lambda: not town.stands(unseen), 10) <= 2.0
        assert unseen not in town.texts

        good = begin("second")
        steps = iter(range(10**6))
        town.crowd("user", lambda one: one == good or next(steps) % 2 == 0, is_over)
        assert live() == good
        ended = home.store.experiments.list(home.bot, 1)[0]
        assert (ended.status, ended.steps, ended.step) == ("promoted", (0.05, 0.25, 0.5), 2)
        town.until(lambda: town.visit("somebody", lambda _: True) == good, 10)
        assert set(town.got) == {first, good}
        assert len(set(town.texts.values())) == 2

        bad = begin("first")
        town.crowd("other", lambda one: one != bad, is_over)
        ended = home.store.experiments.list(home.bot, 1)[0]
        assert (ended.status, live()) == ("rolled back", good)
        assert town.until(lambda: not town.stands(bad), 10) <= 2.0
        with pytest.raises(AssertionError, match="rolled back automatically"):
            loraloop(folder, "deploy", "first")
