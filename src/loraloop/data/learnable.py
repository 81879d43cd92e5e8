"""Conversations -> the answers that pass every check, and a reason for each other one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from operator import attrgetter
from typing import NamedTuple, Protocol

from ..prepared_store import KnownRow, KnownTalk
from ..types import Conversation, DatasetRow
from .candidates import CandidateRow, candidates, row_digest
from .known_rows import known_row
from .quality import DataQualityConfig, reason_of_known, reason_to_drop, reason_under
from .sides import side_of
from .standing import Readings
from .trust import Standing, TrustConfig


class Learnable(NamedTuple):
    """An answer that passed the checks, without its text but for what it is asked.

    Attributes:
        talk: its conversation's id.
        place: of its conversation, in the order they came.
        known: what is known of it.
        standing: where it stands; ``None`` for one that a person reviewed before it came.
    """

    talk: str
    place: int
    known: KnownRow
    is_correction: bool
    standing: Standing | None

    @property
    def key(self) -> str:
        """``conversation_id#message_index``."""
        return f"{self.talk}#{self.known.message_index}"

    @property
    def row(self) -> DatasetRow:
        """What a dataset says of it."""
        return DatasetRow(self.talk, self.known.message_index, self.known.split, self.known.digest)

    @property
    def is_reviewed(self) -> bool:
        """Whether a person read it who may say so."""
        return self.standing is None or self.standing.reviewed


class Clusters(Protocol):
    """Finds rows that say nearly the same; ``near_rows.NearRows`` answers."""

    def take(self, conversation_id: str, message_index: int, digest: str, text: str) -> None:
        """Hear of a row that may be learnt."""
        ...

    def clusters(self) -> Iterable[tuple[str, int, int]]:
        """``(conversation, message, cluster)`` of every row heard of."""
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
    """What passed the checks, in the order of the conversations; the others have their reason.

    Attributes:
        spent: rows that were approved once and are not any more.
    """

    kept: list[Learnable] = field(default_factory=list)
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
        found.kept.sort(key=attrgetter("place"))
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
                found.kept.append(Learnable(talk.id, place, known, False, None))

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
                found.kept.append(Learnable(conversation.id, place, known, row.is_correction, standing))
        if self.known is not None and rows:
            self.known.learn(conversation, learnt)
