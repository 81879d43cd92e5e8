"""One reading of conversations -> what the trust rules look at: whose word counts, and where each row stands. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, TypeAlias, overload

from ..prepared_store import KnownTalk
from ..types import REVIEWER, Conversation, Feedback
from .candidates import CandidateRow
from .judging import Word, ignored, judge_of, speaker_of
from .trust import Standing, TrustConfig

Talk: TypeAlias = Conversation | KnownTalk
"""A conversation, or what is known of it."""
_APPROVING: Final = frozenset({"thumb_up", "correction"})
_LOST: Final = frozenset({"thumbs_down", "answer_not_approved", "consent_withdrawn"})
"""Reasons under which a row is left out that may have been learnt before."""


@dataclass(slots=True)
class Readings:
    """Reads conversations once, oldest first; those with feedback wait for the end, when all feedback is known.

    Attributes:
        seen: since when each speaker is known.
        ignored: feedback that does not count, each with the code of the reason.
    """

    config: TrustConfig
    seen: dict[str, datetime] = field(default_factory=dict)
    ignored: dict[Word, str] = field(default_factory=dict)
    _approvals: dict[str, str] = field(default_factory=dict)

    @overload
    def read(self, conversations: Iterable[Conversation]) -> Iterator[tuple[int, Conversation]]: ...

    @overload
    def read(self, conversations: Iterable[Talk]) -> Iterator[tuple[int, Talk]]: ...

    def read(self, conversations: Iterable[Talk]) -> Iterator[tuple[int, Talk]]:
        """Yield each conversation with its place in the order they came, without the feedback that does not count."""
        judged: list[tuple[int, Conversation]] = []
        for place, one in enumerate(conversations):
            if isinstance(one, KnownTalk):
                if one.speaker and one.speaker not in self.seen:
                    self.seen[one.speaker] = datetime.fromisoformat(one.created_at)
                yield place, one
                continue
            speaker = speaker_of(one)
            if speaker:
                self.seen[speaker] = min(self.seen.get(speaker, one.created_at), one.created_at)
            if one.feedback:
                judged.append((place, one))
            else:
                yield place, one
        self.ignored = ignored([one for _, one in judged], self.seen, self.config)
        for place, one in judged:
            counted = tuple(said for n, said in enumerate(one.feedback) if (one.id, n) not in self.ignored)
            for n, said in enumerate(one.feedback):
                if said.kind in _APPROVING and (one.id, n) in self.ignored:
                    self._approvals[f"{one.id}#{said.message_index}"] = self.ignored[one.id, n]
            yield place, one if len(counted) == len(one.feedback) else replace(one, feedback=counted)

    def why_ignored(self, key: str) -> str | None:
        """Return why an approval of an answer did not count, ``None`` where none was ignored."""
        return self._approvals.get(key)

    def standing(self, row: CandidateRow, reason: str | None) -> Standing | None:
        """Return where a row stands; ``None`` for one that is left out and was never approved."""
        talk = row.conversation
        said = [one for one in talk.feedback if one.message_index == row.message_index and one.kind in _APPROVING]
        if reason is not None and not (reason in _LOST and (said or talk.messages[row.message_index].approved_by)):
            return None
        speaker = speaker_of(talk)
        judges = sorted({judge_of(talk, one) for one in said} - {speaker, ""})
        reviewed = _is_reviewed(row, said, self.config)
        return Standing(
            key=f"{talk.id}#{row.message_index}",
            people=tuple(one for one in (speaker, *judges) if one),
            group=talk.group or "",
            vouched_at=said[0].created_at or talk.created_at if said else talk.created_at,
            reviewed=reviewed,
            is_written=row.is_correction or row.approved_by == "correction",
            first_seen=self.seen[speaker] if speaker else talk.created_at,
            question=row.question if reason is None else "",
            answer=row.answer if reason is None and not reviewed else "",
        )


def _is_reviewed(row: CandidateRow, said: list[Feedback], config: TrustConfig) -> bool:
    """Whether somebody who may say so read the answer: the review of a bot's answer is none of a user's correction."""
    if said and (said[-1].actor in config.reviewers or said[-1].actor.startswith(REVIEWER)):
        return True
    return not row.is_correction and row.conversation.messages[row.message_index].approved_by == "review"


def merged(chosen: Standing, alike: Iterable[Standing | None]) -> Standing:
    """Return the standing of a row that stands for exact duplicates: reviewed once, as ``None`` is, is reviewed."""
    return replace(chosen, reviewed=chosen.reviewed or any(one is None or one.reviewed for one in alike))
