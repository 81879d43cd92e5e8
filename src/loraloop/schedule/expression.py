"""Which triggers must fire, as a person writes it: ``rows or corrections or (cron and not stale)``.

``and``, ``or``, ``not`` and brackets, and the same as words before a list: ``all(a, b)``, ``any(a, b)``. Parsed here
and never evaluated as Python.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

NAMES = ("interval", "rows", "corrections", "approval", "drift", "cron", "stale", "rested")
"""The triggers an expression may name."""

STRATEGIES = {
    "all": "interval and rows",
    "any": "rested and (interval or rows)",
    "interval": "interval",
    "rows": "rested and rows",
}
"""What the setting ``strategy`` stands for."""

_TOKEN = re.compile(r"\s*(?:([A-Za-z_]+)|([(),]))")
_LONGEST_CHARS, _DEEPEST = 1000, 20


@dataclass(frozen=True, slots=True)
class Node:
    """One part of an expression: ``kind`` is ``"name"``, ``"not"``, ``"all"`` or ``"any"``."""

    kind: str
    name: str = ""
    parts: tuple[Node, ...] = ()

    def names(self) -> frozenset[str]:
        """Every trigger named in it."""
        return frozenset({self.name} if self.kind == "name" else ()).union(*(part.names() for part in self.parts))

    def holds(self, fires: Mapping[str, bool]) -> bool:
        """Return whether it fires where each named trigger does as said."""
        if self.kind == "name":
            return fires[self.name]
        told = [part.holds(fires) for part in self.parts]
        return not told[0] if self.kind == "not" else all(told) if self.kind == "all" else any(told)


@lru_cache(maxsize=64)
def parsed(text: str) -> Node:
    """Return what an expression means.

    Raises:
        ValueError: it means nothing; the message says where and what could stand there.

    Example:
        >>> sorted(parsed("rows or (cron and not stale)").names())
        ['cron', 'rows', 'stale']
        >>> parsed("all(rows, not cron)").holds({"rows": True, "cron": False})
        True
    """
    if len(text) > _LONGEST_CHARS:
        raise ValueError(f"the expression is longer than {_LONGEST_CHARS} characters")
    reader = _Reader(tuple(_tokens(text)))
    node = reader.either(0)
    if reader.next() is not None:
        raise ValueError(f"{reader.next()!r} stands where and, or or the end is expected")
    return node


def _tokens(text: str) -> Iterable[str]:
    place, text = 0, text.rstrip()
    while place < len(text):
        found = _TOKEN.match(text, place)
        if found is None:
            raise ValueError(f"{text[place:].lstrip()[:1]!r} means nothing here; use names, and, or, not and brackets")
        yield found.group(1) or found.group(2)
        place = found.end()


class _Reader:
    """Reads tokens from left to right; ``not`` binds before ``and``, and that before ``or``."""

    def __init__(self, tokens: tuple[str, ...]) -> None:
        self._tokens, self._place = tokens, 0

    def next(self) -> str | None:
        return self._tokens[self._place] if self._place < len(self._tokens) else None

    def take(self) -> str | None:
        token = self.next()
        self._place += 1
        return token

    def either(self, depth: int) -> Node:
        parts = [self._both(depth)]
        while self.next() == "or":
            self.take()
            parts.append(self._both(depth))
        return parts[0] if len(parts) == 1 else Node("any", parts=tuple(parts))

    def _both(self, depth: int) -> Node:
        parts = [self._one(depth)]
        while self.next() == "and":
            self.take()
            parts.append(self._one(depth))
        return parts[0] if len(parts) == 1 else Node("all", parts=tuple(parts))

    def _one(self, depth: int) -> Node:
        if depth > _DEEPEST:
            raise ValueError(f"the expression is nested deeper than {_DEEPEST}")
        token = self.take()
        if token == "not":
            return Node("not", parts=(self._one(depth + 1),))
        if token == "(":
            inner = self.either(depth + 1)
            self._closed()
            return inner
        if token in ("all", "any") and self.next() == "(":
            return Node(token, parts=self._listed(depth + 1))
        if token is None:
            raise ValueError(f"the name of a trigger is missing at the end; there are {', '.join(NAMES)}")
        if token not in NAMES:
            near = difflib.get_close_matches(token, NAMES, 1, 0.6)
            meant = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(NAMES)}"
            raise ValueError(f"there is no trigger {token!r}{meant}")
        return Node("name", token)

    def _listed(self, depth: int) -> tuple[Node, ...]:
        self.take()
        parts = [self.either(depth)]
        while self.next() == ",":
            self.take()
            parts.append(self.either(depth))
        self._closed()
        return tuple(parts)

    def _closed(self) -> None:
        if self.take() != ")":
            raise ValueError("a bracket is not closed")
