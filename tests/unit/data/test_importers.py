"""Files into the store."""

import json
import os
from pathlib import Path

import pytest

from loraloop.data import importers
from loraloop.data.export import export_conversations
from loraloop.data.formats import ImportOptions, from_jsonl
from loraloop.data.importers import BadLine, files_of, import_files, read_file
from loraloop.data.messages import BadRow
from loraloop.errors import BadFile, UsageError
from loraloop.store.sql import SqlStore

OPTIONS = ImportOptions(secret=b"k")


def _row(number: int) -> str:
    turns = [{"role": "user", "content": f"question {number}"}, {"role": "assistant", "content": f"answer {number}"}]
    return json.dumps({"messages": turns})


SHAREGPT = [
    {"conversations": [{"from": "human", "value": "Hi?"}, {"from": "gpt", "value": f"Hello {n}."}]} for n in "ab"
]
ALPACA = [{"instruction": "Hi?", "input": "", "output": f"Hello {n}."} for n in "ab"]
RECORDS = [
    {"user_input": "Hi?", "bot_response": f"Hello {n}.", "quality_score": 1, "timestamp": "2026-01-01"} for n in "ab"
]


@pytest.mark.parametrize("rows", [SHAREGPT, ALPACA, RECORDS], ids=["sharegpt", "alpaca", "records"])
@pytest.mark.parametrize("layout", ["array", "lines", "pretty"])
def test_json_and_jsonl_are_read_without_naming_the_format(rows, layout, tmp_path, store):
    """The same rows come out of a JSON array, JSON lines and a pretty-printed array."""
    path = tmp_path / ("x.jsonl" if layout == "lines" else "x.json")
    if layout == "lines":
        path.write_text("\n".join(json.dumps(row) for row in rows))
    else:
        path.write_text(json.dumps(rows, indent=2 if layout == "pretty" else None))
    summary = import_files([path], "auto", OPTIONS, store)
    assert (summary.read, summary.new, summary.bad) == (2, 2, ())
    assert {c.messages[1].text for c in store.conversations.iterate("default")} == {"Hello a.", "Hello b."}


def test_one_pretty_printed_object_is_one_row(tmp_path, store):
    """A .json file that holds a single object is read as that row."""
    path = tmp_path / "x.json"
    path.write_text(json.dumps(SHAREGPT[0], indent=2))
    assert import_files([path], "auto", OPTIONS, store).new == 1


def test_bad_lines_are_named_and_the_good_ones_kept(tmp_path, store):
    """Each bad line is reported by file and number with its reason; the lines around it are stored."""
    path = tmp_path / "x.jsonl"
    lines = [_row(1), "{broken", "[]", '{"a": 1, "a": 2}', '{"messages": NaN}', "", _row(2), '{"messages": [']
    path.write_text("\n".join(lines))
    summary = import_files([path], "auto", OPTIONS, store)
    assert (summary.read, summary.new) == (2, 2)
    assert [bad.line for bad in summary.bad] == [2, 3, 4, 5, 8]
    assert str(summary.bad[0]).startswith(f"{path}:2: not JSON")
    assert "is list" in summary.bad[1].reason
    assert "twice" in summary.bad[2].reason
    assert "NaN" in summary.bad[3].reason
    assert "cut off" in summary.bad[4].reason


def test_known_conversations_are_not_stored_twice(tmp_path, store):
    """Importing a file again adds nothing and says so."""
    path = tmp_path / "x.jsonl"
    path.write_text("\n".join(map(_row, range(5))))
    import_files([path], "auto", OPTIONS, store)
    again = import_files([path], "auto", OPTIONS, store)
    assert (again.read, again.new, again.known) == (5, 0, 5)


def test_what_cannot_be_learnt_is_counted_while_importing(tmp_path, store):
    """A file without consent says at once how many answers that costs, and a reviewed, consented one does not."""
    path = tmp_path / "x.jsonl"
    path.write_text("\n".join(map(_row, range(5))))
    assert import_files([path], "auto", OPTIONS, store).unlearnable == {"consent_missing": 5}
    told = import_files([path], "auto", ImportOptions(consent="granted"), store)
    assert told.unlearnable == {"answer_not_approved": 5}
    assert import_files([path], "auto", ImportOptions(consent="granted", approved_by="review"), store).unlearnable == {}


def test_progress_counts_bytes_up_to_the_end(tmp_path, store, monkeypatch):
    """Progress grows with the bytes read and ends at their sum."""
    monkeypatch.setattr(importers, "BATCH", 20)
    for name in ("a", "b"):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(_row, range(30))))
    heard = []
    import_files([tmp_path], "auto", OPTIONS, store, lambda stage, done, total, **facts: heard.append((done, total)))
    total = sum(path.stat().st_size for path in tmp_path.glob("*.jsonl"))
    assert heard == sorted(heard)
    assert len(heard) >= 4
    assert heard[-1] == (total, total)


def test_a_file_is_streamed(tmp_path):
    """The first conversation is there before the rest of the file has been read."""
    path = tmp_path / "x.jsonl"
    path.write_text(_row(1) + "\n" + "{" * 100)
    bad: list[BadLine] = []
    reading = read_file(path, "auto", OPTIONS, bad.append)
    assert next(reading).messages[0].text == "question 1"
    assert bad == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b" \n\n", "empty"),
        ("{}".encode("utf-16"), "UTF-16"),
        ("{}".encode("utf-16-le"), "UTF-16"),
        (b"\x7fELF\x02\x01\x01\x00\x00", "binary"),
        (b"\x1f\x8b\x08\x00\x00\x00", "binary"),
        (b'[{"instruction": "\xb0\xa1"}]', "not UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(content, reason, tmp_path, store):
    """An empty, binary or wrongly encoded file is refused by name with the reason, and nothing is stored."""
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(BadFile, match=reason) as caught:
        import_files([path], "auto", OPTIONS, store)
    assert str(path) in str(caught.value)
    assert store.conversations.count("default") == 0


def test_lines_in_another_encoding_are_bad_lines(tmp_path, store):
    """A line that is not UTF-8, or holds binary data, is left out by number; its neighbours are kept."""
    path = tmp_path / "x.jsonl"
    path.write_bytes(_row(1).encode() + b'\n{"messages": "\xb0\xa1"}\n{"a": "\x00"}\n' + _row(2).encode())
    summary = import_files([path], "auto", OPTIONS, store)
    assert summary.new == 2
    reasons = [(2, "not UTF-8; save the file as UTF-8"), (3, "binary data")]
    assert [(bad.line, bad.reason) for bad in summary.bad] == reasons


def test_a_truncated_array_keeps_what_came_before(tmp_path, store):
    """A JSON array that was cut off gives its whole elements and one bad line."""
    path = tmp_path / "x.json"
    text = json.dumps(ALPACA, indent=1)
    path.write_text(text[: text.rindex('"output"')])
    summary = import_files([path], "auto", OPTIONS, store)
    assert (summary.new, len(summary.bad)) == (1, 1)


def test_deep_nesting_and_long_lines_are_bad_lines(tmp_path, store, monkeypatch):
    """A line nested beyond reason or longer than the limit is left out, and reading goes on."""
    monkeypatch.setattr("loraloop.data.readers.MAX_LINE_BYTES", 200_000)
    path = tmp_path / "x.jsonl"
    path.write_text("[" * 100_000 + "\n" + _row(1) + "\n" + "x" * 500_000 + "\n" + _row(2) + "\n")
    path.write_text("{}\n" + path.read_text())
    summary = import_files([path], "auto", OPTIONS, store)
    assert summary.new == 2
    assert [bad.line for bad in summary.bad] == [1, 2, 4]


def test_a_hopeless_file_is_given_up(tmp_path, store, monkeypatch):
    """A file whose beginning holds nothing readable is refused instead of reported line by line for ever."""
    monkeypatch.setattr("loraloop.data.importers.GIVE_UP_AFTER", 10)
    path = tmp_path / "x.jsonl"
    path.write_text("nonsense\n" * 1000)
    with pytest.raises(BadFile, match="first 10 rows"):
        import_files([path], "auto", OPTIONS, store)


def test_one_unreadable_file_does_not_stop_the_others(tmp_path, store):
    """Of several files the unreadable one is reported as a whole and the others are stored."""
    (tmp_path / "a.jsonl").write_text("")
    (tmp_path / "b.jsonl").write_text(_row(1))
    summary = import_files([tmp_path], "auto", OPTIONS, store)
    assert summary.new == 1
    assert [(bad.line, bad.reason) for bad in summary.bad] == [(0, "empty")]


def test_paths_and_formats_that_do_not_exist_are_refused(tmp_path, store):
    """A missing path, an empty folder, an unknown package and an unknown format each say so."""
    with pytest.raises(BadFile, match="no such file"):
        import_files([tmp_path / "none.jsonl"], "auto", OPTIONS, store)
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadFile, match="holds no file"):
        import_files([tmp_path / "empty"], "auto", OPTIONS, store)
    with pytest.raises(BadFile, match="not installed"):
        import_files(["package:no-such-package-here/english"], "auto", OPTIONS, store)
    with pytest.raises(BadFile, match="no such file or folder"):
        import_files(["package:chatterbot-corpus/klingon"], "auto", OPTIONS, store)
    (tmp_path / "x.jsonl").write_text(_row(1))
    with pytest.raises(UsageError, match="no format"):
        import_files([tmp_path / "x.jsonl"], "csv", OPTIONS, store)


def test_a_file_named_twice_is_read_once(tmp_path):
    """A folder and a file in it do not count twice."""
    path = tmp_path / "x.jsonl"
    path.write_text(_row(1))
    assert files_of([tmp_path, path]) == [path]


YAML = """categories:
- {category}
conversations:
- - Hi?
  - yes
  - 007
- - alone
- !!python/object:os.system
  - Bye?
  - Bye.
- just text
"""


def test_chatterbot_yaml_is_read_as_plain_text(tmp_path, store):
    """Each answer of an entry is a conversation, words and numbers stay as written, and no tag builds an object."""
    path = tmp_path / "x.yml"
    path.write_text(YAML.format(category="greetings"))
    summary = import_files([path], "auto", OPTIONS, store)
    found = {(c.messages[0].text, c.messages[1].text) for c in store.conversations.iterate("default")}
    assert found == {("Hi?", "yes"), ("Hi?", "007"), ("Bye?", "Bye.")}
    assert [bad.line for bad in summary.bad] == [7, 11]


def test_a_file_of_talks_is_read_turn_by_turn(tmp_path, store):
    """In the category conversations an entry is one talk, not one question with many answers."""
    path = tmp_path / "x.yml"
    path.write_text(YAML.format(category="conversations"))
    import_files([path], "auto", OPTIONS, store)
    assert sorted(len(c.messages) for c in store.conversations.iterate("default")) == [2, 3]


@pytest.mark.parametrize("text", ["a: [", "just: this", "- a\n- b", "conversations: 7"])
def test_yaml_that_is_no_corpus_is_refused(text, tmp_path, store):
    """Broken YAML and YAML without conversations are refused as a whole."""
    path = tmp_path / "x.yml"
    path.write_text(text)
    with pytest.raises(BadFile, match=r"not YAML|no list 'conversations'"):
        import_files([path], "auto", OPTIONS, store)


def test_what_a_folder_holds_besides_files_does_not_stop_the_import(tmp_path, store):
    """A link that leads nowhere is reported like a bad line, and a pipe is not waited for."""
    (tmp_path / "a.jsonl").write_text(_row(1))
    (tmp_path / "b.jsonl").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "c.jsonl")
    summary = import_files([tmp_path], "auto", OPTIONS, store)
    assert summary.new == 1
    assert [str(bad) for bad in summary.bad] == [f"{tmp_path / 'b.jsonl'}: No such file or directory"]


def test_lines_in_another_encoding_are_told_with_the_remedy(tmp_path, store):
    """Korean editors of old save as CP949."""
    path = tmp_path / "x.jsonl"
    path.write_bytes('{"messages": "안녕"}\n'.encode("cp949"))
    (bad,) = import_files([path], "auto", OPTIONS, store).bad
    assert str(bad) == f"{path}:1: not UTF-8; save the file as UTF-8"


def test_keys_that_no_format_reads_are_counted(tmp_path: Path, store: SqlStore) -> None:
    """A misspelt key says nothing, and whoever wrote it hears so; what our export writes is all read."""
    talk = {"messages": [{"role": "user", "content": "안녕?"}, {"role": "assistant", "content": "네, 안녕하세요."}]}
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps({**talk, "session": f"s{n}", "usr": "mina"}) + "\n" for n in range(3)))
    done = import_files([rows], "auto", ImportOptions(), store)
    assert (done.new, done.ignored) == (3, {"usr": 3})
    export_conversations(store, "default", tmp_path / "out.jsonl")
    assert import_files([tmp_path / "out.jsonl"], "auto", ImportOptions(), store).ignored == {}


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        ({"approved": "yes"}, "approved is neither true nor false"),
        ({"created_at": "2999-01-01T00:00:00Z"}, "created_at lies in the future"),
    ],
)
def test_what_a_row_cannot_mean_is_no_row(field: dict[str, object], reason: str) -> None:
    """Neither an approval that is no yes or no, nor talk from the future, which no retention would ever reach."""
    talk = {"messages": [{"role": "user", "content": "안녕?"}, {"role": "assistant", "content": "네."}], **field}
    with pytest.raises(BadRow, match=reason):
        from_jsonl(talk, ImportOptions())
