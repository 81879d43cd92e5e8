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

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ..prepared_store import KnownTalk
from ..text.compacting import compact_all
from ..text.dedupe import compact
from ..text.near_pairs import near_pairs
from ..types import Conversation, DatasetRow, Split
from .learnable import Checking, Clusters, Known, Learnable
from .quality import DataQualityConfig
from .shares import Said, over_share, past_cluster
from .splits import question_key, split_of
from .standing import merged
from .trust import TrustConfig, over_caps, too_few_reviewed


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


def _once(kept: Sequence[Learnable], drops: dict[str, str]) -> list[Learnable]:
    """The rows without exact duplicates: of each the first correction stays, else the first, in each split."""
    firsts: dict[tuple[Split, bytes], Learnable] = {}
    others: dict[tuple[Split, bytes], list[Learnable]] = {}
    for item in kept:
        same = (item.known.split, item.known.content)
        if firsts.setdefault(same, item) is not item:
            others.setdefault(same, []).append(item)
    if not others:
        return list(kept)
    stands: dict[str, Learnable] = {}
    for same, items in others.items():
        items.insert(0, firsts[same])
        first = next((item for item in items if item.is_correction), items[0])
        stands[first.key] = first._replace(standing=merged(first.standing, [item.standing for item in items]))
        drops.update((item.key, "duplicate") for item in items if item is not first)
    gone = {item.key for items in others.values() for item in items} - stands.keys()
    return [stands.get(item.key, item) for item in kept if item.key not in gone]


def _without(kept: Sequence[Learnable], left_out: Mapping[str, str], drops: dict[str, str]) -> list[Learnable]:
    drops.update(left_out)
    return [item for item in kept if item.key not in left_out] if left_out else list(kept)


def _near(many: Iterable[str], few: Iterable[str], threshold: float) -> dict[str, list[str]]:
    """Questions among many -> those among few that are the same or nearly the same."""
    ours, theirs = list(dict.fromkeys(many)), dict[str, list[str]]()
    distinct = list(dict.fromkeys(few))
    for question, form in zip(distinct, compact_all(distinct), strict=True):
        theirs.setdefault(form, []).append(question)
    forms = list(theirs)
    pairs = [(place, forms[other]) for place, other in near_pairs(compact_all(ours), forms, threshold)]
    pairs += [(place, form) for place, form in enumerate(compact_all(ours if forms else ())) if form in theirs]
    found: dict[str, list[str]] = {}
    for place, form in pairs:
        found.setdefault(ours[place], []).extend(theirs[form])
    return found


def _apart(kept: Sequence[Learnable], threshold: float, drops: dict[str, str]) -> list[Learnable]:
    """The rows without any that asks what a row of another split asks."""
    asked: dict[Split, list[str]] = {"train": [], "validation": [], "gate": []}
    for item in kept:
        asked[item.known.split].append(item.known.asked)
    corrected = {item.known.asked for item in kept if item.known.split == "train" and item.is_correction}
    clashes = _near(asked["train"], asked["validation"] + asked["gate"], threshold)
    yielded = {
        near
        for question, found in clashes.items()
        for near in found
        if question in corrected or split_of(question_key(near)) == "train"
    }
    blocked = {question for question, found in clashes.items() if not yielded.issuperset(found)}
    judged = [question for question in asked["gate"] if question not in yielded]
    shared = _near(asked["validation"], judged, threshold)

    held_out = "near_duplicate_of_held_out"
    taught = dict.fromkeys(yielded, "question_is_taught")
    why: dict[Split, dict[str, str]] = {
        "train": dict.fromkeys(blocked, held_out),
        "validation": {**dict.fromkeys(shared, held_out), **taught},
        "gate": taught,
    }
    asks = ((item, why[item.known.split].get(item.known.asked)) for item in (kept if any(why.values()) else ()))
    return _without(kept, {item.key: reason for item, reason in asks if reason}, drops)


def _agreeing(kept: Sequence[Learnable], drops: dict[str, str]) -> list[Learnable]:
    """The rows without answers that a person corrected elsewhere, to the very same question.

    A correction that nobody reviewed outweighs no reviewed answer: else one user could unteach what was vetted.
    """
    corrections = [item for item in kept if item.is_correction]
    corrected = {compact(item.known.asked) for item in corrections}
    vetted = {compact(item.known.asked) for item in corrections if item.is_reviewed}
    told = {item.known.content for item in corrections}
    others = [item for item in (kept if corrected else ()) if not item.is_correction and item.known.content not in told]
    forms = compact_all(item.known.asked for item in others)
    wrong = {
        item.key
        for item, form in zip(others, forms, strict=True)
        if form in (vetted if item.is_reviewed else corrected)
    }
    return _without(kept, dict.fromkeys(wrong, "contradicts_correction"), drops)


def _within_shares(
    kept: Sequence[Learnable], config: DataQualityConfig, near: Clusters | None, drops: dict[str, str]
) -> list[Learnable]:
    """The rows without training rows that say what enough others say, or that are too many of a bot's own."""
    numbers = (
        {f"{conversation}#{message}": cluster for conversation, message, cluster in near.clusters()} if near else {}
    )
    training = [item for item in kept if item.known.split == "train"]
    grouped = [numbers.get(one.key) if one.known.cluster is None else one.known.cluster for one in training]
    many = {cluster for cluster, rows in Counter(grouped).items() if rows > config.cluster_rows} - {None}
    crowded = zip(training, grouped, strict=True) if many else ()
    full = past_cluster(
        [Said(item.key, cluster, item.is_correction) for item, cluster in crowded if cluster in many],
        config.cluster_rows,
    )
    kept = _without(kept, dict.fromkeys(full, "cluster_full"), drops)
    left = [item for item in kept if item.known.split == "train"] if full else training
    own = [item.key for item in left if item.known.self_written]
    over = over_share(own, len(left) - len(own), config.max_self_written_frac, config.self_written_rows)
    return _without(kept, dict.fromkeys(over, "self_written_over_share"), drops)


def select(
    conversations: Iterable[Conversation | KnownTalk],
    config: DataQualityConfig,
    secret: bytes = b"",
    *,
    trust: TrustConfig | None = None,
    now: datetime | None = None,
    near: Clusters | None = None,
    known: Known | None = None,
) -> Selection:
    """Return the rows worth learning from, split so that no question of one split stands in another.

    Conversations are read once, and only those with feedback are held until all are read: else memory grows with the
    number of rows and the text of their questions.

    Args:
        conversations: of one bot, oldest first, or what is known of them; of exact duplicates the first is kept.
        config: what is good enough.
        secret: key of the row digests.
        trust: how much any one source may teach; ``None`` for the defaults.
        now: the time, for the age of accounts; ``None`` for that of the latest row.
        near: finds rows that say nearly the same; ``None`` for no limit on them.
        known: what was found out before; ``None`` to ask every check anew.

    Returns:
        Rows and drops; every assistant message is in exactly one of them.
    """
    trust = trust or TrustConfig()
    judged = Checking(config, secret, trust, near, known).of(conversations)
    drops = judged.drops
    kept = _once(judged.kept, drops)
    over = over_caps(
        [item.standing for item in kept if item.standing],
        trust,
        spent=judged.spent,
        now=now,
        vetted=(item.known.asked[item.known.question_at :] for item in kept if item.standing is None),
    )
    kept = _agreeing(_without(kept, over, drops), drops)
    kept = _apart(kept, config.near_duplicate_threshold, drops)
    train = [item.standing for item in kept if item.known.split == "train"]
    standing = [one for one in train if one is not None]
    late = too_few_reviewed(standing, trust.reviewed_frac, len(train) - len(standing))
    kept = _without(kept, dict.fromkeys(late, "too_few_reviewed"), drops)
    kept = _within_shares(kept, config, near, drops)
    taught = [item for item in kept if item.known.split == "train"]
    return Selection(
        rows=tuple(item.row for item in kept),
        drops=drops,
        corrections=sum(item.is_correction for item in taught),
        self_written=sum(item.known.self_written for item in taught),
    )
