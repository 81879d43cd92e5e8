"""Measures of one answer: pure functions from text to a number.

None of them pays for length or cheerfulness, which a repeated phrase could farm.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from difflib import SequenceMatcher

from .suites import SuiteItem

MOST_REPETITION = 0.5
"""Share of an answer that may repeat itself before the answer counts as a loop."""
ALIKE = 0.75
"""Share of characters in common runs with which an answer counts as the one that was wanted."""
MIN_ANSWER_CHARACTERS = 5
WHOLE_WORD_LETTERS = 3
_CONTROL = re.compile(r"<\|[^|>]*\|>|</?s>|\[/?INST\]|<(?:start|end)_of_turn>")
_TEMPLATE = re.compile(r"\{\{?\s*\w+\s*\}?\}|\[(?:name|your name|insert[^\]]*|이름)\]", re.IGNORECASE)
_ROLE_LEAK = re.compile(r"^(?:user|assistant|system|human|사용자)\s*:", re.IGNORECASE | re.MULTILINE)
_ENDS = ".!?…。~)\"'”\u2019:♡^"
_LETTER = re.compile(r"[^\W\d_]")
_HANGUL = re.compile(r"[가-힣ㄱ-ㅎㅏ-ㅣ]")


def _folded(text: str) -> str:
    """Text for comparing: composed, full-width forms folded, case-blind."""
    return unicodedata.normalize("NFKC", text).casefold()


def _holds(text: str, word: str) -> bool:
    """Whether folded text holds a keyword."""
    wanted = _folded(word)
    if not re.match(r"[a-z]", wanted):
        return wanted in text
    end = r"(?![a-z0-9])" if len(wanted) <= WHOLE_WORD_LETTERS else ""
    return re.search(rf"(?<![a-z0-9]){re.escape(wanted)}{end}", text) is not None


def calculate_keyword_score(response: str, expected_keywords: Sequence[str]) -> float:
    """Return the share of expected keywords that occur in an answer, 0..1; 1.0 where none is expected.

    Case, full-width forms and Unicode composition do not matter. Korean keywords may stand anywhere, so particles and
    endings do not hide them; Latin ones begin where a word begins, and up to three letters must be the whole word
    ("hi" is not in "this").

    Example:
        >>> calculate_keyword_score("김밥이 좋아요", ["김밥", "국수"])
        0.5
    """
    wanted = [word for word in expected_keywords if word.strip()]
    if not wanted:
        return 1.0
    text = _folded(response)
    return sum(_holds(text, word) for word in wanted) / len(wanted)


def keyword_score(response: str, item: SuiteItem) -> float:
    """Return how far an answer meets an item's keywords, 0..1; 0.0 with a forbidden word.

    ``any_of`` counts as one wish, met or not; each of ``all_of`` counts as one.
    """
    text = _folded(response)
    if any(_holds(text, word) for word in item.forbidden):
        return 0.0
    met = [_holds(text, word) for word in item.all_of]
    if item.any_of:
        met.append(any(_holds(text, word) for word in item.any_of))
    return sum(met) / len(met) if met else 1.0


def item_passed(response: str, item: SuiteItem) -> bool:
    """Return whether an answer meets every wish of an item, says something, and does not loop.

    However short: "1945" and "No." are right answers to some questions.
    """
    text = unicodedata.normalize("NFKC", response).strip()
    said = any(character.isalnum() for character in text)
    if item.reference and similarity(text, item.reference) < ALIKE:
        return False
    return keyword_score(response, item) == 1.0 and said and repetition(text) < MOST_REPETITION


def calculate_response_quality(response: str, language: str | None = None) -> float:
    """Return how well formed an answer is, 0..1; 0.0 under 5 characters.

    The product of four shares, each 1.0 for a clean answer: not repeating itself, in the expected script, free of
    control tokens and unfilled templates, and finished (it ends where a sentence can end).

    Args:
        language: ``"ko"``, ``"en"`` or ``None`` for whichever the answer is mostly in.
    """
    text = unicodedata.normalize("NFKC", response).strip()
    if len(text) < MIN_ANSWER_CHARACTERS or not _LETTER.search(text):
        return 0.0
    clean = 0.2 if _CONTROL.search(text) or _TEMPLATE.search(text) or _ROLE_LEAK.search(text) else 1.0
    finished = 1.0 if text[-1] in _ENDS or text.endswith(("요", "다", "죠", "네", "야", "음", "까")) else 0.85
    return (1.0 - repetition(text)) * language_match(text, language) * clean * finished


def repetition(text: str) -> float:
    """Return the share of a text that repeats itself, 0..1.

    The larger of: the share of word trigrams seen before (bigrams in short texts), and the share of characters in
    immediate repeats of one piece.
    """
    words = text.casefold().split()
    size = 3 if len(words) >= 6 else 2
    grams = [tuple(words[n : n + size]) for n in range(len(words) - size + 1)]
    again = 1 - len(set(grams)) / len(grams) if grams else 0.0
    looped = sum(len(m.group(0)) - len(m.group(1)) for m in re.finditer(r"(.{1,20}?)\1{3,}", text, re.DOTALL))
    return min(1.0, max(again, looped / max(1, len(text))))


def language_match(text: str, language: str | None = None) -> float:
    """Return the share of letters in the script of a language, 0..1.

    A Korean answer may hold Latin words (names, menus) up to half without loss.
    """
    letters = _LETTER.findall(text)
    if not letters:
        return 0.0
    hangul = len(_HANGUL.findall(text)) / len(letters)
    latin: float = sum("a" <= letter.lower() <= "z" or "À" <= letter <= "ɏ" for letter in letters) / len(letters)
    if language is None:
        return max(min(1.0, 2 * hangul), latin)
    return min(1.0, 2 * hangul) if language == "ko" else latin


def distinct_n(texts: Sequence[str], n: int = 2) -> float:
    """Return the share of distinct word n-grams over all answers, 0..1.

    Source: Li et al. 2016, "A Diversity-Promoting Objective Function for Neural Conversation Models", section 5.2.
    """
    grams: Counter[tuple[str, ...]] = Counter()
    for text in texts:
        words = text.split()
        grams.update(tuple(words[i : i + n]) for i in range(len(words) - n + 1))
    return len(grams) / grams.total() if grams else 0.0


def rouge_l(answer: str, reference: str) -> float:
    """Return the ROUGE-L F1 over words, Korean included, 0..1; identical texts give 1.0.

    Source: Lin 2004, "ROUGE: A Package for Automatic Evaluation of Summaries", section 3.
    """
    found, wanted = _folded(answer).split(), _folded(reference).split()
    if not found or not wanted:
        return float(found == wanted)
    row = [0] * (len(wanted) + 1)
    for word in found:
        corner = 0
        for n, other in enumerate(wanted, 1):
            corner, row[n] = row[n], corner + 1 if word == other else max(row[n], row[n - 1])
    common = row[-1]
    return 2 * common / (len(found) + len(wanted))


def chrf(answer: str, reference: str) -> float:
    """Return chrF (character n-gram F-score), 0..1.

    Source: Popović 2015, "chrF: character n-gram F-score for automatic MT evaluation"; computed by sacrebleu.
    """
    from sacrebleu.metrics.chrf import CHRF

    return float(CHRF().sentence_score(answer, [reference]).score) / 100


def similarity(answer: str, reference: str) -> float:
    """Return the share of characters in common runs of two texts, 0..1."""
    return SequenceMatcher(None, _folded(answer), _folded(reference)).ratio()


def perplexity(nats_per_token: float) -> float:
    """Return the perplexity of a mean negative log-likelihood in nats per token."""
    return math.exp(min(nats_per_token, 700.0))


def bits_per_byte(nats: float, size_bytes: int) -> float | None:
    """Return a summed negative log-likelihood in bits per UTF-8 byte, comparable across tokenizers; ``None`` of 0."""
    return nats / math.log(2) / size_bytes if size_bytes else None


def length_drift(ours: Sequence[str], theirs: Sequence[str]) -> float | None:
    """Return the logarithm of the ratio of mean answer lengths in characters: 0 is none, 0.69 twice as long.

    ``None`` where one side said nothing at all.

    Example:
        >>> round(length_drift(["abcd"], ["ab"]), 2)
        0.69
    """
    lengths = [sum(map(len, texts)) / len(texts) if texts else 0.0 for texts in (ours, theirs)]
    return math.log(lengths[0] / lengths[1]) if all(lengths) else None
