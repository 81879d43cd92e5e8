"""The port of whatever keeps what was worked out of rows; ``ports.Store`` holds one.

All of it can be worked out again: a mark says of what, and of which row, and another mark makes it stale. It goes with
its conversation, so who is forgotten leaves none behind.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Protocol

Answer = tuple[str, int]
"""A conversation's id, and the position of an assistant message in it."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the checks say of an answer's words.

    Attributes:
        mark: of the row's content, the checks and their settings.
        reason: code of the first reason to drop it; empty to keep it.
    """

    mark: str
    reason: str


@dataclass(frozen=True, slots=True)
class Tokens:
    """A row as tokens.

    Attributes:
        mark: of the row's content, the tokenizer, its template and the longest sample.
        prompt_tokens: how many of them are the prompt's; -1 where the answer is too long for a sample.
        ids: little-endian, four bytes a token.
    """

    mark: str
    prompt_tokens: int
    ids: bytes


class PreparedStore(Protocol):
    """Keeps verdicts and tokens of answers."""

    def verdicts(self, conversations: Collection[str]) -> dict[Answer, Verdict]:
        """What is known of the answers of some conversations."""
        ...

    def keep_verdicts(self, verdicts: Iterable[tuple[Answer, Verdict]]) -> None:
        """Keep verdicts in place of older ones of the same answers; of conversations that are gone, none."""
        ...

    def tokens(self, conversations: Collection[str]) -> dict[Answer, Tokens]:
        """What is known of the answers of some conversations."""
        ...

    def keep_tokens(self, tokens: Iterable[tuple[Answer, Tokens]]) -> None:
        """Keep tokens in place of older ones of the same answers; of conversations that are gone, none."""
        ...
