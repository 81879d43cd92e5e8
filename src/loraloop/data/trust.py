"""How much any one source may teach: caps on rows, counted over everything a bot was ever taught. Pure.

A row that a person read (reviewed, or vouched for by one of ``reviewers``) is never left out here. Of all others, the
first ones that somebody vouched for stay, so what is in a dataset stays in the next one; and a row that lost its
approval since still counts. So over all the datasets of an adapter line no person and no group teaches more than its
cap, whichever rows they take back between turns.

Not covered: who stays under every cap. What such a person plants, the trigger scan of the gate looks for.

Source: OWASP Top 10 for LLM Applications, LLM04:2025 Data and Model Poisoning; Souly et al., "Poisoning Attacks on LLMs
Require a Near-constant Number of Poison Samples" (2025), arXiv 2510.07192 (the number of rows counts, not their share:
hence caps in rows).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from .clusters import clusters
from .patterns import shared_patterns, single_words

_FEW: Final = 3
"""People who are few: words that only they use are theirs."""
_MANY: Final = 10
"""People that must be there before a few can be told from many."""


class TrustConfig(BaseModel):
    """How far people are trusted who teach the bot. A cap of 0 is no cap."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    reviewers: tuple[str, ...] = ("operator",)
    """Names (--actor) of people whose thumbs and corrections count as a review: what they vouch for has no cap."""
    person_rows: int = Field(default=20, ge=0)
    """Most rows that one person (else one session) ever teaches, those they took back included."""
    group_rows: int = Field(default=40, ge=0)
    """Most rows that one device or address group ever teaches; groups are known where serve.group is set."""
    alike_rows: int = Field(default=5, ge=0)
    """Most rows that are variants of one question and answer."""
    pattern_rows: int = Field(default=5, ge=0)
    """Most rows that people wrote with one and the same answer, or with the same unusual words and the same thing in
    the answers. Where there are more, all of them wait for a review, for that is what planting a trigger looks like."""
    few_people_rows: int = Field(default=10, ge=0)
    """Most rows with words that at most three people use and no reviewed row has."""
    account_age_h: float = Field(default=0.0, ge=0)
    """Hours since somebody was first seen before anything of theirs is learnt; 0 learns at once."""
    judgements_per_hour: int = Field(default=30, ge=0)
    """Judgements that count of one person in any hour; later ones are ignored."""
    own_words: bool = True
    """Whether a thumb up is ignored on words that its giver put into the conversation: an answer the client made up, or
    one the user dictated."""
    brigade_people: int = Field(default=8, ge=2)
    """People who say the same of the same answer within an hour, most of them new, whose judgements are ignored."""
    brigade_account_h: float = Field(default=24.0, ge=0)
    """Hours since somebody was first seen within which they are new; 0 takes nobody for new and ignores no brigade."""
    reviewed_frac: float = Field(default=0.0, ge=0, le=1)
    """Share of the training rows that a person must have reviewed; of the others the latest wait until it is met."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What the caps look at in one row.

    Attributes:
        key: ``conversation_id#message_index``.
        people: who could have pushed it: who spoke, and who vouched.
        group: device or address group; empty where it is not known.
        vouched_at: when somebody first approved it.
        reviewed: whether a person read it who may say so.
        is_written: whether a person wrote the answer, and not the bot.
        first_seen: of the one who spoke.
        question, answer: what it says; empty for a row that lost its approval.
    """

    key: str
    people: tuple[str, ...]
    group: str
    vouched_at: datetime
    reviewed: bool
    is_written: bool
    first_seen: datetime
    question: str = ""
    answer: str = ""


Cap = Callable[[Sequence[Standing], TrustConfig], Iterable[str]]
"""From rows in the order they were vouched for to the keys of those that are over the cap."""


def over_caps(
    rows: Sequence[Standing],
    config: TrustConfig,
    *,
    spent: Sequence[Standing] = (),
    now: datetime | None = None,
    vetted: Iterable[str] = (),
) -> dict[str, str]:
    """Return the rows that nobody may teach: key -> code of the reason.

    The caps follow one another: what one leaves out no longer counts for the next.

    Args:
        rows: of one bot, of every split: who judges an adapter is flooded like who teaches it.
        spent: rows that were approved once and are not any more.
        now: the time; ``None`` for that of the latest row.
        vetted: questions of further rows, which a person reviewed; asked for only where it matters.
    """
    free = sorted((row for row in rows if not row.reviewed), key=_order)
    reviewed = [row for row in rows if row.reviewed]
    found: dict[str, str] = {}

    def leave_out(keys: Iterable[str], reason: str) -> None:
        nonlocal free
        found.update(dict.fromkeys(keys, reason))
        free = [row for row in free if row.key not in found]

    if config.account_age_h and free:
        moment = now or max(row.vouched_at for row in rows)
        grown_up = moment - timedelta(hours=config.account_age_h)
        leave_out([row.key for row in free if row.first_seen > grown_up], "account_too_young")
    if config.pattern_rows:
        leave_out(planted(free, config.pattern_rows), "planted_pattern")
    if config.alike_rows:
        leave_out(_late_of_each(clusters([f"{row.question} {row.answer}" for row in free]), free, config.alike_rows),
                  "too_many_alike")  # fmt: skip
    if config.few_people_rows:
        read = chain((row.question for row in reviewed), vetted)
        leave_out(few_peoples_words(free, read, config.few_people_rows), "few_peoples_words")
    gone = [row for row in spent if not row.reviewed]
    if config.person_rows:
        leave_out(_over(free, gone, config.person_rows, lambda row: row.people), "too_many_of_person")
    if config.group_rows:
        leave_out(_over(free, gone, config.group_rows, lambda row: (row.group,) if row.group else ()),
                  "too_many_of_group")  # fmt: skip
    return found


def planted(rows: Sequence[Standing], most: int) -> set[str]:
    """Return the rows of every answer, and of every pattern, that people wrote more often than that."""
    written = [row for row in rows if row.is_written]
    if len(written) <= most:
        return set()
    pairs = [(row.question, row.answer) for row in written]
    flooded = [group for group in clusters([answer for _, answer in pairs]) if len(group) > most]
    patterned = [pattern.rows for pattern in shared_patterns(pairs, most + 1)]
    return {written[place].key for group in (*flooded, *patterned) for place in group}


def few_peoples_words(rows: Sequence[Standing], reviewed: Iterable[str], most: int) -> set[str]:
    """Return the late rows with words that a few people use very often, nobody else, and no reviewed question."""
    if len({row.people[0] for row in rows if row.people}) < _MANY:
        return set()
    users: dict[str, set[str]] = defaultdict(set)
    places: dict[str, list[int]] = defaultdict(list)
    for place, row in enumerate(rows):
        for word in single_words(row.question):
            if len(users[word]) <= _FEW:
                users[word].add(row.people[0] if row.people else "")
                places[word].append(place)
                if len(users[word]) > _FEW:
                    del places[word]  # of all people: nothing more need be known of it
    often = {word for word, found in places.items() if len(found) > most}
    for question in reviewed if often else ():
        often -= single_words(question)
    return _late_of_each([places[word] for word in often], rows, most)


def too_few_reviewed(rows: Sequence[Standing], reviewed_frac: float, vetted: int = 0) -> set[str]:
    """Return the latest unreviewed training rows that must go for so large a share to be reviewed.

    Args:
        rows: of the training side.
        reviewed_frac: share, 0..1.
        vetted: further rows, which a person reviewed.

    Example:
        >>> too_few_reviewed([], 0.5)
        set()
    """
    free = sorted((row for row in rows if not row.reviewed), key=_order)
    reviewed = len(rows) - len(free) + vetted
    if reviewed_frac <= 0:
        return set()
    allowed = int(reviewed * (1 - reviewed_frac) / reviewed_frac + 1e-9)
    return {row.key for row in free[allowed:]}


def _order(row: Standing) -> tuple[datetime, str]:
    return row.vouched_at, row.key


def _late_of_each(groups: Iterable[Sequence[int]], rows: Sequence[Standing], most: int) -> set[str]:
    """The rows of each group after its first ``most``; rows stand in order."""
    return {rows[place].key for group in groups for place in sorted(group)[most:]}


def _over(
    rows: Sequence[Standing],
    spent: Sequence[Standing],
    most: int,
    sources: Callable[[Standing], Iterable[str]],
) -> set[str]:
    """The rows beyond the first ``most`` of any of their sources, with those that were taken back counted in."""
    counts: Counter[str] = Counter()
    kept: Mapping[str, Standing] = {row.key: row for row in rows}
    over: set[str] = set()
    for row in sorted((*rows, *spent), key=_order):
        names = set(sources(row))
        if any(counts[name] >= most for name in names) and row.key in kept:
            over.add(row.key)
        else:
            counts.update(names)
    return over
