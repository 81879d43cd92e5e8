"""Giving way to users: when a heavy child stands still, that it really does, and that it never does for good."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from loraloop.errors import TrainingError
from loraloop.lm.child import run_child, stop_children
from loraloop.lm.yielding import Turns, Yielding, YieldingConfig
from loraloop.processes import identity, is_gone, is_stopped

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="children stand still on Linux only"),
]

CHILD = """
import os, signal, sys, time
from loraloop.lm.child import child_main
from loraloop.lm.own_time import own_s

def work(spec, say):
    stop = []
    signal.signal(signal.SIGTERM, lambda number, frame: stop.append(number))
    begin, own = time.perf_counter(), own_s()
    while not stop and time.perf_counter() < begin + spec["seconds"]:
        say("tick", at=time.monotonic())
        time.sleep(0.005)
    autogroup = "/proc/self/autogroup"
    nice = open(autogroup).read().split()[-1] if os.path.exists(autogroup) else "19"
    return {"wall_s": time.perf_counter() - begin, "own_s": own_s() - own, "stopped": bool(stop),
            "nice": [os.nice(0), os.sched_getscheduler(0) == os.SCHED_IDLE, nice], "threads": spec["max_threads"]}

child_main(work)
"""
PARENT = """
import os, sys
from loraloop.lm.child import run_child
from loraloop.lm.yielding import Yielding, YieldingConfig

class Sign:
    def is_serving(self): return True
    def is_answering(self): return True

def told(stands, seconds):
    print("stands" if stands else "runs", flush=True)

yielding = Yielding(YieldingConfig(), Sign())
yielding.hear = told
run_child("ticking_child", {"seconds": 60}, lambda fact: None, yielding=yielding,
          on_start=lambda pid: print(pid, flush=True))
"""


@pytest.fixture(autouse=True)
def child_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module named ``ticking_child`` that a child process can import."""
    (tmp_path / "ticking_child.py").write_text(CHILD)
    source = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("PYTHONPATH", source)


class Sign:
    """A sign that a test turns."""

    def __init__(self, answering: bool = False) -> None:
        self.answering = answering

    def is_serving(self) -> bool:
        """Always."""
        return True

    def is_answering(self) -> bool:
        """As it was turned."""
        return self.answering


class Running:
    """A ticking child that gives way to a sign, in a thread of its own."""

    def __init__(self, sign: Sign, seconds: float, **config: Any) -> None:
        self.ticks: list[float] = []
        self.told: list[tuple[bool, float]] = []
        self.found: dict[str, Any] = {}
        self.pid = 0
        self.error: BaseException | None = None
        self.yielding = Yielding(YieldingConfig(**config), sign)
        self.yielding.hear = lambda stands, seconds: self.told.append((stands, seconds))
        self._thread = threading.Thread(target=self._run, args=(seconds,))
        self._thread.start()

    def _run(self, seconds: float) -> None:
        def started(pid: int) -> None:
            self.pid = pid

        try:
            self.found = run_child(
                "ticking_child", {"seconds": seconds}, lambda fact: self.ticks.append(fact["at"]),
                on_start=started, yielding=self.yielding,
            )  # fmt: skip
        except BaseException as error:
            self.error = error

    def end(self) -> None:
        """Wait until it has ended."""
        self._thread.join(30)
        assert not self._thread.is_alive()
        assert self.error is None


def wait(until: Callable[[], bool]) -> None:
    """Wait for something, half a minute at most."""
    end = time.monotonic() + 30
    while not until():
        assert time.monotonic() < end
        time.sleep(0.002)


def test_only_beside_a_gateway_a_child_runs_on_what_is_left() -> None:
    """Where nobody is served the lowest priority would only starve it beside other work."""
    sign = Sign()
    assert Yielding(YieldingConfig(), sign).lowest_priority
    assert not Yielding(YieldingConfig(lowest_priority=False), sign).lowest_priority
    sign.is_serving = lambda: False  # type: ignore[method-assign]
    assert not Yielding(YieldingConfig(), sign).lowest_priority


@pytest.mark.slow
def test_a_child_stands_still_while_somebody_is_answered_and_then_goes_on() -> None:
    """It stops within a fraction of a second, runs again after the quiet time, and takes its own time for its own."""
    sign = Sign()
    running = Running(sign, 3.0, quiet_s=0.2)
    wait(lambda: len(running.ticks) > 3)
    sign.answering, begin = True, time.monotonic()
    wait(lambda: is_stopped(identity(running.pid)))
    stopped_after_s = time.monotonic() - begin
    time.sleep(0.5)
    sign.answering, end = False, time.monotonic()
    running.end()
    assert stopped_after_s < 0.5
    assert not [at for at in running.ticks if begin + stopped_after_s < at < end + 0.15]
    assert running.ticks[-1] > end
    stood_s = running.found["wall_s"] - running.found["own_s"]
    assert 0.6 < stood_s < 2.0
    assert sum(seconds for _, seconds in running.told) == pytest.approx(stood_s, abs=0.05)
    assert (running.told[0][0], running.told[-1][0]) == (True, False)


def test_a_child_runs_on_what_everything_else_leaves() -> None:
    """Nicest, idle, and its whole session the nicest too: without that the others would count for nothing."""
    running = Running(Sign(), 0.0)
    running.end()
    assert running.found["nice"] == [19, True, "19"]


def test_a_limit_of_threads_holds_while_a_gateway_is_up() -> None:
    """A child that begins beside a gateway is told so; without a limit it is told none."""
    running = Running(Sign(), 0.0, threads=3)
    running.end()
    assert running.found["threads"] == 3
    assert Yielding(YieldingConfig(), Sign()).max_threads() is None


def test_where_it_is_switched_off_nobody_stands_still() -> None:
    """With to_users off a child runs through, whoever is answered."""
    running = Running(Sign(answering=True), 0.3, to_users=False)
    running.end()
    assert running.found["wall_s"] - running.found["own_s"] == pytest.approx(0, abs=0.01)
    assert not running.told


def test_a_child_that_stands_still_can_be_asked_to_end() -> None:
    """TERM reaches it though somebody is being answered all the time, and it ends in its own way."""
    sign = Sign()
    running = Running(sign, 60)
    wait(lambda: len(running.ticks) > 3)
    sign.answering = True
    wait(lambda: bool(running.told) and is_stopped(identity(running.pid)))
    begin = time.monotonic()
    stop_children()
    running.end()
    assert running.found["stopped"]
    assert time.monotonic() - begin < 4  # else it was killed


def test_a_child_that_stands_still_dies_with_its_parent() -> None:
    """SIGKILL of whoever made it stand: nothing stays behind."""
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = identity(int(parent.stdout.readline()))
        assert parent.stdout.readline() == "stands\n"
        wait(lambda: is_stopped(child))
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
        wait(lambda: is_gone(child))


def test_a_child_that_is_killed_while_it_stands_still_is_an_error() -> None:
    """Whoever waits for it hears of the death, not of nothing."""
    running = Running(Sign(answering=True), 60)
    wait(lambda: bool(running.told) and is_stopped(identity(running.pid)))
    os.killpg(running.pid, signal.SIGKILL)
    wait(lambda: running.error is not None)
    assert isinstance(running.error, TrainingError)


def test_whoever_asks_without_a_rest_cannot_stop_it_for_good(caplog: pytest.LogCaptureFixture) -> None:
    """After longest_s it has its turn, and the log says so."""
    caplog.set_level(logging.WARNING)
    sign = Sign()
    running = Running(sign, 2.0, longest_s=1.0, turn_s=60.0)
    wait(lambda: bool(running.ticks))  # it counts from its own start on
    sign.answering = True
    running.end()
    assert "asked almost without a rest" in caplog.text
    assert 0.9 < running.found["wall_s"] - running.found["own_s"] < 5.0  # not the minute; a busy machine wakes it late


def test_over_an_hour_of_asking_it_has_its_share() -> None:
    """By a clock of our own: turn_s in every longest_s, in one piece."""
    turns = Turns(YieldingConfig(longest_s=100, turn_s=25), 0.0)
    stood = [turns.stands(0.1 * n, True) for n in range(36_000)]
    assert sum(stood) / len(stood) == pytest.approx(0.8, abs=0.01)
    assert sum(before and not after for before, after in pairwise(stood)) == pytest.approx(28, abs=1)


@given(
    some.lists(some.tuples(some.floats(0.001, 30), some.booleans()), max_size=200),
    some.floats(0, 5), some.floats(1, 60), some.floats(0.1, 60),
)  # fmt: skip
def test_it_never_stands_for_nobody_nor_beyond_its_share(
    looks: list[tuple[float, bool]], quiet_s: float, longest_s: float, turn_s: float
) -> None:
    """Whatever is asked when: it stands only within the quiet time of an answer, and never more than it may."""
    turns = Turns(YieldingConfig(quiet_s=quiet_s, longest_s=longest_s, turn_s=turn_s), 0.0)
    now_s = stood_s = ran_s = 0.0
    answered_s, stands, longest_look_s = float("-inf"), False, 0.0
    for spent_s, answering in looks:
        now_s += spent_s
        longest_look_s = max(longest_look_s, spent_s)
        stood_s, ran_s = (stood_s + spent_s, ran_s) if stands else (stood_s, ran_s + spent_s)
        answered_s = now_s if answering else answered_s
        stands = turns.stands(now_s, answering)
        assert not stands or now_s - answered_s <= quiet_s
        assert stood_s <= longest_s + longest_look_s + ran_s * longest_s / turn_s + 1e-6
