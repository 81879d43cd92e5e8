"""A heavy step in a process of its own: facts, errors and deaths all reach the parent."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from loraloop.errors import EvaluationError, TrainingDiverged, TrainingError
from loraloop.lm.child import run_child

CHILD = """
import os, signal, sys, time
from loraloop.errors import TrainingDiverged
from loraloop.lm.child import child_main

def work(spec, say):
    say("progress", done=1, total=2)
    print("a library prints this")
    if spec["do"] == "fail":
        raise TrainingDiverged("loss nan at step 3", hint="lower it")
    if spec["do"] == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if spec["do"] == "bug":
        raise ZeroDivisionError(f"oops {spec['text']}\\n{spec['text']}: 0")
    if spec["do"] == "lack":
        import no_such_module
    if spec["do"] == "outlive":
        open(spec["text"], "w").close()
    return {"priority": os.nice(0), "text": spec["text"]}

child_main(work)
"""


FALLEN = """
import json, os, subprocess, sys
from loraloop.lm.child import child_command, child_environment

stdin, out = os.pipe()
os.write(out, json.dumps({"do": "outlive", "text": sys.argv[1]}).encode())
os.close(out)
child = subprocess.Popen(child_command("small_child"), stdin=stdin, stdout=subprocess.DEVNULL, env=child_environment())
print(child.pid, flush=True)
if sys.argv[2] == "stay":
    child.wait()
os._exit(0)
"""
"""A parent that has told its child everything, and is killed before the child's first line."""


@pytest.fixture(autouse=True)
def child_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module named ``small_child`` that the child process can import."""
    (tmp_path / "small_child.py").write_text(CHILD)
    source = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("PYTHONPATH", source)


def run(do: str, facts: list[dict[str, Any]] | None = None, **options: Any) -> dict[str, Any]:
    """Run the small child."""
    return run_child("small_child", {"do": do, "text": "안녕"}, (facts if facts is not None else []).append, **options)


def test_facts_and_result_arrive_and_prints_do_not_disturb_them() -> None:
    """What a library prints is kept apart from the facts, and Korean text survives the way there and back."""
    facts: list[dict[str, Any]] = []
    result = run("well", facts)
    assert facts == [{"kind": "progress", "done": 1, "total": 2}]
    assert result["text"] == "안녕"


def test_the_child_yields_to_whoever_serves_users() -> None:
    """The child runs at a lower priority than its parent."""
    assert run("well")["priority"] > os.nice(0)


def test_the_childs_error_is_raised_again_with_its_hint() -> None:
    """An error of our tree comes through as itself."""
    with pytest.raises(TrainingDiverged, match="step 3") as caught:
        run("fail")
    assert caught.value.hint == "lower it"


def test_a_killed_child_is_an_error_that_names_the_signal(tmp_path: Path) -> None:
    """A child that was killed is reported as such, with the log to read, and as the error the caller chose."""
    with pytest.raises(EvaluationError, match="SIGKILL") as caught:
        run("die", died=EvaluationError, log_path=tmp_path / "child.log")
    assert "child.log" in str(caught.value)


def test_a_bug_in_the_child_shows_its_kind_and_nobody_s_words() -> None:
    """An unexpected exception reaches the user as one line, not as silence; what it quotes is no one else's to read."""
    with pytest.raises(TrainingError, match="ZeroDivisionError") as caught:
        run("bug")
    assert "안녕" not in str(caught.value)
    assert "oops" not in str(caught.value)
    assert sys.exc_info() == (None, None, None)


def test_a_module_that_the_child_lacks_is_named() -> None:
    """Whoever has to install it must know which."""
    with pytest.raises(TrainingError, match="No module named 'no_such_module'"):
        run("lack")


@pytest.mark.slow
@pytest.mark.fault(53)
@pytest.mark.parametrize("parent", ["stay", "fall"])
def test_a_child_whose_parent_fell_before_it_began_does_no_work(tmp_path: Path, parent: str) -> None:
    """The kernel kills with its parent only who asked in time; whoever asks too late sees it by the parent's id."""
    worked = tmp_path / "worked"
    told = subprocess.run(
        [sys.executable, "-c", FALLEN, str(worked), parent], capture_output=True, text=True, check=True
    )
    ends = time.monotonic() + 60
    while Path(f"/proc/{int(told.stdout)}").exists() and time.monotonic() < ends:
        time.sleep(0.02)
    assert worked.exists() == (parent == "stay")
