"""What people type wrong is told, and nothing is done instead."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from loraloop import speaking
from loraloop.cli.main import main
from loraloop.cli.progress import Lines
from loraloop.errors import ConversationTooLong
from loraloop.health import permissions
from loraloop.homes import init_home
from loraloop.lm.speaker import Spoken
from loraloop.types import Message, Release
from loraloop.wiring import open_home

TALK = '{"messages": [{"role": "user", "content": "Which meal?"}, {"role": "assistant", "content": "The soup."}]}\n'


def loraloop(*words: str | bytes, given: bytes = b"", **variables: str) -> subprocess.CompletedProcess[bytes]:
    """Run a command in a process of its own."""
    run = [sys.executable, "-m", "loraloop", *words]
    return subprocess.run(run, input=given, capture_output=True, env={**os.environ, **variables}, check=False)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home."""
    return init_home(tmp_path / "home")


def test_a_language_and_a_consent_that_do_not_exist_are_named(home: Path, tmp_path: Path) -> None:
    """Neither is taken for another one, and no line of a file is blamed for an option."""
    (tmp_path / "t.jsonl").write_text(TALK)
    for words in (["--lang", "fr", "status"], ["import", str(tmp_path / "t.jsonl"), "--consent", "yes"]):
        done = loraloop("--home", str(home), *words)
        assert done.returncode == 2
        assert words[1 if words[0] == "--lang" else -1].encode() in done.stderr


def test_no_home_is_made_where_a_file_is(tmp_path: Path) -> None:
    """That is no fault of the program, and the file stays."""
    (tmp_path / "file").write_text("x")
    done = loraloop("--home", str(tmp_path / "file"), "init")
    assert done.returncode == 2
    assert b"is a file, not a folder" in done.stderr
    assert (tmp_path / "file").read_text() == "x"


def test_nobody_else_can_read_a_new_home(tmp_path: Path) -> None:
    """The database in it holds what children said."""
    assert init_home(tmp_path / "new").stat().st_mode & 0o077 == 0


def test_names_and_letters_that_a_terminal_cannot_show_end_no_command(home: Path, tmp_path: Path) -> None:
    """A file's name in another encoding is told, and so is Korean where only ASCII can be shown."""
    done = loraloop("--home", str(home), "import", os.fsencode(tmp_path) + b"/\xc0\xcc.jsonl")
    assert done.returncode == 4
    assert b"Logging error" not in done.stderr
    shown = loraloop("--home", str(home), "--lang", "ko", "status", PYTHONIOENCODING="ascii")
    assert shown.returncode == 0
    assert b"\\ud648" in shown.stdout
    made = loraloop(
        "--home",
        str(home),
        "keys",
        "create",
        "--role",
        "chat",
        "--label",
        "매장 🏪",
        "--json",
        PYTHONIOENCODING="ascii",
    )
    assert json.loads(made.stdout)["label"] == "매장 🏪"


def test_a_question_in_another_encoding_is_refused(home: Path) -> None:
    """No tokenizer reads half of a letter."""
    done = loraloop("--home", str(home), "ask", "-", given="안녕".encode("cp949"))
    assert done.returncode == 2
    assert b"not UTF-8" in done.stderr


class Echo:
    """Answers at once, and reads twenty letters at most."""

    def answer(self, messages: Sequence[Message]) -> Spoken:
        """Say how long the talk is."""
        if len(messages[-1].text) > 20:
            raise ConversationTooLong("too long")
        return Spoken(f"echo {len(messages)}", 0.1)


@pytest.fixture
def chat(home: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Type lines into a chat."""

    def type_in(lines: Sequence[str], *words: str) -> None:
        typed = iter([*lines, "/quit"])
        monkeypatch.setattr(speaking, "speaker_of", lambda home, subject: Echo())
        monkeypatch.setattr("builtins.input", lambda prompt: next(typed))
        with pytest.raises(SystemExit) as ended:
            main(["--home", str(home), "chat", *words])
        assert ended.value.code == 0

    return type_in


def test_a_mistyped_command_in_a_chat_is_not_said(home: Path, chat: Callable[..., None]) -> None:
    """A correction with a slip in its command is neither asked nor stored, and a talk that grew too long goes on."""
    chat(["hello", "/fxi A better answer.", "word " * 9, "again"])
    with open_home(home) as opened:
        said = [[m.text for m in one.messages] for one in opened.store.conversations.iterate(opened.bot)]
    assert sorted(said, key=len) == [["hello", "echo 1"], ["hello", "echo 1", "again", "echo 3"]]


def test_who_judges_in_a_chat_is_kept_by_a_pseudonym_and_can_be_forgotten(
    home: Path, chat: Callable[..., None]
) -> None:
    """No byte of a name is in the home, neither before nor after, and nobody becomes a reviewer by their name."""
    chat(["hello", "/good", "/fix A better answer."], "--user", "Zwetschgenknoedel")
    with open_home(home) as opened:
        (one,) = opened.store.conversations.iterate(opened.bot)
        assert [said.actor for said in one.feedback] == [one.user, one.user]
    assert not [path for path in home.rglob("*") if path.is_file() and b"Zwetschgenknoedel" in path.read_bytes()]
    with open_home(home) as opened:
        receipt = opened.forgetting.forget(opened.pseudonyms("Zwetschgenknoedel"))
    assert (receipt["conversations"], receipt["rows"]["feedback"]) == (1, 2)
    assert one.user
    assert not [path for path in home.rglob("*") if path.is_file() and one.user.encode() in path.read_bytes()]


@pytest.mark.parametrize("line", ['{"kind": "row"}', '{"at": "0001-01-01T00:00:00+14:00"}'])
def test_a_line_that_is_no_arrival_is_named_with_its_file(home: Path, tmp_path: Path, line: str) -> None:
    """Also where its time lies before all times."""
    (tmp_path / "h.jsonl").write_text(f'{{"at": "2026-03-01T12:00:00Z"}}\n{line}\n')
    done = loraloop("--home", str(home), "schedule", "simulate", "--history", str(tmp_path / "h.jsonl"))
    assert done.returncode == 4
    assert f"{tmp_path / 'h.jsonl'}: line 2".encode() in done.stderr


def test_the_end_of_a_stage_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    """However often the last megabyte of a backup is reported."""
    tell = Lines()
    for done in (0, 11, 11, 11):
        tell("save", done, 11)
    for done in (0, 11):
        tell("check", done, 11)
    assert [line.split()[-1] for line in capsys.readouterr().err.splitlines()] == ["0/11", "11/11", "0/11", "11/11"]


def test_korean_says_in_korean_when_the_loop_turns_next(home: Path) -> None:
    """The state of a home is in one language."""
    done = loraloop("--home", str(home), "--lang", "ko", "status")
    assert "새 행 0건" in done.stdout.decode()


def test_a_withdrawal_at_the_gateway_is_shown_and_can_be_taken_back(home: Path) -> None:
    """Whoever asks what holds for a person hears what they said there, too."""
    with open_home(home) as opened:
        (name,) = opened.pseudonyms("mina")
        opened.store.consents.set(opened.bot, name, "withdrawn")
    assert b"withdrawn" in loraloop("--home", str(home), "data", "consent", "mina").stdout
    assert b"as each" in loraloop("--home", str(home), "data", "consent", "mina", "--restore").stdout
    with open_home(home) as opened:
        assert opened.store.consents.of(opened.bot, name) == "granted"


def test_a_new_key_hides_no_withdrawal_and_what_is_said_then_lifts_none(home: Path) -> None:
    """What holds for a person under an older key is shown, and a word about their age leaves it as it is."""
    consent = ["--home", str(home), "data", "consent", "mina"]
    assert b"withdrawn" in loraloop(*consent, "--withdraw").stdout
    assert loraloop("--home", str(home), "data", "new-key").returncode == 0
    assert b"withdrawn" in loraloop(*consent).stdout
    assert b"withdrawn" in loraloop(*consent, "--not-under-14").stdout
    with open_home(home) as opened:
        assert [opened.store.people.get(name).refusal for name in opened.pseudonyms("mina")] == [None, "withdrawn"]
    assert b"as each" in loraloop(*consent, "--restore").stdout


def test_a_home_that_went_back_to_its_base_says_so(home: Path) -> None:
    """That is a release, too: something was released before it."""
    with open_home(home) as opened:
        facts: dict[str, Any] = {"base_id": "b", "method": "rollback", "actor": "t", "created_at": datetime.now(UTC)}
        back = Release("rl-1", opened.bot, 1, adapter_id=None, adapter_name="base", status="confirmed", **facts)
        opened.store.releases.publish(back, 0)
    shown = loraloop("--home", str(home), "status").stdout
    assert b"base (rl-1, version 1, confirmed)" in shown
    assert b"nothing was released" not in shown


def test_a_lost_key_is_told_instead_of_a_new_one_made(home: Path, tmp_path: Path) -> None:
    """With a new one nobody would be found, and whoever is to be forgotten would seem to be."""
    assert (home / "secret.key").stat().st_mode & 0o077 == 0  # made with the home, whoever adds rows first
    (tmp_path / "t.jsonl").write_text(TALK.replace('{"messages"', '{"user": "mina", "messages"'))
    assert loraloop("--home", str(home), "import", str(tmp_path / "t.jsonl")).returncode == 0
    (home / "secret.key").rename(tmp_path / "kept.key")
    for words in (["forget", "mina"], ["import", str(tmp_path / "t.jsonl")], ["data", "consent", "mina"]):
        done = loraloop("--home", str(home), *words)
        assert done.returncode == 8
        assert b"secret.key is gone" in done.stderr
    with open_home(home) as opened:
        assert "is gone" in "".join(permissions(opened))
    assert not (home / "secret.key").exists()
    (tmp_path / "kept.key").rename(home / "secret.key")
    assert json.loads(loraloop("--home", str(home), "forget", "mina", "--json").stdout)["conversations"] == 1
    (home / "secret.key").unlink()
    assert loraloop("--home", str(home), "data", "new-key").returncode == 0
    assert loraloop("--home", str(home), "forget", "mina").returncode == 0


@pytest.mark.parametrize("words", [["--help"], ["config", "show"], ["status"]])
def test_whoever_stops_reading_the_output_makes_no_error(home: Path, words: list[str]) -> None:
    """As ``head`` does, which has what it wants."""
    read, write = os.pipe()
    os.close(read)
    run = [sys.executable, "-m", "loraloop", "--home", str(home), *words]
    done = subprocess.run(run, stdout=write, stderr=subprocess.PIPE, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (0, b"")
