"""The port of whatever keeps what was worked out of rows; ``ports.Store`` holds one.

All of it can be worked out again: a mark says of what, and of which row, and another mark makes it stale. It goes with
its conversation, so who is forgotten leaves none behind; and whoever changes a conversation, or takes back what was
said of it, takes it away.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple, Protocol

from .types import Split

Answer = tuple[str, int]
"""A conversation's id, and the position of an assistant message in it."""


class Verdict(NamedTuple):
    """What the checks say of an answer's words.

    Attributes:
        mark: of the row's content, the checks and their settings.
        reason: code of the first reason to drop it; empty to keep it.
    """

    mark: str
    reason: str


class KnownRow(NamedTuple):
    """All that a dataset needs to know of an answer of which nobody has said anything.

    Attributes:
        reason: as ``Verdict`` has it.
        approved: whether a person reviewed it before it came.
        self_written: whether a bot wrote it.
        split: which side it is on.
        digest: keyed, of the row.
        content: what exact duplicates have in common.
        asked: what makes two rows ask the same; its question begins at ``question_at``. Both texts are empty where the
            row cannot be learnt as it stands.
        cluster: of rows that say nearly the same; ``None`` where it was not looked for.
    """

    message_index: int
    reason: str
    approved: bool
    self_written: bool
    split: Split
    digest: str
    content: bytes
    asked: str
    question_at: int
    cluster: int | None = None


class KnownTalk(NamedTuple):
    """A conversation by what is known of its answers; without any it must be read.

    Attributes:
        consent: as it holds now.
        speaker: the user, else ``session:`` and the session, else empty.
        created_at: ISO 8601.
    """

    id: str
    consent: str
    speaker: str
    created_at: str
    rows: tuple[KnownRow, ...]


class Tokens(NamedTuple):
    """A row as tokens.

    Attributes:
        mark: of the row's content, the tokenizer, its template and the longest sample.
        prompt_tokens: how many of them are the prompt's; -1 where the answer is too long for a sample.
        answer_bytes: of the answer, UTF-8.
        ids: little-endian, four bytes a token.
    """

    mark: str
    prompt_tokens: int
    answer_bytes: int
    ids: bytes


class PreparedStore(Protocol):
    """Keeps verdicts and tokens of answers, and what else a dataset needs to know of them."""

    def verdicts(self, conversations: Collection[str]) -> dict[Answer, Verdict]:
        """What is known of the answers of some conversations."""
        ...

    def keep_rows(self, rows: Iterable[tuple[str, str, str, KnownRow]]) -> None:
        """Keep rows in place of older ones of the same answers; of conversations that are gone, none.

        Args:
            rows: conversation; mark of the verdict; the rules under which the row holds as long as nobody says anything
                of its conversation, empty where nothing but the verdict does; row.
        """
        ...

    def talks(self, bot: str, rules: str) -> Iterator[list[KnownTalk]]:
        """Pages of all conversations of a bot, oldest first, with their rows where these rules know them.

        Of a conversation of which somebody has said something no row is given: it must be read.
        """
        ...

    def tokens(self, conversations: Collection[str], *, unjudged: bool = False) -> dict[Answer, Tokens]:
        """What is known of the answers of some conversations, or of those of which nobody has said anything."""
        ...

    def keep_tokens(self, tokens: Iterable[tuple[Answer, Tokens]]) -> None:
        """Keep tokens in place of older ones of the same answers; of conversations that are gone, none."""
        ...
