"""``loraloop experiment`` and ``loraloop promote``, without a model."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from loraloop.cli.main import main
from loraloop.deploy.adoption import adopt
from loraloop.experimenting import experiments_of, plan_of
from loraloop.testing.adapter_files import plain_adapter
from loraloop.wiring import Home, init_home, open_home


@pytest.mark.slow
def test_without_traffic_a_plan_proposes_a_replay_and_ends_with_no(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It names the users that a drop would need, as JSON too, in both languages."""
    init_home(tmp_path / "home", experiment__max_days=14.0)
    told = {}
    for words in (["--lang", "en"], ["--lang", "ko"]):
        with pytest.raises(SystemExit) as ended:
            main(["--home", str(tmp_path / "home"), *words, "experiment", "plan", "--difference", "0.1"])
        assert ended.value.code == 1
        told[words[1]] = capsys.readouterr().out
    assert "Too few users" in told["en"]
    assert "사용자가 너무 적습니다" in told["ko"]
    with pytest.raises(SystemExit):
        main(["--home", str(tmp_path / "home"), "experiment", "plan", "--approval", "0.8", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert (found["advice"], found["approval"], found["days"]) == ("replay", 0.8, None)
    with open_home(tmp_path / "home") as home:
        assert experiments_of(home).config.max_days == 14.0
        assert plan_of(home, 4.0, 0.05).users_an_arm > found["users_an_arm"] / 10


@pytest.mark.slow
def test_a_forced_experiment_is_shown_stopped_and_promoted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a model: start, status in both languages, stop, promote; refusals have their exit codes."""
    monkeypatch.setattr(Home, "serving", lambda self: {"base_id": "base-tiny"})
    init_home(tmp_path / "home")
    with open_home(tmp_path / "home") as home:
        plain_adapter(home.adapter_dir / "two", 2)
        adopt("two", home.adapter_dir, home.artifacts, home.store, bot=home.bot, now=datetime.now(UTC))

    def run(*words: str) -> tuple[int, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(["--home", str(tmp_path / "home"), "--lang", "en", *words])
        return int(ended.value.code or 0), capsys.readouterr().out

    forced = ("--force", "--reason", "a test")
    assert run("experiment", "status")[0] == 2
    assert run("experiment", "start", "two")[0] == 7
    assert run("experiment", "start", "two", "--force")[0] == 2
    assert run("experiment", "start", "two", "--mode", "blind", *forced)[0] == 2
    begun = json.loads(run("experiment", "start", "two", "--json", *forced)[1])
    assert (begun["mode"], begun["status"], begun["control_id"], "salt" in begun) == ("canary", "running", None, False)
    assert run("experiment", "start", "two", *forced)[0] == 2
    assert run("promote")[0] == 7
    code, shown = run("experiment", "status")
    assert (code, "verdict: keep going" in shown, "sample ratio" in shown) == (0, True, True)
    assert "판정: 계속" in run("--lang", "ko", "experiment", "status")[1]
    assert json.loads(run("experiment", "stop", "--reason", "enough", "--json")[1])["reason"] == "enough"
    assert "20% of users get two" in run("experiment", "start", "two", "--mode", "ab", "--share", "0.2", *forced)[1]
    live = json.loads(run("promote", "--json", *forced)[1])
    assert (live["adapter_name"], live["status"]) == ("two", "on_trial")
    ended = json.loads(run("experiment", "status", "--json")[1])
    assert (ended["experiment"]["status"], ended["rollbacks"]["frozen_at"]) == ("promoted", None)
    assert run("experiment", "stop")[0] == 2
