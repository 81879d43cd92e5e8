"""What people talk about: clusters of conversations by their words, shown by words that several people said. Pure.

No word stands here that fewer than ``LEAST_PEOPLE`` people used: what only one person says may tell who it is.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..record import Record
from ..text.normalise import match_key
from ..text.redact import TAG

if TYPE_CHECKING:
    import numpy as np

LEAST_PEOPLE = 3
_MOST_WORDS = 400
_ROUNDS = 12
_SHOWN_WORDS = 6
_PARTICLES = re.compile(
    r"(?<=[가-힣]{2})(?:이에요|예요|이야|에서는|에서|에게|한테|으로|까지|부터|하고|이랑|처럼|보다|은|는|이|가|을|를|에|의|도|로|와|과|랑|만|요|야)$"
)
_COMMON = frozenset([
    "the", "and", "you", "are", "for", "what", "that", "this", "with", "have", "not", "but", "how",
    "can", "your", "was", "his", "her", "they", "them", "from", "who", "why", "when", "where",
    "does", "did", "will", "would", "there", "about", "just", "like", "know", "tell", "which",
    "been", "has", "had", "its", "out", "get", "all", "any", "one", "그리고", "그래서", "하지만",
    "그런데", "나는", "내가", "너는", "네가", "이거", "그거", "저거", "이건", "그건", "무엇",
    "뭐가", "어떤", "어떻게", "왜", "언제", "어디", "누가", "있어", "없어", "해요", "하는", "하고",
    "있는", "정말", "너무", "진짜", "우리", "오늘", "지금", "그냥", "좀", "더", "다시", "제가",
    "저는", "있나요", "인가요", "뭐야", "알려줘", "알아",
])  # fmt: skip


@dataclass(frozen=True, slots=True)
class Topic(Record):
    """Conversations that use the same words.

    Attributes:
        words: those that tell it from the others; each said by ``LEAST_PEOPLE`` people or more.
        conversations, people: how many.
    """

    words: tuple[str, ...]
    conversations: int
    people: int


def words_of(text: str) -> list[str]:
    """Return the words of a text without Korean particles, common words, numbers and placeholders.

    Example:
        >>> words_of("떡볶이는 어떻게 만들어? The noodles 12 [PHONE]")
        ['떡볶이', '만들어', 'noodles']
    """
    found = (_PARTICLES.sub("", word) for word in match_key(TAG.sub(" ", text)).split())
    return [
        word
        for word in found
        if word not in _COMMON
        and not any(map(str.isdigit, word))
        and len(word) >= (2 if "가" <= word[0] <= "힣" else 3)
    ]


def topics(said: Sequence[tuple[str, str]], most: int = 8) -> list[Topic]:
    """Return the topics of some conversations, the largest first.

    Words weigh by how rare they are (TF-IDF), each conversation is a direction, and directions are grouped by spherical
    k-means that begins with the conversations that most others are like, so the same input gives the same topics.

    Args:
        said: ``(person, what they said)`` of each conversation; all who gave no name are one person, ``""``.
        most: topics at most.

    **Source**: Dhillon and Modha, "Concept decompositions for large sparse text data using clustering" (2001).
    """
    import numpy as np

    bags = [(who, Counter(words_of(text))) for who, text in said]
    speakers: dict[str, set[str]] = {}
    for who, bag in bags:
        for word in bag:
            speakers.setdefault(word, set()).add(who)
    shared = {word: len(people) for word, people in speakers.items() if len(people) >= LEAST_PEOPLE}
    words = sorted(shared, key=lambda word: (-shared[word], word))[:_MOST_WORDS]
    place = {word: number for number, word in enumerate(words)}
    bags = [(who, bag) for who, bag in bags if not place.keys().isdisjoint(bag)]
    if not bags:
        return []
    weights = np.zeros((len(bags), len(words)), dtype=np.float32)
    for row, (_, bag) in enumerate(bags):
        for word, count in bag.items():
            if word in place:
                weights[row, place[word]] = np.log1p(count)
    weights *= np.log((1 + len(bags)) / (1 + (weights > 0).sum(axis=0)))[None, :] + 1e-3
    weights /= np.linalg.norm(weights, axis=1, keepdims=True)
    chosen, centres = _grouped(weights, min(most, len(bags)))
    found: list[Topic] = []
    for number in range(len(centres)):
        members = np.flatnonzero(chosen == number)
        if len(members):
            named = [
                words[n]
                for n in np.argsort(-centres[number], kind="stable")[:_SHOWN_WORDS]
                if centres[number][n] > 0.05
            ]
            people = len({bags[row][0] for row in members})
            found.append(Topic(tuple(named), len(members), people))
    return sorted(found, key=lambda topic: (-topic.conversations, topic.words))


def _grouped(rows_NW: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """The group of each row, and the direction of each group."""
    import numpy as np

    likeness_NN = rows_NW @ rows_NW.T
    nearest_N = np.zeros(len(rows_NW), dtype=np.float32)
    starts: list[np.ndarray] = []
    for _ in range(most):
        gains_N = np.maximum(likeness_NN - nearest_N[:, None], 0).sum(axis=0)
        pick = int(np.argmax(gains_N))
        if starts and gains_N[pick] < 1:  # nobody is nearer to it than to those before
            break
        starts.append(rows_NW[pick])
        nearest_N = np.maximum(nearest_N, likeness_NN[:, pick])
    centres_KW = np.stack(starts)
    chosen = np.zeros(len(rows_NW), dtype=int)
    for _ in range(_ROUNDS):
        chosen = np.argmax(rows_NW @ centres_KW.T, axis=1)
        for number in range(len(centres_KW)):
            if (chosen == number).any():
                total = rows_NW[chosen == number].sum(axis=0)
                centres_KW[number] = total / max(float(np.linalg.norm(total)), 1e-9)
    return chosen, centres_KW
