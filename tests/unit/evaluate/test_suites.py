"""Suites of questions, built-in and from files."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loraloop.errors import DataError, UnknownThing
from loraloop.evaluate.suites import KINDS, Suite, builtin_suites, load_suite, parse_suite

PLAIN: dict[str, Any] = {"items": [{"id": "a", "prompt": "Hello?", "expected": ["hi"]}, {"prompt": "How are you?"}]}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
fields = st.sampled_from(["id", "prompt", "messages", "expected", "any_of", "all_of", "forbidden", "type", "language"])


def changed(**item: Any) -> dict[str, Any]:
    """A suite whose second item says something else too."""
    return {"items": [PLAIN["items"][0], {**PLAIN["items"][1], **item}]}


@pytest.mark.parametrize("name", builtin_suites())
def test_a_built_in_suite_asks_different_things_of_one_kind(name: str) -> None:
    """Each loads by name, has unique questions, and every item says what a right answer holds."""
    suite = load_suite(name)
    assert suite.name == name
    assert suite.kind in KINDS
    assert len({item.messages for item in suite.items}) == len(suite.items) >= 10
    assert all(item.any_of or item.all_of for item in suite.items)
    assert all(item.language == suite.language for item in suite.items)


def test_a_file_is_a_suite(tmp_path: Path) -> None:
    """A suite file is loaded by path, named after itself, with ids for items that have none."""
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({**PLAIN, "kind": "guard", "language": "ko", "version": 3}))
    suite = load_suite(path)
    assert (suite.name, suite.kind, suite.language, suite.version) == ("mine", "guard", "ko", 3)
    assert [item.id for item in suite.items] == ["a", "002"]
    assert suite.items[0].any_of == ("hi",)
    assert suite.items[1].language == "ko"


def test_a_conversation_may_be_asked() -> None:
    """An item may hold earlier turns; the last is the user's."""
    turns = [{"role": role, "content": role} for role in ("system", "user", "assistant", "user")]
    suite = parse_suite({"items": [{"messages": turns}]}, "mine.json")
    assert [m.role for m in suite.items[0].messages] == ["system", "user", "assistant", "user"]


def test_the_digest_is_of_what_is_asked() -> None:
    """Name, version and description do not change the digest; a word of an item or the kind does."""
    first = parse_suite(PLAIN, "x")
    assert parse_suite({**PLAIN, "name": "other", "version": 9, "description": "!"}, "y").digest == first.digest
    assert parse_suite({**PLAIN, "kind": "guard"}, "x").digest != first.digest
    assert parse_suite(changed(forbidden=["beer"]), "x").digest != first.digest


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ([], "an object with a list of items"),
        ({"items": {}}, "an object with a list of items"),
        ({"items": []}, "asks nothing"),
        ({**PLAIN, "kind": "nice"}, "kind 'nice'"),
        ({**PLAIN, "version": "new"}, "version 'new'"),
        ({**PLAIN, "language": 5}, "language 5"),
        ({"items": ["hello"]}, "item 1"),
        (changed(id="a"), "id 'a' stands for two items"),
        (changed(promt="x"), "item 2: unknown field 'promt'"),
        (changed(prompt=" "), "item 2"),
        (changed(messages=[]), "item 2"),
        (changed(expected="hi"), "item 2: expected"),
        (changed(expected={"anyof": ["hi"]}), "item 2: expected: unknown field 'anyof'"),
        (changed(any_of="hi"), "item 2: any_of"),
        (changed(any_of=5), "item 2: any_of"),
        (changed(all_of=["hi", 3]), "item 2: all_of"),
        (changed(forbidden=[""]), "item 2: forbidden"),
        ({"items": [{"messages": [{"role": "boss", "content": "x"}]}]}, "item 1: a message needs a role"),
        ({"items": [{"messages": [{"role": ["user"], "content": "x"}]}]}, "item 1: a message needs a role"),
        ({"items": [{"messages": [{"role": "assistant", "content": "x"}]}]}, "item 1: the last message"),
    ],
)
def test_a_bad_suite_is_refused_by_name_and_item(raw: Any, said: str) -> None:
    """The message names the file and the item or field that is wrong, and the hint says where to look."""
    with pytest.raises(DataError, match=r"mine\.json") as refused:
        parse_suite(raw, "mine.json")
    assert said in str(refused.value)
    assert refused.value.hint


@given(fields, json_values)
def test_any_value_in_any_field_is_a_suite_or_a_refusal(field: str, value: Any) -> None:
    """Nothing a file may hold ends in another error than the one that names it."""
    said = ""
    try:
        assert isinstance(parse_suite(changed(**{field: value}), "mine.json"), Suite)
    except DataError as error:
        said = str(error)
    assert said == "" or "mine.json" in said


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b"[" * 100_000])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes) -> None:
    """No JSON, no UTF-8 or too deep: the path is in the message."""
    path = tmp_path / "broken.json"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"broken\.json"):
        load_suite(path)


@pytest.mark.parametrize("name", ["no_such_suite", "/nowhere/at/all.json", "", "~nobody-here/x.json"])
def test_an_unknown_suite_names_those_there_are(name: str) -> None:
    """A name that is neither built in nor a file is refused with the names of the built-in ones."""
    with pytest.raises(UnknownThing) as refused:
        load_suite(name)
    assert "ko_meals" in refused.value.hint


def test_the_name_of_the_corrections_cannot_be_taken() -> None:
    """A suite of that name would promote by what the gate believes of corrections, so it is refused."""
    with pytest.raises(DataError, match="kept for answers that people corrected"):
        parse_suite({"name": "repairs", "items": [{"prompt": "hello"}]}, "mine.json")


def test_a_pinned_suite_is_the_one_that_was_looked_at_or_is_refused(tmp_path: Path) -> None:
    """The beginning of the digest after an ``@`` is held against the file; a changed one is named with its digest."""
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(PLAIN))
    digest = load_suite(path).digest
    for length in (8, 12, 64):
        assert load_suite(f"{path}@{digest[:length]}").digest == digest
    path.write_text(json.dumps(changed(forbidden=["beer"])))
    with pytest.raises(DataError, match=digest[:8]) as refused:
        load_suite(f"{path}@{digest[:8]}")
    assert load_suite(path).digest[:12] in refused.value.hint
    assert load_suite(f"en_small_talk@{load_suite('en_small_talk').digest[:8]}").name == "en_small_talk"
    with pytest.raises(UnknownThing):
        load_suite(f"{path}@{digest[:7]}")  # too short to be a pin


def test_a_file_whose_name_looks_pinned_is_still_a_file(tmp_path: Path) -> None:
    """An ``@`` in a path that exists is part of the path."""
    path = tmp_path / "mine@deadbeef"
    path.write_text(json.dumps(PLAIN))
    assert len(load_suite(path).items) == 2
