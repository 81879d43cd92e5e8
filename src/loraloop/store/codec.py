"""Values to JSON text and back, exactly."""

from __future__ import annotations

import json
import re
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from ..errors import DataError
from ..types import Record

R = TypeVar("R", bound=Record)
_ESCAPED_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")  # after an odd number of backslashes, or it is plain text
_HAS_NUL = "a text holds a NUL byte, which cannot be stored"
_REMEDY = "remove it from the data"


def encode(value: Record) -> str:
    """Return a value as JSON text; the same value always gives the same text.

    Raises:
        DataError: a text in it cannot be stored (a NUL byte, half of a surrogate pair).
    """
    return json_text(dict(value), _plain)


def json_text(value: Any, default: Callable[[Any], Any] = str) -> str:
    """Return plain data as canonical JSON text; ``default`` makes plain what is not.

    Raises:
        DataError: a text in it cannot be stored (a NUL byte, half of a surrogate pair).
    """
    return checked_json(_encoder(default)(value))


def checked_json(text: str) -> str:
    """Return JSON text that both SQLite and PostgreSQL can keep.

    Raises:
        DataError: a text in it holds a NUL byte or half of a surrogate pair.
    """
    if "u0000" in text and _ESCAPED_NUL.search(text):
        raise DataError(_HAS_NUL, hint=_REMEDY)
    return checked_text(text)


@cache
def _encoder(default: Callable[[Any], Any]) -> Callable[[Any], str]:
    return json.JSONEncoder(ensure_ascii=False, sort_keys=True, default=default).encode


def decode(kind: type[R], text: str) -> R:
    """Return the value that ``encode`` wrote; keys a newer version added are left out."""
    found: R = _build(kind, json.loads(text))
    return found


def checked_text(text: str) -> str:
    """Return ``text`` if both SQLite and PostgreSQL can keep it.

    Raises:
        DataError: it holds a NUL byte or half of a surrogate pair.
    """
    if "\x00" in text:
        raise DataError(_HAS_NUL, hint=_REMEDY)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise DataError("a text holds half of a surrogate pair, which is no character") from error
    return text


def stamp(moment: datetime) -> str:
    """Return a time as UTC text of fixed width, so that text order is time order."""
    aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return aware.isoformat(timespec="microseconds")


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return stamp(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} cannot be stored")


def _build(kind: Any, raw: Any) -> Any:
    """Make ``raw`` (plain JSON) a value of the annotated kind."""
    return None if raw is None else _maker(kind)(raw)


@cache
def _maker(kind: Any) -> Callable[[Any], Any]:
    """What makes plain JSON that is not ``null`` a value of a kind; looked up once a kind, as rows are many."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _maker(next(part for part in parts if part is not type(None)))
    if origin in (tuple, Sequence):
        return lambda raw: tuple([_build(parts[0], item) for item in raw])
    if isinstance(kind, type) and is_dataclass(kind):
        return _record_maker(kind)
    if isinstance(kind, type) and issubclass(kind, datetime):
        return datetime.fromisoformat
    return lambda raw: raw


def _record_maker(kind: Any) -> Callable[[Any], Any]:
    hints = get_type_hints(kind)
    kinds = {one.name: hints[one.name] for one in fields(kind)}

    def make(raw: Mapping[str, Any]) -> Any:
        return kind(**{name: _build(kinds[name], value) for name, value in raw.items() if name in kinds})

    return make
