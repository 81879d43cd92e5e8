"""A quality score is a number from 0 to 1; anything else is refused where it comes in."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loraloop.data.collector import StoreCollector
from loraloop.data.formats import ImportOptions
from loraloop.data.importers import BadLine, read_file
from loraloop.data.quality import DataQualityConfig
from loraloop.data.records import is_good_record, record_score, record_statistics
from loraloop.errors import UsageError
from loraloop.store.sql import SqlStore

MESSAGES = [{"role": "user", "content": "hello there"}, {"role": "assistant", "content": "good to see you"}]
ROWS: dict[str, dict[str, Any]] = {
    "jsonl": {"messages": MESSAGES, "user": "kim"},
    "ours": {"messages": MESSAGES, "schema_version": 1},
    "openai": {"messages": MESSAGES},
    "sharegpt": {"conversations": [{"from": "human", "value": "hello"}, {"from": "gpt", "value": "good day"}]},
    "alpaca": {"instruction": "say hello", "output": "good day"},
    "records": {"user_input": "hello there", "bot_response": "good to see you", "timestamp": "2026-01-01"},
}
NO_SCORES = ("1.0000001", "-0.1", "100", "NaN", "-Infinity", "1e999", "true", '"0.9"', "[1]", "{}")


@pytest.mark.parametrize("score", NO_SCORES)
@pytest.mark.parametrize("form", ROWS)
def test_a_score_that_is_none_is_refused_by_file_and_line(form: str, score: str, tmp_path: Path) -> None:
    """In every format a row with such a score is left out by file and number, and its neighbours are kept."""
    good = json.dumps({**ROWS[form], "quality_score": 0.5})
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join([good, f'{json.dumps(ROWS[form])[:-1]}, "quality_score": {score}}}', good]))
    bad: list[BadLine] = []
    found = list(read_file(path, "auto", ImportOptions(), bad.append))
    assert [conversation.quality_score for conversation in found] == [0.5, 0.5]
    assert [str(line).startswith(f"{path}:2: ") for line in bad] == [True]


@pytest.mark.slow
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.floats() | st.integers() | st.text(max_size=5) | st.booleans())
def test_whatever_is_read_has_a_score_from_0_to_1(tmp_path: Path, score: Any) -> None:
    """No value that JSON can hold becomes a score outside 0..1; one inside comes back as it is."""
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in (ROWS["openai"], {**ROWS["records"], "quality_score": score})))
    bad: list[BadLine] = []
    found = [one.quality_score for one in read_file(path, "auto", ImportOptions(), bad.append)]
    is_score = not isinstance(score, bool | str) and 0 <= score <= 1
    assert found == ([None, score] if is_score else [None])
    assert len(bad) == (0 if is_score else 1)


@pytest.mark.parametrize("score", [1.5, 85, -0.1, float("nan"), float("inf"), "high", None, []])
def test_a_record_handed_in_with_such_a_score_is_not_good(score: Any) -> None:
    """A score on another scale, or none at all, does not pass for a high one, and no average counts it."""
    record = {**ROWS["records"], "quality_score": score}
    assert record_score(record) is None
    assert not is_good_record(record, DataQualityConfig())
    assert is_good_record({**record, "quality_score": 1}, DataQualityConfig())
    assert record_statistics([record, {**record, "quality_score": 0.8}])["max_quality_score"] == 0.8


@pytest.mark.parametrize("score", [1.5, -1, float("nan"), "high"])
def test_the_collector_stores_nothing_with_such_a_score(score: Any, store: SqlStore) -> None:
    """An interaction with such a score is refused in words, and nothing of it is stored."""
    collector = StoreCollector(store)
    with pytest.raises(UsageError, match="quality_score"):
        collector.collect_interaction_data("kim", {**ROWS["records"], "quality_score": score})
    assert store.conversations.count("default") == 0
