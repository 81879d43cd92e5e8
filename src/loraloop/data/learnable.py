"""Conversations -> the answers that pass every check, and a reason for each other one."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Protocol

from ..dataset_rows import SPLITS, RowColumns
from ..packed import Texts
from ..prepared_store import KnownRow, KnownTalk
from ..types import Conversation
from .candidates import CandidateRow, candidates, row_digest
from .known_rows import known_row
from .quality import DataQualityConfig, reason_of_known, reason_to_drop, reason_under
from .sides import side_of
from .standing import Readings
from .trust import Standing, TrustConfig

TRAIN: Final = SPLITS.index("train")
CONTENT_BYTES: Final = 16


class Learnables:
    """Answers that passed the checks, by number, in columns: a quarter of a kibibyte each, text included.

    Attributes:
        places: of their conversations, in the order they came.
        columns: what a dataset says of them.
        contents: ``KnownRow.content``, 16 bytes each.
        asked: ``KnownRow.asked``; the question itself begins at ``question_at``.
        clusters: ``KnownRow.cluster``; -1 where it was not looked for.
        standings: where those stand that no person had reviewed before they came.
        corrections: those that a person wrote in place of the bot.
    """

    def __init__(self) -> None:
        self.places = array("q")
        self.columns = RowColumns()
        self.contents = bytearray()
        self.asked = Texts()
        self.question_at = array("q")
        self.self_written = bytearray()
        self.clusters = array("q")
        self.standings: dict[int, Standing] = {}
        self.corrections: set[int] = set()

    def __len__(self) -> int:
        return len(self.places)

    def add(self, talk: str, place: int, known: KnownRow) -> int:
        """Add an answer; returns its number."""
        assert len(known.content) == CONTENT_BYTES  # that of a row which cannot be learnt is empty
        self.places.append(place)
        self.columns.add(talk, known.message_index, known.split, known.digest)
        self.contents += known.content
        self.asked.append(known.asked)
        self.question_at.append(known.question_at)
        self.self_written.append(known.self_written)
        self.clusters.append(-1 if known.cluster is None else known.cluster)
        return len(self) - 1

    def in_order(self) -> list[int]:
        """Return all numbers in the order of the conversations."""
        return sorted(range(len(self)), key=self.places.__getitem__)

    def key(self, number: int) -> str:
        """Return ``conversation_id#message_index``."""
        return f"{self.columns.conversations[number]}#{self.columns.messages[number]}"

    def question(self, number: int) -> str:
        """Return the question of an answer, without what it replies to."""
        return self.asked[number][self.question_at[number] :]

    def content(self, number: int) -> bytes:
        """Return what exact duplicates of an answer have in common."""
        return bytes(self.contents[number * CONTENT_BYTES : (number + 1) * CONTENT_BYTES])

    def is_reviewed(self, number: int) -> bool:
        """Whether a person read it who may say so."""
        standing = self.standings.get(number)
        return standing is None or standing.reviewed


class Clusters(Protocol):
    """Finds rows that say nearly the same; ``near_rows.NearRows`` answers."""

    def take(self, conversation_id: str, message_index: int, digest: str, text: str) -> None:
        """Hear of a row that may be learnt."""
        ...

    def clusters(self, conversations: Iterable[str]) -> Iterable[tuple[str, int, int]]:
        """``(conversation, message, cluster)`` of the rows of some conversations."""
        ...


class Known(Protocol):
    """Knows what was found out before; ``known_rows.KnownRows`` answers."""

    def verdict(self, row: CandidateRow, digest: str) -> str:
        """What ``quality.verdict_on`` says."""
        ...

    def learn(self, conversation: Conversation, rows: list[tuple[CandidateRow, KnownRow]]) -> None:
        """Hear of all there is to know of a conversation."""
        ...


@dataclass(slots=True)
class Found:
    """What passed the checks; the others have their reason.

    Attributes:
        spent: rows that were approved once and are not any more.
    """

    rows: Learnables = field(default_factory=Learnables)
    drops: dict[str, str] = field(default_factory=dict)
    spent: list[Standing] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Checking:
    """One reading of all conversations.

    Attributes:
        near: finds rows that say nearly the same; ``None`` looks for none.
        known: what was found out before; ``None`` asks every check anew.
    """

    config: DataQualityConfig
    secret: bytes
    trust: TrustConfig
    near: Clusters | None
    known: Known | None

    def of(self, conversations: Iterable[Conversation | KnownTalk]) -> Found:
        """Return every answer that passes every check; whose feedback counts is settled first."""
        found, readings = Found(), Readings(self.trust)
        for place, one in readings.read(conversations):
            if isinstance(one, KnownTalk):
                self._take_known(place, one, found)
            else:
                self._take(place, one, readings, found)
        return found

    def _take_known(self, place: int, talk: KnownTalk, found: Found) -> None:
        learnable = talk.consent == "granted"
        for known in talk.rows:
            reason = (
                None
                if learnable and known.approved and not known.reason
                else reason_of_known(known.reason, talk.consent, known.approved, self.config)
            )
            if reason:
                found.drops[f"{talk.id}#{known.message_index}"] = reason
            else:
                found.rows.add(talk.id, place, known)

    def _take(self, place: int, conversation: Conversation, readings: Readings, found: Found) -> None:
        rows = list(candidates(conversation))
        if not rows:
            found.drops[conversation.id] = "no_answer"
        split = side_of(conversation, rows)
        learnt: list[tuple[CandidateRow, KnownRow]] = []
        for row in rows:
            key, digest = f"{conversation.id}#{row.message_index}", row_digest(row, self.secret)
            if self.known is None:
                reason = reason_to_drop(row, self.config)
                verdict = reason or ""
            else:
                verdict = self.known.verdict(row, digest)
                reason = reason_under(verdict, row, self.config)
            known = known_row(row, digest, verdict, split)
            learnt.append((row, known))
            standing = readings.standing(row, reason)
            if reason:
                unheard = readings.why_ignored(key) if reason == "answer_not_approved" else None
                found.drops[key] = unheard or reason
                found.spent += [standing] if standing else []
            elif standing:
                if self.near is not None:
                    self.near.take(conversation.id, row.message_index, digest, f"{known.asked}\n{row.answer}")
                number = found.rows.add(conversation.id, place, known)
                found.rows.standings[number] = standing
                found.rows.corrections |= {number} if row.is_correction else set()
        if self.known is not None and rows:
            self.known.learn(conversation, learnt)
