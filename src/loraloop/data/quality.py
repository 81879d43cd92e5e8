"""May this answer be learnt from? A list of pure checks, each ``None`` (keep) or the code of a reason to drop.

To add a check: write a function ``(row, config) -> code | None``, put it into ``CHECKS`` or ``TASTE``, its sentence in
``reasons.REASONS``, its setting (if any) into ``DataQualityConfig``, and a test that fails without it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from pydantic import BaseModel, ConfigDict, Field

from ..text.dedupe import shingles
from ..text.language import Language, language
from ..text.normalise import match_key
from ..text.redact import TAG, redact
from ..types import CONSENTS_TO_LEARN
from .candidates import CandidateRow
from .phrases import DISTRESS_PHRASES, ERROR_PHRASES


class DataQualityConfig(BaseModel):
    """Which answers are good enough to learn from."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    min_input_length: int = Field(default=3, ge=0)
    """Shortest question, in characters."""
    min_response_length: int = Field(default=5, ge=0)
    """Shortest answer, in characters."""
    quality_threshold: float = Field(default=0.7, ge=0.0, le=1.0)
    """Lowest quality score, 0..1. Conversations that nobody scored pass; records of the old interface do not."""
    max_samples_per_batch: int = Field(default=200, ge=1)
    """Most records that collect_training_data returns; the newest are kept. A dataset is not limited by it."""
    exclude_error_patterns: tuple[str, ...] | None = None
    """Phrases that an answer must not contain, in any case; none given means the built-in Korean and English list."""
    max_answer_chars: int = Field(default=4000, ge=1)
    """Longest answer, in characters; longer ones are pasted documents or runaway output."""
    max_repetition_frac: float = Field(default=0.5, ge=0.0, le=1.0)
    """Largest share of an answer's character 5-shingles that repeat an earlier one, 0..1."""
    languages: tuple[Language, ...] = ()
    """Languages an answer may be in (ko, en, mixed, other); none given means any."""
    near_duplicate_threshold: float = Field(default=0.9, ge=0.84, le=1.0)
    """Similarity, 0.84..1, from which a training question counts as one that is held out."""
    refuse_caller_asserted: bool = False
    """Whether to refuse records and approvals for which only the calling code vouches."""
    exclude_distress: bool = True
    """Whether talks in which a child tells of harm, hunger or violence are kept out of training."""
    correction_weight: int = Field(default=24, ge=1, le=100)
    """How often an answer that a person corrected is trained where another is trained once, at most: corrected answers
    never make up more than half of a training unless they come four times each."""


Check = Callable[[CandidateRow, DataQualityConfig], str | None]


def consent_given(row: CandidateRow, config: DataQualityConfig) -> str | None:
    """Nothing is learnt without consent."""
    consent = row.conversation.consent
    if consent == "withdrawn":
        return "consent_withdrawn"
    if consent == "needs-guardian":
        return "guardian_missing"
    if consent not in CONSENTS_TO_LEARN:
        return "consent_missing"
    return "caller_asserted_refused" if config.refuse_caller_asserted and consent == "caller-asserted" else None


def answer_approved(row: CandidateRow, config: DataQualityConfig) -> str | None:
    """Bot-written text is a target only if a person approved it, and the latest word counts."""
    if row.judged == "thumb_down":
        return "thumbs_down"
    if row.approved_by is None:
        return "answer_not_approved"
    if config.refuse_caller_asserted and row.approved_by == "caller-asserted":
        return "caller_asserted_refused"
    return None


def text_only(row: CandidateRow, config: DataQualityConfig) -> str | None:
    """Tool calls and images are kept in the store and never learnt."""
    if not row.parts_are_text:
        return "answer_not_text"
    last = row.prompt[-1] if row.prompt else None
    if last is None or not row.question:
        return "no_question"
    return "prompt_not_text" if any(p.kind != "text" for m in row.prompt for p in m.content) else None


def long_enough(row: CandidateRow, config: DataQualityConfig) -> str | None:
    """Neither a grunt nor a pasted document."""
    if len(row.question.strip()) < config.min_input_length:
        return "question_too_short"
    if len(row.answer.strip()) < config.min_response_length:
        return "answer_too_short"
    return "answer_too_many_chars" if len(row.answer) > config.max_answer_chars else None


def scored_well(row: CandidateRow, config: DataQualityConfig) -> str | None:
    """The collector's own judgement, where there is one."""
    score = row.conversation.quality_score
    return "low_quality_score" if score is not None and score < config.quality_threshold else None


def error_phrase(answer: str, config: DataQualityConfig) -> bool:
    """Return whether an answer contains an excluded phrase, in any case."""
    phrases = ERROR_PHRASES if config.exclude_error_patterns is None else config.exclude_error_patterns
    folded = answer.casefold().replace("\u2019", "'")
    return any(phrase.casefold() in folded for phrase in phrases if phrase)


def no_error_phrase(row: CandidateRow, config: DataQualityConfig) -> str | None:
    """An apology learnt once is given to everything."""
    return "error_phrase" if error_phrase(row.answer, config) else None


def repeated_frac(text: str) -> float:
    """Return the share of character 5-shingles of ``text`` that occurred before in it, 0..1.

    Example:
        >>> repeated_frac("abcdefgh"), repeated_frac("하하하하하하하하하하") > 0.8
        (0.0, True)
    """
    total = max(1, len(text) - 4)
    return 1.0 - len(shingles(text)) / total


def says_something_once(row: CandidateRow, config: DataQualityConfig) -> str | None:
    """No loops, no parroting, no bare punctuation."""
    form = match_key(row.answer)
    if not any(char.isalnum() for char in form):
        return "no_words"
    if len(form) >= 20 and repeated_frac(form) > config.max_repetition_frac:
        return "answer_repeats_itself"
    # Short echoes are ordinary talk: "안녕하세요" is answered by "안녕하세요".
    return "answer_echoes_question" if len(form) >= 12 and form == match_key(row.question) else None


def in_language(row: CandidateRow, config: DataQualityConfig) -> str | None:
    """An answer in a language that the bot does not speak."""
    return "other_language" if config.languages and language(row.answer) not in config.languages else None


def no_personal_data(row: CandidateRow, config: DataQualityConfig) -> str | None:
    """Second net: text is redacted before it is stored, but a row may have come by another door."""
    if not any(char.isalnum() for char in TAG.sub("", row.answer)) and TAG.search(row.answer):
        return "only_redacted"
    texts = (row.answer, *(message.text for message in row.prompt))
    return "personal_data" if any(map(_holds_personal_data, texts)) else None


@lru_cache(maxsize=1024)
def _holds_personal_data(text: str) -> bool:
    """Cached: every message stands in the prompt of all rows after it."""
    return bool(redact(text).found)


def no_distress(row: CandidateRow, config: DataQualityConfig) -> str | None:
    """What a child tells in distress is for people, not for training."""
    if not config.exclude_distress:
        return None
    for message in row.prompt:
        folded = message.text.casefold() if message.role == "user" else ""
        if any(phrase in folded for phrase in DISTRESS_PHRASES):
            return "distress_disclosure"
    return None


CHECKS: tuple[Check, ...] = (consent_given, answer_approved, text_only, no_distress, no_personal_data)
"""What must hold for every row, asked in this order; the first reason counts."""

TASTE: tuple[Check, ...] = (long_enough, scored_well, no_error_phrase, says_something_once, in_language)
"""What must hold, besides, for what a bot wrote. A person's correction is taken as it is: "No." is an answer, and a low
score judged the answer that the correction replaces."""


def reason_to_drop(row: CandidateRow, config: DataQualityConfig) -> str | None:
    """Return the code of the first check that drops ``row``, or ``None`` to keep it."""
    checks = CHECKS if row.is_correction else CHECKS + TASTE
    return next((reason for check in checks if (reason := check(row, config))), None)
