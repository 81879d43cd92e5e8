"""A real store, a clock that stands still, and short ways to say conversations."""

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from loraloop.data.formats import ImportOptions, from_jsonl
from loraloop.data.splits import split_of
from loraloop.store.sql import SqlStore, open_store
from loraloop.types import Conversation, Message, Split

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class StillClock:
    """Always the same time."""

    def now(self) -> datetime:
        return NOW


class LetterTemplate:
    """One token a character: a role's first letter, its text, a bar; the answer ends with a full stop."""

    def prompt_ids(self, messages: list[Message]) -> list[int]:
        return [ord(char) for message in messages for char in f"{message.role[0]}{message.text}|"]

    def answer_ids(self, text: str) -> list[int]:
        return [ord(char) for char in f"{text}."]


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture
def template() -> LetterTemplate:
    return LetterTemplate()


@pytest.fixture
def store(tmp_path: Path, empty_database: Path) -> Iterator[SqlStore]:
    opened = open_store(shutil.copyfile(empty_database, tmp_path / "x.db"))
    yield opened
    opened.close()


Say = Callable[..., Conversation]


@pytest.fixture
def say() -> Say:
    """Make a conversation of question, answer, question, answer ...; consented and reviewed unless said otherwise."""

    def make(*texts: str, **facts: object) -> Conversation:
        turns = [{"role": ("user", "assistant")[place % 2], "content": text} for place, text in enumerate(texts)]
        row = {"messages": turns, "consent": "granted", "approved": True, **facts}
        return from_jsonl(row, ImportOptions(imported_at=NOW))[0]

    return make


@pytest.fixture
def in_split() -> Callable[[Split, int], list[str]]:
    """Names of sessions that fall into a split."""

    def names(split: Split, count: int) -> list[str]:
        every = (f"s{number}" for number in range(10_000))
        found = (name for name in every if split_of(f"session:{name}") == split)
        return [next(found) for _ in range(count)]

    return names
