"""Conversations -> rows of a dataset, and a reason for every answer that is left out.

A row's side is its user's (``splits``) and never changes, but for what ``side_of`` says of corrections. But many people
ask the same, so one question can stand on both sides; then one of them is left out, and what judges an adapter was
never taught to it:

* a question that falls to a judging split by its own hash stays there, and training rows that ask it go;
* any other stays in training, and judging rows that ask it go (held-out always winning would let a few judging users
  take every common question out of training);
* a question that a person of a training group corrected is always taught, or corrections would change nothing.

What a person of a judging group corrects judges, and teaches nothing. Exact duplicates of question and answer count
once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, Protocol

from ..text.dedupe import NearDuplicates, compact
from ..types import Conversation, DatasetRow, Split
from .candidates import CandidateRow, candidates, row_digest
from .quality import DataQualityConfig, reason_to_drop, reason_under
from .shares import Said, over_share, past_cluster
from .sides import is_self_written, side_of
from .splits import question_key, split_of
from .standing import Readings, merged
from .trust import Standing, TrustConfig, over_caps, too_few_reviewed

_ASKS_ALONE_CHARS: Final = 10
"""Letters from which a question asks something without what was said before it."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What a dataset is made of.

    Attributes:
        rows: in the order the conversations came, then by message.
        drops: ``conversation_id#message_index`` (or ``conversation_id`` alone) -> code of the reason.
        corrections: number of training rows that a person corrected.
        self_written: number of training rows that a bot wrote.
    """

    rows: tuple[DatasetRow, ...]
    drops: dict[str, str]
    corrections: int = 0
    self_written: int = 0


@dataclass(frozen=True, slots=True)
class _Kept:
    row: DatasetRow
    asked: str
    content: bytes
    is_correction: bool
    self_written: bool
    standing: Standing

    @property
    def key(self) -> str:
        return f"{self.row.conversation_id}#{self.row.message_index}"


class Clusters(Protocol):
    """Finds rows that say nearly the same; ``near_rows.NearRows`` answers."""

    def take(self, conversation_id: str, message_index: int, digest: str, text: str) -> None:
        """Hear of a row that may be learnt."""
        ...

    def clusters(self) -> Iterable[tuple[str, int, int]]:
        """``(conversation, message, cluster)`` of every row heard of."""
        ...


class Opinions(Protocol):
    """Knows what ``quality.verdict_on`` says; ``verdicts.Verdicts`` answers."""

    def of(self, row: CandidateRow, digest: str) -> str:
        """The code of the first reason in a row's words to drop it; empty to keep it."""
        ...


def asked(row: CandidateRow) -> str:
    """Return what makes two rows ask the same: the question, and for a short one the answer it replies to.

    "Why?" and "yes please" ask nothing alone; a longer question is the same question wherever it stands.
    """
    question = row.question
    if len(compact(question)) >= _ASKS_ALONE_CHARS:
        return question
    before = next((message.text for message in reversed(row.prompt) if message.role == "assistant"), "")
    return f"{before} {question}".strip()


def _fingerprint(row: CandidateRow) -> bytes:
    """What makes two rows exact duplicates: every message before the answer and the answer, normalised."""
    said = [f"{message.role}\x1f{compact(message.text)}" for message in row.prompt] + [compact(row.answer)]
    return hashlib.sha256("\x1e".join(said).encode()).digest()


@dataclass(slots=True)
class _Judged:
    """What passed the checks, in the order of the conversations; the others have their reason.

    Attributes:
        spent: rows that were approved once and are not any more.
    """

    kept: list[_Kept] = field(default_factory=list)
    drops: dict[str, str] = field(default_factory=dict)
    spent: list[Standing] = field(default_factory=list)


def _judged(
    conversations: Iterable[Conversation],
    config: DataQualityConfig,
    secret: bytes,
    trust: TrustConfig,
    *,
    near: Clusters | None,
    verdicts: Opinions | None,
) -> _Judged:
    """Every answer that passes every check, with where it stands; whose feedback counts is settled first."""
    found, readings = _Judged(), Readings(trust)
    places: dict[str, int] = {}
    for place, conversation in readings.read(conversations):
        rows = list(candidates(conversation))
        places[conversation.id] = place
        if not rows:
            found.drops[conversation.id] = "no_answer"
        split = side_of(conversation, rows)
        for row in rows:
            key, digest = f"{conversation.id}#{row.message_index}", row_digest(row, secret)
            if verdicts is None:
                reason = reason_to_drop(row, config)
            else:
                reason = reason_under(verdicts.of(row, digest), row, config)
            standing = readings.standing(row, reason)
            if reason:
                unheard = readings.why_ignored(key) if reason == "answer_not_approved" else None
                found.drops[key] = unheard or reason
                found.spent += [standing] if standing else []
            elif standing:
                target = DatasetRow(conversation.id, row.message_index, split, digest)
                said = asked(row)
                if near is not None:
                    near.take(conversation.id, row.message_index, digest, f"{said}\n{row.answer}")
                own = is_self_written(row)
                found.kept.append(_Kept(target, said, _fingerprint(row), row.is_correction, own, standing))
    found.kept.sort(key=lambda item: places[item.row.conversation_id])
    return found


def _once(kept: Sequence[_Kept], drops: dict[str, str]) -> list[_Kept]:
    """The rows without exact duplicates: of each the first correction stays, else the first, in each split."""
    alike: dict[tuple[Split, bytes], list[_Kept]] = {}
    for item in kept:
        alike.setdefault((item.row.split, item.content), []).append(item)
    chosen: dict[str, _Kept] = {}
    for items in alike.values():
        first = next((item for item in items if item.is_correction), items[0])
        if len(items) > 1:
            first = replace(first, standing=merged(first.standing, [item.standing for item in items]))
        chosen[first.key] = first
    drops.update((item.key, "duplicate") for item in kept if item.key not in chosen)
    return [chosen[item.key] for item in kept if item.key in chosen]


def _without(kept: Sequence[_Kept], left_out: Mapping[str, str], drops: dict[str, str]) -> list[_Kept]:
    drops.update(left_out)
    return [item for item in kept if item.key not in left_out]


def _apart(kept: Sequence[_Kept], threshold: float, drops: dict[str, str]) -> list[_Kept]:
    """The rows without any that asks what a row of another split asks."""
    judging = [item for item in kept if item.row.split != "train"]
    held_out = NearDuplicates(threshold)
    for question in dict.fromkeys(item.asked for item in judging):
        held_out.add(question, question)
    corrected = {item.asked for item in kept if item.row.split == "train" and item.is_correction}
    taught = dict.fromkeys(item.asked for item in kept if item.row.split == "train")
    clashes = {question: near for question in taught if (near := held_out.find(question))}
    yielded = {
        near
        for question, found in clashes.items()
        for near in found
        if question in corrected or split_of(question_key(near)) == "train"
    }
    blocked = {question for question, found in clashes.items() if not yielded.issuperset(found)}
    gate = NearDuplicates(threshold)
    for question in dict.fromkeys(item.asked for item in judging if item.row.split == "gate"):
        if question not in yielded:
            gate.add(question, question)

    def reason(item: _Kept) -> str | None:
        if item.row.split == "train":
            return "near_duplicate_of_held_out" if item.asked in blocked else None
        if item.asked in yielded:
            return "question_is_taught"
        return "near_duplicate_of_held_out" if item.row.split == "validation" and gate.find(item.asked) else None

    left_out = {item.key: why for item in kept if (why := reason(item))}
    drops.update(left_out)
    return [item for item in kept if item.key not in left_out]


def _agreeing(kept: Sequence[_Kept], drops: dict[str, str]) -> list[_Kept]:
    """The rows without answers that a person corrected elsewhere, to the very same question.

    A correction that nobody reviewed outweighs no reviewed answer: else one user could unteach what was vetted.
    """
    corrected = {compact(item.asked) for item in kept if item.is_correction}
    vetted = {compact(item.asked) for item in kept if item.is_correction and item.standing.reviewed}
    told = {item.content for item in kept if item.is_correction}
    wrong = {
        item.key
        for item in (kept if corrected else ())
        if not item.is_correction
        and item.content not in told
        and compact(item.asked) in (vetted if item.standing.reviewed else corrected)
    }
    drops.update(dict.fromkeys(wrong, "contradicts_correction"))
    return [item for item in kept if item.key not in wrong]


def _within_shares(
    kept: Sequence[_Kept], config: DataQualityConfig, near: Clusters | None, drops: dict[str, str]
) -> list[_Kept]:
    """The rows without training rows that say what enough others say, or that are too many of a bot's own."""
    numbers = (
        {f"{conversation}#{message}": cluster for conversation, message, cluster in near.clusters()} if near else {}
    )
    training = [
        Said(item.key, numbers.get(item.key), item.is_correction, item.self_written)
        for item in kept
        if item.row.split == "train"
    ]
    full = past_cluster(training, config.cluster_rows)
    left = [one for one in training if one.key not in full]
    over = over_share(left, config.max_self_written_frac, config.self_written_rows)
    drops.update(dict.fromkeys(full, "cluster_full"))
    drops.update(dict.fromkeys(over, "self_written_over_share"))
    return [item for item in kept if item.key not in full and item.key not in over]


def select(
    conversations: Iterable[Conversation],
    config: DataQualityConfig,
    secret: bytes = b"",
    *,
    trust: TrustConfig | None = None,
    now: datetime | None = None,
    near: Clusters | None = None,
    verdicts: Opinions | None = None,
) -> Selection:
    """Return the rows worth learning from, split so that no question of one split stands in another.

    Conversations are read once, and only those with feedback are held until all are read: else memory grows with the
    number of rows and the text of their questions.

    Args:
        conversations: of one bot, oldest first; of exact duplicates the first is kept.
        config: what is good enough.
        secret: key of the row digests.
        trust: how much any one source may teach; ``None`` for the defaults.
        now: the time, for the age of accounts; ``None`` for that of the latest row.
        near: finds rows that say nearly the same; ``None`` for no limit on them.
        verdicts: what the checks say of words; ``None`` to ask them anew.

    Returns:
        Rows and drops; every assistant message is in exactly one of them.
    """
    trust = trust or TrustConfig()
    judged = _judged(conversations, config, secret, trust, near=near, verdicts=verdicts)
    drops = judged.drops
    kept = _once(judged.kept, drops)
    over = over_caps([item.standing for item in kept], trust, spent=judged.spent, now=now)
    kept = _agreeing(_without(kept, over, drops), drops)
    kept = _apart(kept, config.near_duplicate_threshold, drops)
    train = [item.standing for item in kept if item.row.split == "train"]
    late = too_few_reviewed(train, trust.reviewed_frac)
    kept = _without(kept, dict.fromkeys(late, "too_few_reviewed"), drops)
    kept = _within_shares(kept, config, near, drops)
    taught = [item for item in kept if item.row.split == "train"]
    return Selection(
        rows=tuple(item.row for item in kept),
        drops=drops,
        corrections=sum(item.is_correction for item in taught),
        self_written=sum(item.self_written for item in taught),
    )
