"""What every value is made of: a frozen dataclass that also reads as a mapping of plain data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from functools import cache
from typing import Any

_SCALARS = frozenset({str, int, float, bool, type(None), datetime})


def plain(value: Any) -> Any:
    """Return ``value`` as dicts, lists and scalars all the way down.

    Example:
        >>> plain((Message(role="user", content=(Part(text="hi"),)),))
        [{'role': 'user', 'content': [{'kind': 'text', 'text': 'hi'}], 'approved_by': None}]
    """
    if type(value) in _SCALARS:
        return value
    if isinstance(value, Record):
        return {name: plain(getattr(value, name)) for name in value._names()}
    if isinstance(value, Mapping):
        return {key: plain(value[key]) for key in value}  # not items(): a report has a field of that name
    if isinstance(value, Sequence | set | frozenset) and not isinstance(value, str | bytes):
        return [plain(item) for item in value]
    return value


class Record(Mapping[str, Any]):
    """A frozen dataclass that also reads as a mapping from field name to plain data."""

    __slots__ = ()

    def __getitem__(self, key: str) -> Any:
        if key not in self._names():
            raise KeyError(key)
        return plain(getattr(self, key))

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())

    def __len__(self) -> int:
        return len(self._names())

    @classmethod
    def _names(cls) -> tuple[str, ...]:
        return _field_names(cls)


@cache
def _field_names(kind: type) -> tuple[str, ...]:
    return tuple(f.name for f in fields(kind))


def utc(value: datetime | str | None) -> datetime | None:
    """Return an aware UTC time from a datetime or an ISO 8601 string; naive values are read as UTC.

    Raises:
        ValueError: if a string is not ISO 8601.

    Example:
        >>> utc("2026-01-02T03:04:05+09:00").isoformat()
        '2026-01-01T18:04:05+00:00'
    """
    if value is None:
        return None
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
