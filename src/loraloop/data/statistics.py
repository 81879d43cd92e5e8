"""What is stored, what is learnt of it and what is not, in numbers that a person can read; no text but topic words."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from ..ports import Progress, Store
from ..record import Record
from ..telling import counted
from ..types import CONSENTS_TO_LEARN, REVIEWER, Conversation, Dataset
from .candidates import candidates
from .quality import tells_of_distress
from .sides import is_self_written
from .topics import Topic, topics

LENGTHS: Final = (10, 20, 40, 80, 160, 320, 640)
"""Upper bounds of the groups of lengths, in characters."""
WEEKS: Final = 26
TOPIC_CONVERSATIONS: Final = 2000
"""Newest conversations that topics are made of."""


@dataclass(frozen=True, slots=True)
class Week(Record):
    """Judgements of users in one week: its Monday, thumbs up, and all."""

    monday: str
    up: int
    judged: int


@dataclass(frozen=True, slots=True)
class Statistics(Record):
    """Everything about a bot's data.

    Attributes:
        conversations, people, answers: how many.
        sources, consents, languages: name -> conversations.
        question_chars, answer_chars: upper bound of the group, or ``"more"`` -> how many.
        dataset: id of the last one. rows: split -> rows. dropped: reason -> answers.
        corrections, self_written: training rows that a person corrected, and that a bot wrote.
        approval: week by week, the oldest first.
        topics: what people talk about.
    """

    conversations: int
    people: int
    answers: int
    sources: Mapping[str, int]
    consents: Mapping[str, int]
    languages: Mapping[str, int]
    question_chars: Mapping[str, int]
    answer_chars: Mapping[str, int]
    dataset: str | None
    rows: Mapping[str, int]
    corrections: int
    self_written: int
    dropped: Mapping[str, int]
    approval: tuple[Week, ...] = ()
    topics: tuple[Topic, ...] = ()
    made_at: datetime | None = None


@dataclass
class _Counting:
    """Counts conversations one by one; holds no more of them than the newest for topics."""

    taught: frozenset[tuple[str, int]]
    conversations: int = 0
    answers: int = 0
    corrections: int = 0
    self_written: int = 0
    people: set[str] = field(default_factory=set)
    sources: Counter[str] = field(default_factory=Counter)
    consents: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    question_chars: Counter[str] = field(default_factory=Counter)
    answer_chars: Counter[str] = field(default_factory=Counter)
    weeks: dict[str, list[int]] = field(default_factory=dict)
    said: deque[tuple[str, str]] = field(default_factory=lambda: deque(maxlen=TOPIC_CONVERSATIONS))

    def take(self, one: Conversation) -> None:
        """Count a conversation."""
        who = one.user or one.session or one.id
        self.conversations += 1
        self.people.add(who)
        self.sources[one.source] += 1
        self.consents[one.consent] += 1
        self.languages[one.language or "other"] += 1
        told = "\n".join(said.text for said in one.messages if said.role == "user")
        if one.consent in CONSENTS_TO_LEARN and not tells_of_distress(told):
            self.said.append((one.user or "", told))  # who gave no name may be one and the same, in every session
        self.question_chars.update(group_of(len(said.text)) for said in one.messages if said.role == "user")
        for row in candidates(one):
            self.answers += 1
            self.answer_chars[group_of(len(row.answer))] += 1
            if (one.id, row.message_index) in self.taught:
                self.corrections += row.is_correction
                self.self_written += is_self_written(row)
        for opinion in one.feedback:
            if opinion.kind != "comment" and not opinion.actor.startswith(REVIEWER):
                week = self.weeks.setdefault(monday_of(opinion.created_at or one.created_at), [0, 0])
                week[0] += opinion.kind == "thumb_up"
                week[1] += 1


def group_of(chars: int) -> str:
    """Return the group of a length.

    Example:
        >>> group_of(10), group_of(11), group_of(5000)
        ('10', '20', 'more')
    """
    return next((str(bound) for bound in LENGTHS if chars <= bound), "more")


def monday_of(at: datetime) -> str:
    """Return the day on which the week of a time begins.

    Example:
        >>> from loraloop.types import utc
        >>> monday_of(utc("2026-03-01T10:00:00"))
        '2026-02-23'
    """
    year, week, _ = at.isocalendar()
    return datetime.fromisocalendar(year, week, 1).date().isoformat()


def statistics(store: Store, bot: str, progress: Progress | None = None) -> Statistics:
    """Return the numbers of a bot's data, reading every conversation once; ``progress`` hears ``("read", ...)``."""
    latest = next(iter(store.datasets.list(bot, 1)), None)
    found = _Counting(_taught(latest))
    for one in counted(store.conversations.iterate(bot), progress, "read", store.conversations.count(bot)):
        found.take(one)
    groups = [*map(str, LENGTHS), "more"]
    return Statistics(
        conversations=found.conversations,
        people=len(found.people),
        answers=found.answers,
        sources=dict(found.sources.most_common()),
        consents=dict(found.consents.most_common()),
        languages=dict(found.languages.most_common()),
        question_chars={group: found.question_chars[group] for group in groups},
        answer_chars={group: found.answer_chars[group] for group in groups},
        dataset=latest.id if latest else None,
        rows={name: len(latest.split(name)) for name in ("train", "validation", "gate")} if latest else {},
        corrections=found.corrections,
        self_written=found.self_written,
        dropped=dict(Counter(store.conversations.drops(bot).values()).most_common()),
        approval=tuple(_weeks(found.weeks.items())),
        topics=tuple(topics(list(found.said))),
        made_at=latest.created_at if latest else None,
    )


def _taught(latest: Dataset | None) -> frozenset[tuple[str, int]]:
    rows = latest.split("train") if latest else ()
    return frozenset((row.conversation_id, row.message_index) for row in rows)


def _weeks(found: Iterable[tuple[str, list[int]]]) -> list[Week]:
    return [Week(monday, up, judged) for monday, (up, judged) in sorted(found)][-WEEKS:]
