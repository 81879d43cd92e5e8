"""The command line as its user meets it, on a tiny real model."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loraloop.data.messages import pseudonym
from loraloop.data.splits import split_of

Command = Callable[..., Any]
Records = Callable[[Path, int, int], Path]

pytestmark = pytest.mark.real


def test_a_new_user_gets_from_nothing_to_an_answer_and_back(
    command: Command, tiny_base: Path, tmp_path: Path, records: Records
) -> None:
    """init, import, train, evaluate, gate, deploy, ask, feedback, rollback, cleanup: each says what it did."""
    home = tmp_path / "new"
    assert command(home, "status").code == 2
    assert "loraloop init" in command(home, "status").err
    assert command(home, "init", "--base", str(tiny_base)).code == 0
    assert command(home, "init", "--base", str(tiny_base)).code == 2
    assert command(home, "turn").code == 4  # nothing to learn from yet
    path = records(tmp_path / "r.jsonl", 0, 60)
    said = command(home, "import", str(path), "--consent", "granted")
    assert said.code == 0
    assert "will not be learnt" in said.out  # nobody reviewed these answers
    assert command(home, "turn").code == 4
    other = records(tmp_path / "s.jsonl", 100, 60)
    assert command(home, "import", str(other), "--reviewed", "--consent", "granted").code == 0
    trained = command(home, "train", "--name", "one", "--json")
    assert trained.code == 0
    assert trained.json["adapter"]["name"] == "one"
    assert command(home, "gate", "one").code == 2  # not evaluated yet
    assert command(home, "deploy", "one").code == 7  # not decided yet
    page = tmp_path / "one.html"
    assert command(home, "evaluate", "one", "--html", str(tmp_path / "nowhere" / "one.html")).code == 2
    shown = command(home, "evaluate", "one", "--html", str(page))
    assert "the gate would say" in shown.out
    assert "<svg" in page.read_text()
    report = command(home, "evaluate", "one", "--json")
    assert {score["subject"] for score in report.json["scores"]} == {"candidate", "base"}
    assert command(home, "gate", "plan", "--json").json["cases"] == len({i["item"] for i in report.json["items"]})
    assert "not measured" in command(home, "gate", "one").out
    measured = command(home, "gate", "calibrate", "--runs", "1", "--json").json
    assert (measured["runs"], measured["resampled"]) == (1, 200)
    judged = command(home, "gate", "one")
    assert judged.code in (0, 1)
    assert f"of 1 pairs of equals {measured['promoted']} promoted" in judged.out
    assert command(home, "deploy", "one", "--force").code == 2  # a reason is asked for
    released = command(home, "deploy", "one", "--force", "--reason", "a test", "--json")
    assert released.json["status"] == "on_trial"
    assert command(home, "confirm", "--json").json["status"] == "confirmed"
    asked = command(home, "ask", "who are you?", "--consent", "granted", "--user", "kim-minsu-7", "--json").json
    assert asked["release"] == released.json["id"]
    assert command(home, "feedback", asked["id"]).code == 2
    fixed = command(home, "feedback", asked["id"], "--fix", "I am your friend.", "--json")
    assert fixed.json["kind"] == "correction"
    side = split_of(f"user:{pseudonym('kim-minsu-7', bytes.fromhex((home / 'secret.key').read_text()))}")
    assert fixed.json["not_learnt_because"] == (None if side == "train" else "held_out")
    lines = command(home, "data", "explain", asked["id"]).out
    assert asked["id"] in lines
    assert command(home, "data", "stats", "--json").json["conversations"] == 121
    assert command(home, "compare", "one", "--json").json["best"] == "one"
    exported = tmp_path / "out.jsonl"
    assert command(home, "data", "export", str(exported)).code == 0
    assert len(exported.read_text().splitlines()) == 121
    assert "kim-minsu-7" not in exported.read_text()
    assert command(home, "data", "export", str(exported)).code == 2
    assert command(home, "rollback", "--json").json["target_adapter"] == "base"
    assert command(home, "cleanup", "--keep", "0", "--dry-run", "--json").json["deleted_adapters"] in (0, 1)
    assert command(home, "run", "--once").code == 0
    assert [row["method"] if "method" in row else row["deployment_method"] for row in
            command(home, "history", "--json").json["releases"]] == ["rollback", "force"]  # fmt: skip


def test_every_reading_command_answers_in_json(command: Command, a_home: Path) -> None:
    """With --json standard output is one JSON object and nothing else, errors too."""
    for words in (["status"], ["history"], ["doctor"], ["data", "stats"], ["config", "show"], ["config", "explain"]):
        assert isinstance(command(a_home, *words, "--json").json, dict), words
    wrong = command(a_home, "evaluate", "nobody", "--json")
    assert wrong.code == 2
    assert set(wrong.json) == {"error", "hint", "exit_code"}


def test_messages_come_in_korean_too(command: Command, a_home: Path) -> None:
    """``--lang ko`` answers in Korean, errors included."""
    assert "이상 없습니다" in command(a_home, "--lang", "ko", "doctor").out
    assert "오류" in command(a_home, "--lang", "ko", "evaluate", "nobody").err


def test_two_turns_at_once_do_not_disturb_each_other(command: Command, a_home: Path) -> None:
    """While one process turns the loop, another is told so and changes nothing."""
    from loraloop.turning import turning
    from loraloop.wiring import open_home

    with open_home(a_home) as home, turning(home):
        said = command(a_home, "turn")
    assert said.code == 8
    assert "another process" in said.err


def test_a_chat_is_recorded_and_a_correction_noted(a_home: Path) -> None:
    """Lines typed into chat are answered; /fix corrects the last answer; /quit ends."""
    done = subprocess.run(
        [sys.executable, "-m", "loraloop", "--home", str(a_home), "--lang", "en", "chat", "--consent", "granted"],
        input="/good\nhello there friend\n/fix I am glad to see you.\n/fix\n/quit\n",
        capture_output=True, text=True, check=False, env={"PYTHONPATH": "src", "PATH": "/usr/bin:/bin"},
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "no answer to judge yet" in done.stderr
    assert "noted for cv-" in done.stdout
    assert "correction has no text" in done.stderr


def test_a_chat_in_json_prints_one_object_a_line_for_each_answer(a_home: Path) -> None:
    """With --json each answer is one line on standard output; greetings, judgements and mistakes stay beside it."""
    done = subprocess.run(
        [sys.executable, "-m", "loraloop", "--home", str(a_home), "--lang", "en", "chat", "--json"],
        input="/good\nhello there friend\n/good\nand you?\n",
        capture_output=True, text=True, check=False, env={"PYTHONPATH": "src", "PATH": "/usr/bin:/bin"},
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [set(answer) for answer in answers] == [{"id", "answer", "seconds", "release"}] * 2
    assert answers[0]["id"] != answers[1]["id"]
    assert f"noted for {answers[0]['id']}" in done.stderr


def test_the_log_names_ids_and_never_what_was_said(command: Command, a_home: Path, tmp_path: Path) -> None:
    """Neither questions nor answers nor corrections reach loraloop.log."""
    secret = "xylophonequartz"
    path = tmp_path / "one.jsonl"
    row = {"user_input": f"tell me {secret} now", "bot_response": f"{secret} it is, friend", "quality_score": 1.0,
           "timestamp": "2026-01-01T00:00:00"}  # fmt: skip
    path.write_text(json.dumps(row) + "\n{broken " + secret + "\n")
    assert command(a_home, "--verbose", "import", str(path), "--reviewed", "--consent", "granted").code == 3
    asked = command(a_home, "ask", f"what is {secret}?", "--consent", "granted", "--json").json
    command(a_home, "feedback", asked["id"], "--fix", f"{secret} is a word")
    command(a_home, "turn", "--name", "logged")
    log = (a_home / "loraloop.log").read_text()
    assert "trained" in log
    assert secret not in log
