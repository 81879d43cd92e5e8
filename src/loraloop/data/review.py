"""The queue of answers that wait for a person: bot-written text becomes a target through approval alone.

Nothing is stored for waiting: an answer waits while it may be learnt in every other respect and nobody has judged it.
A decision is feedback by an actor ``review:NAME``. Talk of distress comes first; it is never learnt.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ..errors import UnknownThing, UsageError
from ..ports import Clock, Store
from ..types import REVIEWER, Conversation, Feedback, Waiting
from .candidates import CandidateRow, candidate, candidates
from .exchanges import give_feedback
from .quality import LAW, DataQualityConfig, answer_approved, faults_of, in_distress

DECISIONS: Final = {"approve": "thumb_up", "edit": "correction", "reject": "thumb_down", "seen": "comment"}
"""What a reviewer may decide -> the feedback that says so."""
DISTRESS: Final = "distress_disclosure"
UNAPPROVED: Final = "answer_not_approved"


class ReviewQueue:
    """The answers of one bot that wait, and what is decided about them.

    Args:
        store: where conversations are.
        bot: whose.
        config: by whose checks faults are shown.
        clock: tells the time; ``None`` for the system's.
    """

    def __init__(self, store: Store, bot: str, config: DataQualityConfig, clock: Clock | None = None) -> None:
        self._store, self._bot, self._config, self._clock = store, bot, config, clock

    def waiting(self, limit: int = 50) -> list[Waiting]:
        """Return the first answers that wait: those after talk of distress, then the oldest.

        The stored talks are read once, no further than to as much talk of distress as is asked for; no more than the
        limit of either kind is held meanwhile.
        """
        distress: list[Waiting] = []
        others: list[Waiting] = []
        for conversation in self._store.conversations.iterate(self._bot):
            for one in self._of(conversation):
                kind = distress if one.reason == DISTRESS else others
                if len(kind) < limit:
                    kind.append(one)
            if len(distress) >= limit:
                break
        return (distress + others)[:limit]

    def all(self) -> Iterator[Waiting]:
        """Yield everything that waits, found as it is asked for: everybody is looked through for distress first.

        That reads everything twice and holds one talk at a time: it is for whoever goes through it all.
        """
        for reason in (DISTRESS, UNAPPROVED):
            for conversation in self._store.conversations.iterate(self._bot):
                yield from (one for one in self._of(conversation) if one.reason == reason)

    def decide(self, id: str, decision: str, *, text: str = "", reviewer: str = "operator") -> Feedback:
        """Keep a reviewer's decision.

        Args:
            id: ``conversation#message``.
            decision: ``"approve"``, ``"edit"`` (with the better answer), ``"reject"`` or ``"seen"``.
            text: the answer as it should have been.
            reviewer: who decides.

        Raises:
            UnknownThing: no such answer of this bot. UsageError: that cannot be decided about it.
        """
        if decision not in DECISIONS:
            raise UsageError(f"no decision {decision!r}", hint=f"one of {', '.join(DECISIONS)}")
        row = self._row(id)
        if decision in ("approve", "edit") and in_distress(row):
            raise UsageError(f"{id} holds talk of distress, which is never learnt", hint="mark it seen, and see to it")
        return give_feedback(
            self._store, row.conversation.id, DECISIONS[decision], text=text, actor=REVIEWER + reviewer,
            message_index=row.message_index, clock=self._clock,
        )  # fmt: skip

    def _row(self, id: str) -> CandidateRow:
        conversation_id, _, index = id.partition("#")
        found = self._store.conversations.get(conversation_id)
        if found is None or found.bot != self._bot:
            raise UnknownThing(
                f"bot {self._bot!r} has no conversation {conversation_id!r}", hint="loraloop review list"
            )
        if not index.isdecimal() or int(index) >= len(found.messages) or found.messages[int(index)].role != "assistant":
            raise UnknownThing(f"{conversation_id} has no answer {index!r}", hint="loraloop review list")
        return candidate(found, int(index))

    def _of(self, conversation: Conversation) -> Iterator[Waiting]:
        reviewed = {said.message_index for said in conversation.feedback if said.actor.startswith(REVIEWER)}
        rows = list(candidates(conversation))
        distressed = [row for row in rows if in_distress(row)]
        if distressed and self._config.exclude_distress:
            if not any(row.message_index in reviewed for row in distressed):  # one look at the talk is enough
                yield self._waiting(distressed[-1], DISTRESS)
            rows = [row for row in rows if row not in distressed]
        for row in rows:
            unjudged = row.message_index not in reviewed and not row.judged and row.approved_by is None
            if unjudged and all(check is answer_approved or check(row, self._config) is None for check in LAW):
                yield self._waiting(row, UNAPPROVED)

    def _waiting(self, row: CandidateRow, reason: str) -> Waiting:
        return Waiting(
            id=f"{row.conversation.id}#{row.message_index}",
            reason=reason,
            prompt=row.prompt,
            answer=row.answer,
            created_at=row.conversation.created_at,
            faults=tuple(faults_of(row, self._config)) if reason != DISTRESS else (),
        )
