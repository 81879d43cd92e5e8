"""Experiments as an operator meets them, on a tiny real model."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loraloop.experimenting import desk_of
from loraloop.wiring import open_home

Command = Callable[..., Any]

pytestmark = pytest.mark.real


def test_an_experiment_is_begun_looked_at_stopped_forced_live_and_rolled_back(command: Command, a_home: Path) -> None:
    """Each command says what it did; what was promoted by force is on trial, and the way back is the usual one."""
    assert command(a_home, "train", "--name", "two").code == 0
    assert command(a_home, "experiment", "status").code == 2
    assert command(a_home, "experiment", "stop").code == 2
    assert command(a_home, "promote").code == 2
    assert command(a_home, "experiment", "start", "two").code == 7  # nothing was decided about it
    assert command(a_home, "experiment", "start", "two", "--force").code == 2  # a reason is asked for
    forced = ("--force", "--reason", "a test")
    assert command(a_home, "experiment", "start", "two", "--mode", "blind", *forced).code == 2
    begun = command(a_home, "experiment", "start", "two", *forced, "--json").json
    assert (begun["mode"], begun["status"], begun["steps"]) == ("canary", "running", [0.05, 0.25, 0.5])
    assert "salt" not in begun
    assert command(a_home, "experiment", "start", "two", *forced).code == 2  # one is running
    with open_home(a_home) as home:
        desk = desk_of(home)
        arms = {desk.assign(f"user {n}").arm for n in range(200)}
        desk.close()
    assert arms == {"control", "candidate", ""}
    told = command(a_home, "experiment", "status", "--json").json
    assert told["verdict"]["verdict"] == "keep going"
    assert set(told["verdict"]["users"]) == {"control", "candidate"}
    assert "keep going" in command(a_home, "experiment", "status").out
    assert "판정: 계속" in command(a_home, "--lang", "ko", "experiment", "status").out
    assert command(a_home, "promote").code == 7  # the verdict does not say so
    stopped = command(a_home, "experiment", "stop", "--reason", "enough", "--json").json
    assert (stopped["status"], stopped["reason"]) == ("stopped", "enough")
    again = command(a_home, "experiment", "start", "two", "--mode", "ab", "--share", "0.2", *forced)
    assert "20% of users get two" in again.out
    live = command(a_home, "promote", *forced, "--json").json
    assert (live["adapter_name"], live["status"]) == ("two", "on_trial")
    assert command(a_home, "experiment", "status", "--json").json["experiment"]["status"] == "promoted"
    assert command(a_home, "rollback", "--json").json["target_adapter"] == "first"
    assert command(a_home, "doctor").code == 0
