"""Whose word counts: feedback that comes too fast, from the mouth it praises, or from a crowd of new accounts. Pure.

Ignored feedback stays stored and shown; it approves nothing and takes no approval back.

Not covered: a judge who lies slowly and alone (caps bound what that teaches, see ``trust.py``).
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ..text.dedupe import compact
from ..types import REVIEWER, Conversation, Feedback
from .trust import TrustConfig

_HOUR: Final = timedelta(hours=1)
_DICTATED_CHARS: Final = 12
"""Letters and digits from which an answer that stands in the user's own words was dictated and not chanced upon."""
_LIVE_SOURCES: Final = frozenset({"chat", "gateway"})
"""Sources in which one exchange is one conversation, so that only its last message is the bot's."""

Word = tuple[str, int]
"""A conversation's id, and the place of a word of feedback in it."""


@dataclass(frozen=True, slots=True)
class _Said:
    word: Word
    judge: str
    kind: str
    about: str
    at: datetime


def speaker_of(conversation: Conversation) -> str:
    """Return who spoke: the user, else the session; empty where nobody can be told from anybody."""
    return conversation.user or (f"session:{conversation.session}" if conversation.session else "")


def judge_of(conversation: Conversation, feedback: Feedback) -> str:
    """Return who judged: the actor, or where that is a client of the gateway, the one who spoke."""
    via_client = feedback.actor in ("", "token") or feedback.actor.startswith("key:")
    return speaker_of(conversation) if via_client else feedback.actor


def ignored(
    conversations: Sequence[Conversation], seen: Mapping[str, datetime], config: TrustConfig
) -> dict[Word, str]:
    """Return the feedback that does not count, each with the code of the reason.

    Args:
        conversations: those with feedback.
        seen: since when each person is known. config: the limits.
    """
    found: dict[Word, str] = {}
    said: list[_Said] = []
    for one in conversations:
        for place, feedback in enumerate(one.feedback):
            judge = judge_of(one, feedback)
            if judge in config.reviewers or judge.startswith(REVIEWER) or feedback.kind == "comment":
                continue
            if config.own_words and feedback.kind == "thumb_up" and is_on_own_words(one, feedback):
                found[one.id, place] = "feedback_on_own_words"
            elif judge and feedback.created_at is not None:
                about = feedback.text or one.messages[feedback.message_index].text
                said.append(_Said((one.id, place), judge, feedback.kind, compact(about), feedback.created_at))
    said.sort(key=lambda one: (one.at, one.word))
    found.update(dict.fromkeys(_too_fast(said, config.judgements_per_hour), "feedback_too_fast"))
    found.update(dict.fromkeys(_brigaded(said, seen, config), "feedback_brigaded"))
    return found


def is_on_own_words(conversation: Conversation, feedback: Feedback) -> bool:
    """Return whether the judged answer is none of the bot's: the client put it there, or the user dictated it."""
    place = feedback.message_index
    if conversation.source in _LIVE_SOURCES and place != len(conversation.messages) - 1:
        return True
    answer = compact(conversation.messages[place].text)
    if len(answer) < _DICTATED_CHARS:
        return False
    return any(answer in compact(turn.text) for turn in conversation.messages[:place] if turn.role == "user")


def _too_fast(said: Sequence[_Said], most: int) -> list[Word]:
    """Words of a judge who has been counted as often as that within the hour before."""
    if not most:
        return []
    counted: dict[str, deque[datetime]] = defaultdict(deque)
    late = []
    for one in said:
        recent = counted[one.judge]
        while recent and one.at - recent[0] >= _HOUR:
            recent.popleft()
        if len(recent) >= most:
            late.append(one.word)
        else:
            recent.append(one.at)
    return late


def _brigaded(said: Sequence[_Said], seen: Mapping[str, datetime], config: TrustConfig) -> set[Word]:
    """Words of many people, most of them new, who say the same of the same answer within an hour."""
    if not config.brigade_account_h:
        return set()
    new = timedelta(hours=config.brigade_account_h)
    by_target: dict[tuple[str, str], list[_Said]] = defaultdict(list)
    for one in said:
        by_target[one.kind, one.about].append(one)
    return {
        word
        for words in by_target.values()
        if len(words) >= config.brigade_people
        for word in _crowded(words, lambda one: one.at - seen.get(one.judge, one.at) < new, config.brigade_people)
    }


def _crowded(words: Sequence[_Said], is_new: Callable[[_Said], bool], least: int) -> Iterator[Word]:
    """Words that stand in an hour of so many people, most of them new; words come in the order of time."""
    people: Counter[str] = Counter()
    new: set[str] = set()
    begin = told = there = new_there = 0
    for end, last in enumerate(words):
        arrives = not people[last.judge]
        people[last.judge] += 1
        there += arrives
        new_there += arrives and last.judge in new
        if is_new(last) and last.judge not in new:
            new.add(last.judge)
            new_there += 1
        while last.at - words[begin].at > _HOUR:
            gone = words[begin].judge
            people[gone] -= 1
            there -= not people[gone]
            new_there -= not people[gone] and gone in new
            begin += 1
        if there >= least and 2 * new_there > there:
            for one in words[max(begin, told) : end + 1]:
                yield one.word
            told = end + 1
