"""What the gateway asks of whoever keeps exchanges. Synchronous: the gateway calls it in threads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ..traffic import ApiKey, Completion, Opinion, Served
from ..types import Conversation


@dataclass(frozen=True, slots=True)
class Stored:
    """One completion as it is kept: its answers, by choice, each with the conversation that holds its text."""

    answers: tuple[tuple[Completion, Conversation | None], ...]
    opinions: tuple[dict[str, Any], ...] = ()


class Archive(Protocol):
    """Keeps exchanges, opinions, consents and keys of one bot. Text is redacted here, before anything is stored."""

    def keep(self, batch: Sequence[Served]) -> None:
        """Store exchanges, all or none, in one transaction."""
        ...

    def judge(self, opinion: Opinion) -> Completion | None:
        """Keep an opinion and what follows from it for learning; returns the answer it is about, ``None`` if known.

        Raises:
            UnknownThing: no such completion. UsageError: it cannot be kept.
        """
        ...

    def find(self, completion_id: str) -> Stored | None:
        """A completion of which text is kept."""
        ...

    def page(self, after: str | None, limit: int, newest_first: bool, model: str) -> list[Stored]:
        """Completions of which text is kept, in order of time.

        Raises:
            UnknownThing: there is no completion ``after``.
        """
        ...

    def remove(self, completion_id: str) -> bool:
        """Take a completion out; returns whether there was one."""
        ...

    def consent(self, user: str, consent: str) -> int:
        """Keep a person's word (``"granted"`` or ``"withdrawn"``); returns how many conversations it changed."""
        ...

    def pseudonym(self, user: str) -> str:
        """The name under which a person is kept, the same each time."""
        ...

    def keys(self) -> Sequence[ApiKey]:
        """All keys."""
        ...
