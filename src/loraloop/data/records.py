"""The older system's records: plain dicts of ``user_input``, ``bot_response``, ``quality_score``, ``timestamp``.

Whoever hands them in vouches for approval and consent; they are redacted here before anything else is done with them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ..text.normalise import clean
from ..text.redact import Placeholders, redact
from .formats import parse_time
from .messages import BadRow
from .quality import DataQualityConfig, error_phrase

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def record_text(record: Mapping[str, Any], key: str, placeholders: Placeholders | None = None) -> str:
    """Return a text of a record cleaned and redacted; empty where there is none or it is no text."""
    value = record.get(key)
    if not isinstance(value, str):
        return ""
    # Lone surrogates cannot be encoded, so neither stored nor tokenised.
    return redact(clean(value.encode("utf-8", "ignore").decode()), placeholders).text


def record_score(record: Mapping[str, Any]) -> float | None:
    """Return the quality score as a float, or ``None`` if it is no number from 0 to 1: then it says nothing."""
    value = record.get("quality_score")
    try:
        score = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return score if 0 <= score <= 1 else None


def record_time(record: Mapping[str, Any]) -> datetime:
    """Return a record's time, aware UTC; one without a readable time counts as very old."""
    try:
        return parse_time(record.get("timestamp")) or _LONG_AGO
    except BadRow:
        return _LONG_AGO


def is_good_record(record: object, config: DataQualityConfig) -> bool:
    """Return whether a record is good enough: both texts long enough, score at the threshold, no excluded phrase."""
    if not isinstance(record, Mapping) or config.refuse_caller_asserted:
        return False
    score = record_score(record)
    question, answer = record_text(record, "user_input"), record_text(record, "bot_response")
    return (
        score is not None
        and score >= config.quality_threshold
        and len(question) >= max(1, config.min_input_length)
        and len(answer) >= max(1, config.min_response_length)
        and not error_phrase(answer, config)
    )


def redacted_record(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy whose two texts are redacted; the caller's own dict stays as it is."""
    said = Placeholders()
    texts = {key: record_text(record, key, said) for key in ("user_input", "bot_response")}
    return {**record, **texts}


def newest(records: Sequence[Mapping[str, Any]], count: int) -> list[Mapping[str, Any]]:
    """Return the ``count`` newest records in the order they came; of equally old ones the later in the list."""
    if len(records) <= count:
        return list(records)
    by_age = sorted(range(len(records)), key=lambda place: (record_time(records[place]), place))
    return [records[place] for place in sorted(by_age[-count:])]


def record_statistics(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return count, average lengths in characters, and average, least and greatest score; ``{"count": 0}`` on none.

    Records without a score count in the lengths and not in the scores.
    """
    if not records:
        return {"count": 0}
    scores = [score for record in records if (score := record_score(record)) is not None]
    lengths = {
        name: [len(str(record.get(key) or "")) for record in records]
        for name, key in (("avg_input_length", "user_input"), ("avg_response_length", "bot_response"))
    }
    return {
        "count": len(records),
        **{name: sum(values) / len(values) for name, values in lengths.items()},
        "avg_quality_score": sum(scores) / len(scores) if scores else 0.0,
        "min_quality_score": min(scores, default=0.0),
        "max_quality_score": max(scores, default=0.0),
    }
