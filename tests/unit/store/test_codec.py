"""Values to JSON text and back."""

import json
import types
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loraloop.errors import DataError
from loraloop.store.codec import checked_text, decode, encode, json_text, stamp
from loraloop.types import (
    Adapter,
    Conversation,
    Dataset,
    DatasetRow,
    Decision,
    Exchange,
    Feedback,
    Message,
    Part,
    Release,
    Report,
)  # fmt: skip

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=8)
TIMES = st.datetimes(timezones=st.just(UTC))
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=4,
)
SIMPLE: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXT,
    int: st.integers(-(2**63), 2**63 - 1),
    float: st.floats(allow_nan=False),
    bool: st.booleans(),
    datetime: TIMES,
}


def of(hint: Any) -> st.SearchStrategy[Any]:
    """Values of an annotated kind."""
    origin, parts = get_origin(hint), get_args(hint)
    if hint in SIMPLE:
        return SIMPLE[hint]
    if origin in (Union, types.UnionType):
        return st.one_of(*(st.none() if part is type(None) else of(part) for part in parts))
    if origin is Literal:
        return st.sampled_from(parts)
    if origin in (tuple, Sequence):
        return st.lists(of(parts[0]), max_size=2).map(tuple)
    if is_dataclass(hint):
        hints = get_type_hints(hint)
        return st.builds(hint, **{field.name: of(hints[field.name]) for field in fields(hint)})
    assert issubclass(origin, Mapping), hint
    return st.dictionaries(TEXT, PLAIN if parts[1] is Any else of(parts[1]), max_size=2)


KINDS = [Conversation, Dataset, DatasetRow, Adapter, Report, Decision, Release, Exchange, Message, Feedback, Part]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_value_comes_back_equal(kind: Any) -> None:
    """Whatever is in any field of any kind of value, decoding what was encoded gives it back, and its text is one."""

    @settings(max_examples=25, deadline=None)
    @given(of(kind))
    def check(value: Any) -> None:
        text = encode(value)
        assert decode(kind, text) == value
        assert encode(decode(kind, text)) == text

    check()


def test_what_a_newer_version_added_is_left_out_and_what_it_left_out_has_its_default() -> None:
    """Unknown keys are ignored at every depth, missing ones that have a default get it."""
    text = json.dumps({"role": "user", "content": [{"kind": "text", "text": "hi", "colour": "red"}], "mood": "good"})
    assert decode(Message, text) == Message("user", (Part(text="hi"),))


def test_the_same_value_gives_the_same_text_whatever_its_order() -> None:
    """Keys are sorted at every depth, and Korean stands as it is."""
    assert json_text({"b": {"d": 1, "c": "밥"}, "a": [2]}) == '{"a": [2], "b": {"c": "밥", "d": 1}}'


@pytest.mark.slow
@given(st.dictionaries(st.text(max_size=4), st.text(st.sampled_from("\x00\\u0a\ud800밥"), max_size=6) | PLAIN))
def test_text_that_no_database_keeps_is_refused_and_all_other_text_is_kept(value: dict[str, Any]) -> None:
    """A NUL byte or half a surrogate pair anywhere, in keys too, is an error; text that looks like an escape is not."""
    raw = json.dumps(value, ensure_ascii=False)
    spoilt = "\x00" in _flat(value) or any("\ud800" <= char <= "\udfff" for char in raw)
    try:
        assert json.loads(json_text(value)) == value
        assert not spoilt
    except DataError:
        assert spoilt


def _flat(value: Any) -> str:
    if isinstance(value, dict):
        return "".join(key + _flat(inner) for key, inner in value.items())
    return "".join(map(_flat, value)) if isinstance(value, list) else str(value)


@pytest.mark.parametrize("text", ["a\x00", "\ud800", "x\udfff"])
def test_refused_text_says_what_is_wrong_with_it(text: str) -> None:
    """The message names the NUL byte or the surrogate, and never the text."""
    with pytest.raises(DataError, match=r"NUL|surrogate") as caught:
        checked_text(text)
    assert text not in str(caught.value)


ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=ZONES)


@given(MOMENTS, MOMENTS)
def test_times_as_text_are_in_the_order_of_time(one: datetime, other: datetime) -> None:
    """Whatever zones they were told in, text order is time order, and reading gives the same moment."""
    assert (stamp(one) < stamp(other)) == (one < other)
    assert datetime.fromisoformat(stamp(one)) == one
    assert len(stamp(one)) == len(stamp(other))
    assert stamp(one.astimezone(UTC).replace(tzinfo=None)) == stamp(one)


def test_what_cannot_be_stored_is_named_by_its_type() -> None:
    """A value that holds something else than plain data, times and values is refused."""
    with pytest.raises(TypeError, match="bytes cannot be stored"):
        encode(Adapter("ad-1", "b", "n", "d", "base", "/x", datetime(2026, 3, 1, tzinfo=UTC), metrics={"x": b"1"}))
