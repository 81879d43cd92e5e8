"""``loraloop experiment plan`` before anybody came."""

import json
from pathlib import Path

import pytest

from loraloop.cli.main import main
from loraloop.experimenting import experiments_of, plan_of
from loraloop.wiring import init_home, open_home


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
