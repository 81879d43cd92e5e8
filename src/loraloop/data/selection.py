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

from array import array
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ..dataset_rows import SPLITS
from ..packed import Texts
from ..prepared_store import KnownTalk
from ..text.compacting import compact_all
from ..text.dedupe import compact
from ..text.near_pairs import near_pairs
from ..types import Conversation, DatasetRow, DatasetRows
from .learnable import CONTENT_BYTES, TRAIN, Checking, Clusters, Found, Known
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

    rows: Sequence[DatasetRow]
    drops: dict[str, str]
    corrections: int = 0
    self_written: int = 0


def _once(found: Found, kept: list[int]) -> list[int]:
    """The rows without exact duplicates: of each the first correction stays, else the first, in each split."""
    import numpy as np

    table = found.rows
    if not kept:
        return kept
    contents = np.frombuffer(table.contents, dtype=np.uint8).reshape(-1, CONTENT_BYTES)
    said = np.concatenate((np.frombuffer(table.columns.splits, dtype=np.uint8)[:, None], contents), axis=1)[kept]
    _, same, counts = np.unique(said.view(f"V{said.shape[1]}").ravel(), return_inverse=True, return_counts=True)
    alike: dict[int, list[int]] = {}
    for place in np.flatnonzero(counts[same] > 1).tolist():
        alike.setdefault(int(same[place]), []).append(kept[place])
    gone: dict[int, str] = {}
    for numbers in alike.values():
        first = next((number for number in numbers if number in table.corrections), numbers[0])
        if first in table.standings:
            every = [table.standings.get(number) for number in numbers]
            table.standings[first] = merged(table.standings[first], every)
        gone.update((number, "duplicate") for number in numbers if number != first)
    return _without(found, kept, gone)


def _without(found: Found, kept: list[int], left_out: Mapping[int, str]) -> list[int]:
    found.drops.update((found.rows.key(number), reason) for number, reason in left_out.items())
    return [number for number in kept if number not in left_out] if left_out else kept


def _near(asked: Texts, many: Sequence[int], few: Sequence[int], threshold: float) -> dict[str, set[str]]:
    """Questions of many rows -> those of few rows that are the same or nearly the same."""
    theirs: dict[str, set[str]] = {}
    for number, form in zip(few, compact_all(asked[number] for number in few), strict=True):
        theirs.setdefault(form, set()).add(asked[number])
    forms, alike = list(theirs), list[tuple[int, str]]()

    def ours() -> Iterator[str]:
        for place, form in enumerate(compact_all(asked[number] for number in (many if theirs else ()))):
            if form in theirs:
                alike.append((place, form))
            yield form

    read = ours()
    alike += [(place, forms[other]) for place, other in near_pairs(read, forms, threshold)]
    deque(read, maxlen=0)  # where nothing but the same counts as near, none of them was read
    found: dict[str, set[str]] = {}
    for place, form in alike:
        found.setdefault(asked[many[place]], set()).update(theirs[form])
    return found


def _apart(found: Found, kept: list[int], threshold: float) -> list[int]:
    """The rows without any that asks what a row of another split asks."""
    table = found.rows
    asked = table.asked
    train, validation, gate = (
        [number for number in kept if table.columns.splits[number] == code] for code in range(len(SPLITS))
    )
    corrected = {asked[number] for number in train if number in table.corrections}
    clashes = _near(asked, train, validation + gate, threshold)
    yielded = {
        near
        for question, those in clashes.items()
        for near in those
        if question in corrected or split_of(question_key(near)) == "train"
    }
    blocked = {question for question, those in clashes.items() if not yielded.issuperset(those)}
    judged = [number for number in gate if asked[number] not in yielded]
    shared = _near(asked, validation, judged, threshold)

    held_out = "near_duplicate_of_held_out"
    taught = dict.fromkeys(yielded, "question_is_taught")
    left_out: dict[int, str] = {}
    for numbers, reasons in (
        (train, dict.fromkeys(blocked, held_out)),
        (validation, {**dict.fromkeys(shared, held_out), **taught}),
        (gate, taught),
    ):
        asks = ((number, asked[number]) for number in (numbers if reasons else ()))
        left_out.update((number, reasons[question]) for number, question in asks if question in reasons)
    return _without(found, kept, left_out)


def _agreeing(found: Found, kept: list[int]) -> list[int]:
    """The rows without answers that a person corrected elsewhere, to the very same question.

    A correction that nobody reviewed outweighs no reviewed answer: else one user could unteach what was vetted.
    """
    table = found.rows
    corrections = [number for number in kept if number in table.corrections]
    if not corrections:
        return kept
    corrected = {compact(table.asked[number]) for number in corrections}
    vetted = {compact(table.asked[number]) for number in corrections if table.is_reviewed(number)}
    told = {table.content(number) for number in corrections}
    others = [number for number in kept if number not in table.corrections and table.content(number) not in told]
    forms = compact_all(table.asked[number] for number in others)
    wrong = {
        number: "contradicts_correction"
        for number, form in zip(others, forms, strict=True)
        if form in (vetted if table.is_reviewed(number) else corrected)
    }
    return _without(found, kept, wrong)


def _within_caps(found: Found, kept: list[int], trust: TrustConfig, now: datetime | None) -> list[int]:
    """The rows without those that are over a cap of trust."""
    table = found.rows
    numbers = {table.standings[number].key: number for number in kept if number in table.standings}
    over = over_caps(
        [table.standings[number] for number in numbers.values()],
        trust,
        spent=found.spent,
        now=now,
        vetted=(table.question(number) for number in kept if number not in table.standings),
    )
    return _without(found, kept, {numbers[key]: reason for key, reason in over.items()})


def _reviewed_enough(found: Found, kept: list[int], reviewed_frac: float) -> list[int]:
    """The rows without the latest unreviewed training rows, where too few of all are reviewed."""
    table = found.rows
    train = [number for number in kept if table.columns.splits[number] == TRAIN]
    numbers = {table.standings[number].key: number for number in train if number in table.standings}
    standing = [table.standings[number] for number in numbers.values()]
    late = too_few_reviewed(standing, reviewed_frac, len(train) - len(standing))
    return _without(found, kept, {numbers[key]: "too_few_reviewed" for key in late})


def _within_shares(found: Found, kept: list[int], config: DataQualityConfig, near: Clusters | None) -> list[int]:
    """The rows without training rows that say what enough others say, or that are too many of a bot's own."""
    import numpy as np

    table = found.rows
    training = [number for number in kept if table.columns.splits[number] == TRAIN]
    clusters = np.frombuffer(table.clusters, dtype=np.int64).copy()
    late = {table.key(number): number for number in training if clusters[number] < 0}
    talks = (table.columns.conversations[number] for number in late.values())
    for talk, message, cluster in near.clusters(talks) if near else ():
        if (number := late.get(f"{talk}#{message}")) is not None:
            clusters[number] = cluster
    every, counts = np.unique(clusters[training], return_counts=True)
    many = {cluster for cluster in every[counts > config.cluster_rows].tolist() if cluster >= 0}
    crowded = {table.key(number): number for number in training if many and clusters[number] in many}
    said = [Said(key, int(clusters[number]), number in table.corrections) for key, number in crowded.items()]
    full = {crowded[key]: "cluster_full" for key in past_cluster(said, config.cluster_rows)}
    kept = _without(found, kept, full)
    left = [number for number in training if number not in full]
    own = {table.key(number): number for number in left if table.self_written[number]}
    over = over_share(list(own), len(left) - len(own), config.max_self_written_frac, config.self_written_rows)
    return _without(found, kept, {own[key]: "self_written_over_share" for key in over})


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
    found = Checking(config, secret, trust, near, known).of(conversations)
    kept = _once(found, found.rows.in_order())
    kept = _within_caps(found, kept, trust, now)
    kept = _agreeing(found, kept)
    kept = _apart(found, kept, config.near_duplicate_threshold)
    kept = _reviewed_enough(found, kept, trust.reviewed_frac)
    kept = _within_shares(found, kept, config, near)
    taught = [number for number in kept if found.rows.columns.splits[number] == TRAIN]
    return Selection(
        rows=DatasetRows.of(found.rows.columns, array("q", kept)),
        drops=found.drops,
        corrections=sum(number in found.rows.corrections for number in taught),
        self_written=sum(found.rows.self_written[number] for number in taught),
    )
