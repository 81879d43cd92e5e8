"""The commands of the schedule."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from loraloop.cli.main import main
from loraloop.cli.messages import t
from loraloop.wiring import init_home


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A home whose base is never loaded."""
    return init_home(tmp_path / "home", base__model=str(tmp_path / "no-base"), schedule__min_samples_for_training=3)


def told(capsys: pytest.CaptureFixture[str], home: Path, *words: str) -> tuple[int, Any]:
    """The exit code of a command, and its JSON answer."""
    with pytest.raises(SystemExit) as ended:
        main(["--home", str(home), *words, "--json"])
    return int(ended.value.code or 0), json.loads(capsys.readouterr().out)


@pytest.mark.slow
def test_explain_tells_every_trigger_used_or_not(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each with what it sees and needs, in both languages; and that nobody looks on."""
    code, found = told(capsys, bare, "schedule", "explain")
    assert (code, found["fires"], found["looked_after"]) == (0, False, False)
    by_name = {one["trigger"]: one for one in found["triggers"]}
    assert set(by_name) == {"interval", "rows", "corrections", "approval", "drift", "cron", "stale", "rested"}
    assert (by_name["rows"]["observed"], by_name["rows"]["required"], by_name["rows"]["used"]) == (0, 3, True)
    assert by_name["cron"]["used"] is False
    with pytest.raises(SystemExit):
        main(["--home", str(bare), "--lang", "ko", "schedule", "explain"])
    assert "새 행 0건" in capsys.readouterr().out


@pytest.mark.slow
def test_simulate_replays_a_file_and_refuses_a_wrong_one(
    bare: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Three rows make one run at the third; a line that is none is named, without a traceback."""
    history = tmp_path / "history.jsonl"
    history.write_text("\n".join(json.dumps({"at": f"2026-03-01T1{n}:00:00Z"}) for n in range(4)))
    code, found = told(capsys, bare, "schedule", "simulate", "--history", str(history))
    assert (code, found["runs"], found["arrivals"]) == (0, 1, 4)
    assert [one["at"][:13] for one in found["decisions"] if one["runs"]] == ["2026-03-01T12"]
    history.write_text("no")
    code, found = told(capsys, bare, "schedule", "simulate", "--history", str(history))
    assert (code, "line 1" in found["error"]) == (4, True)
    assert told(capsys, bare, "schedule", "simulate", "--history", str(tmp_path / "none"))[0] == 4
    assert told(capsys, bare, "schedule", "simulate", "--days", "3")[1]["runs"] == 0


@pytest.mark.slow
def test_trigger_leaves_a_request_and_says_whether_somebody_looks_on(
    bare: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The name is checked first; the request waits in the home for the scheduler."""
    code, found = told(capsys, bare, "schedule", "trigger", "mine")
    assert (code, found["name"], found["looked_after"]) == (0, "mine", False)
    assert len(list((bare / "triggers" / "default").glob("*.json"))) == 1
    assert told(capsys, bare, "schedule", "trigger", "../x")[0] == 2


@pytest.mark.slow
def test_a_scheduler_that_is_told_to_stop_ends_in_order(bare: Path) -> None:
    """SIGTERM, as a service manager sends it, ends the command as a job well done."""
    command = [sys.executable, "-m", "loraloop", "--home", str(bare), "run"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        for line in running.stderr:
            if t("run.started") in line:
                break
        running.send_signal(signal.SIGTERM)
        assert running.wait(30) == 0
