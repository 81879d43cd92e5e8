"""Values that also read as mappings."""

import json
from collections.abc import Mapping
from dataclasses import FrozenInstanceError, dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loraloop.record import Record, plain, utc


@dataclass(frozen=True, slots=True)
class Inner(Record):
    """A part."""

    name: str = "x"


@dataclass(frozen=True, slots=True)
class Outer(Record):
    """A value with a field that is named as a method of mappings."""

    items: tuple[Inner, ...] = ()  # type: ignore[assignment]
    facts: Mapping[str, Any] = field(default_factory=dict)
    score: float = 0.5


VALUE = Outer((Inner("a"), Inner("b")), {"deep": (Inner("c"), {1})}, 0.9)
AS_PLAIN = {"items": [{"name": "a"}, {"name": "b"}], "facts": {"deep": [{"name": "c"}, [1]]}, "score": 0.9}


def test_a_value_reads_as_a_mapping_of_plain_data() -> None:
    """By key, as a dict, unpacked and as JSON it is plain all the way down; as attributes it is itself."""
    assert dict(VALUE) == {**VALUE} == plain(VALUE) == AS_PLAIN
    assert json.loads(json.dumps(dict(VALUE))) == AS_PLAIN
    assert (VALUE["score"], VALUE.get("score"), VALUE.get("nothing", 7)) == (0.9, 0.9, 7)
    assert VALUE.items[0] == Inner("a")  # type: ignore[index]
    assert list(VALUE) == ["items", "facts", "score"]
    assert (len(VALUE), "score" in VALUE, "nothing" in VALUE) == (3, True, False)


@pytest.mark.parametrize("key", ["nothing", "get", "__class__", "keys", ""])
def test_what_is_no_field_is_no_key(key: str) -> None:
    """Methods and attributes of the class are not read by key."""
    with pytest.raises(KeyError):
        VALUE[key]


def test_a_value_does_not_change() -> None:
    """Neither attributes nor keys can be set, and what is handed out is a copy."""
    with pytest.raises(FrozenInstanceError):
        VALUE.score = 1.0  # type: ignore[misc]
    with pytest.raises(TypeError):
        VALUE["score"] = 1.0  # type: ignore[index]
    VALUE["facts"]["deep"].clear()
    assert dict(VALUE) == AS_PLAIN


def test_values_are_equal_by_what_they_hold() -> None:
    """Another value of the same content is equal; one of another class with the same fields is not."""
    assert Inner("a") == Inner("a") != Inner("b")

    @dataclass(frozen=True, slots=True)
    class Other(Record):
        name: str = "a"

    assert Inner("a") != Other("a")


NESTED = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.builds(Inner, st.text()),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(), inner, max_size=3)
        | st.builds(Outer, st.just(()), st.dictionaries(st.text(), inner, max_size=2))
    ),
)


def is_plain(value: Any) -> bool:
    """Whether there are only dicts, lists and scalars in it."""
    if type(value) is dict:
        return all(map(is_plain, value.values()))
    if type(value) is list:
        return all(map(is_plain, value))
    return value is None or type(value) in (bool, int, float, str)


@pytest.mark.slow
@given(NESTED)
def test_anything_becomes_plain_all_the_way_down_and_stays_so(value: Any) -> None:
    """No depth or mixture of values, tuples and dicts leaves anything but dicts, lists and scalars."""
    found = plain(value)
    assert is_plain(found)
    assert plain(found) == found


ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.none() | ZONES))
def test_a_time_is_the_same_moment_in_utc(moment: datetime) -> None:
    """From a datetime or its text, naive ones as UTC; doing it again changes nothing."""
    found = utc(moment)
    assert found is not None
    assert found.utcoffset() == timedelta(0)
    assert found == (moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    assert utc(moment.isoformat()) == utc(found) == found
    assert utc(None) is None


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "12:00", "1767225600"])
def test_text_that_is_no_time_is_refused(text: str) -> None:
    """What is not ISO 8601 is an error, not a guess."""
    with pytest.raises(ValueError, match=r"Invalid isoformat|must be in|Invalid"):
        utc(text)
