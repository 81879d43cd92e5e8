"""Commands about data as a user types them: review by pipe and by JSON, statistics as a page, scores, preferences."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]
TALKS = [
    ("비가 왜 와?", "구름에서 물이 떨어져요"),
    ("죽고 싶어", "괜찮아요"),
    ("what is hail", "ice"),
    ("what is fog", "smoke"),
]


@pytest.mark.slow
def test_what_waits_is_decided_and_the_numbers_follow(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Distress cannot be approved, an edit becomes a preference and a score, and the page is written."""
    home, file = tmp_path / "home", tmp_path / "talks.jsonl"
    home.mkdir()
    (home / "loraloop.toml").write_text("")
    turns = [[{"role": "user", "content": q}, {"role": "assistant", "content": a}] for q, a in TALKS]
    file.write_text("\n".join(json.dumps({"messages": one, "consent": "granted"}) for one in turns))
    assert command(home, "import", str(file)).code == 0
    waiting = command(home, "review", "list", "--json").json["waiting"]
    assert len(waiting) == 4
    assert waiting[0]["reason"] == "distress_disclosure"
    assert command(home, "review", "decide", waiting[0]["id"], "approve").code == 2
    assert command(home, "review", "decide", waiting[1]["id"], "edit").code == 2
    monkeypatch.setattr("sys.stdin", io.StringIO("a\ns\nhm\na\ne\nballs of ice that fall\nq\n"))
    said = command(home, "review")
    assert "never learnt" in said.out
    assert "seen 1" in said.out
    assert "approved 1" in said.out
    assert "edited 1" in said.out
    left = command(home, "review", "list", "--json").json["waiting"]
    assert len(left) == 1
    edited = next(one["id"] for one in waiting if one["id"] not in {left[0]["id"], waiting[0]["id"], waiting[1]["id"]})
    assert "correction +0.5" in command(home, "data", "explain", edited).out
    assert command(home, "data", "preferences", str(tmp_path / "p.jsonl"), "--json").code == 0
    page = tmp_path / "stats.html"
    assert command(home, "data", "stats", "--html", str(page), "--json").json["conversations"] == 4
    assert "죽고" not in page.read_text("utf-8")
    assert command(home, "data", "stats", "--html", str(tmp_path / "nowhere" / "x.html")).code == 2
