"""May this answer be learnt from? A list of pure checks, each ``None`` (keep) or the code of a reason to drop.

``LAW`` holds for every row and cannot be switched off. The rest are ``CHECKS``, asked in the order of the setting
``data.checks``, which may leave some out and name functions of one's own (``package.module:function``). To add
one here: write a function ``(row, config) -> code | None``, put it into ``CHECKS``, its sentence in
``reasons.REASONS``, its number (if any) into ``DataQualityConfig``, and a test that fails without it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from functools import cache

from ..errors import SettingsError
from ..text.dedupe import SHINGLE_CHARS
from ..text.faults import contact_details, cut_short, encoding_damage, loops, unfilled_template
from ..text.language import language
from ..text.nearby import holds_any
from ..text.normalise import match_key
from ..text.redact import TAG, has_personal_data
from ..types import CONSENTS_TO_LEARN
from .candidates import CandidateRow
from .phrases import ERROR_PHRASES
from .quality_config import BUILT_IN as BUILT_IN
from .quality_config import DataQualityConfig as DataQualityConfig
from .words import folded, from_files, holds

_DISTRESS_TOLD = "distress_disclosure"


Check = Callable[[CandidateRow, DataQualityConfig], str | None]


def consent_given(row: CandidateRow, config: DataQualityConfig) -> str | None:
    """Nothing is learnt without consent."""
    return _refused(row.conversation.consent, config)


def _refused(consent: str, config: DataQualityConfig) -> str | None:
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
    given = config.exclude_error_patterns
    phrases = ERROR_PHRASES if given is None else [phrase.casefold() for phrase in given if phrase]
    folded = answer.casefold().replace("\u2019", "'")
    return holds_any(folded, phrases)


def no_error_phrase(row: CandidateRow, config: DataQualityConfig) -> str | None:
    """An apology learnt once is given to everything."""
    return "error_phrase" if error_phrase(row.answer, config) else None


def repeated_frac(text: str) -> float:
    """Return the share of character 5-shingles of ``text`` that occurred before in it, 0..1.

    Example:
        >>> repeated_frac("abcdefgh"), repeated_frac("하하하하하하하하하하") > 0.8
        (0.0, True)
    """
    return _repeated_frac(text, 1.0)


def _repeated_frac(text: str, read_frac: float) -> float:
    """The same, or more, when only the first so many of the shingles are looked at."""
    total = max(1, len(text) - SHINGLE_CHARS + 1)
    read = min(total, int(total * read_frac) + 1)
    return 1.0 - len({text[start : start + SHINGLE_CHARS] for start in range(read)}) / total


def repeats_itself(text: str, most_frac: float) -> bool:
    """Return whether more than a share of the 5-shingles of ``text`` occurred before in it.

    Example:
        >>> repeats_itself("abcdefgh", 0.5), repeats_itself("하하하하하하하하하하", 0.5)
        (False, True)
    """
    # Of most texts hardly more than the shingles that have to differ tell already that they do.
    return _repeated_frac(text, 1.2 * (1.0 - most_frac)) > most_frac and repeated_frac(text) > most_frac


def says_something_once(row: CandidateRow, config: DataQualityConfig) -> str | None:
    """No loops, no parroting, no bare punctuation."""
    form = row.heard.of(match_key, row.answer)
    if not any(char.isalnum() for char in form):
        return "no_words"
    if loops(row.answer) or (len(form) >= 20 and repeats_itself(form, config.max_repetition_frac)):
        return "answer_repeats_itself"
    # Short echoes are ordinary talk: "안녕하세요" is answered by "안녕하세요".
    return "answer_echoes_question" if len(form) >= 12 and form == row.heard.of(match_key, row.question) else None


def in_language(row: CandidateRow, config: DataQualityConfig) -> str | None:
    """An answer in a language that the bot does not speak, or in a script that the question is not in."""
    spoken = language(row.answer)
    if config.languages:
        return "other_language" if spoken not in config.languages else None
    strays = spoken == "other" and any(char.isalpha() for char in row.answer) and language(row.question) != "other"
    return "other_language" if strays else None


def no_personal_data(row: CandidateRow, config: DataQualityConfig) -> str | None:
    """Second net: text is redacted before it is stored, but a row may have come by another door."""
    if TAG.search(row.answer) and not any(char.isalnum() for char in TAG.sub("", row.answer)):
        return "only_redacted"
    texts = (row.answer, *(message.text for message in row.prompt))
    return "personal_data" if any(row.heard.of(has_personal_data, text) for text in texts) else None


def no_distress(row: CandidateRow, config: DataQualityConfig) -> str | None:
    """What a child tells in distress is for people, not for training; neither are the answers that follow."""
    return _DISTRESS_TOLD if config.exclude_distress and in_distress(row) else None


def in_distress(row: CandidateRow) -> bool:
    """Return whether the user tells of distress anywhere before an answer."""
    return any(row.heard.of(tells_of_distress, said.text) for said in row.prompt if said.role == "user")


def tells_of_distress(text: str) -> bool:
    """Return whether somebody tells of harm, hunger or violence."""
    return holds("distress", folded(text))


def fit_words(row: CandidateRow, config: DataQualityConfig) -> str | None:
    """No insults, threats or sexual words, whoever wrote them."""
    answer = folded(row.answer)
    unfit = holds("unfit", answer) or (config.unfit_words and from_files(config.unfit_words).search(answer))
    return "unfit_words" if unfit else None


def whole_encoding(row: CandidateRow, config: DataQualityConfig) -> str | None:
    """No letters lost on the way, in the question or in the answer."""
    return "encoding_damaged" if encoding_damage(row.answer) or encoding_damage(row.question) else None


def filled_template(row: CandidateRow, config: DataQualityConfig) -> str | None:
    """No ``{name}`` where a name should stand."""
    return "template_unfilled" if unfilled_template(row.answer) else None


def no_contact(row: CandidateRow, config: DataQualityConfig) -> str | None:
    """An answer leads a child nowhere else."""
    return "leads_elsewhere" if contact_details(row.answer, config.allowed_links) else None


def not_cut_short(row: CandidateRow, config: DataQualityConfig) -> str | None:
    """No half sentences."""
    return "answer_cut_short" if cut_short(row.answer) else None


LAW: tuple[Check, ...] = (no_distress, consent_given, answer_approved, text_only, no_personal_data)
"""What must hold for every row, asked in this order before anything else; the first reason counts."""

CHECKS: Mapping[str, Check] = {
    check.__name__: check
    for check in (
        fit_words, whole_encoding, filled_template, no_contact, long_enough, scored_well, no_error_phrase,
        says_something_once, not_cut_short, in_language,
    )
}  # fmt: skip
"""What may be reordered and left out."""

OF_CORRECTIONS = frozenset({"fit_words", "whole_encoding", "filled_template", "no_contact"})
"""Those that are asked of a person's correction, too. Otherwise it is taken as it is: "No." is an answer, and a low
score judged the answer that the correction replaces."""


@cache
def own_check(name: str) -> Check:
    """Return a user's check, ``PACKAGE.MODULE:FUNCTION``.

    Raises:
        SettingsError: there is no such function.
    """
    module, _, function = name.partition(":")
    try:
        found: Check = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise SettingsError(f"data.checks: {name}: {error}", hint="name PACKAGE.MODULE:FUNCTION of a module that "
                            "Python finds, or take it out of data.checks") from error  # fmt: skip
    return found


def reason_to_drop(row: CandidateRow, config: DataQualityConfig) -> str | None:
    """Return the code of the first check that drops ``row``, or ``None`` to keep it."""
    for check in LAW:
        if reason := check(row, config):
            return reason
    return next(iter(faults_of(row, config)), None)


def verdict_on(row: CandidateRow, config: DataQualityConfig) -> str:
    """Return the first reason to drop ``row`` that lies in its words, whatever people think of it; empty for none."""
    for check in (no_distress, text_only, no_personal_data):
        if reason := check(row, config):
            return reason
    return next(iter(faults_of(row, config)), "")


def reason_under(verdict: str, row: CandidateRow, config: DataQualityConfig) -> str | None:
    """Return what ``reason_to_drop`` does, given what ``verdict_on`` says of the row."""
    if verdict == _DISTRESS_TOLD:
        return verdict
    return consent_given(row, config) or answer_approved(row, config) or verdict or None


def reason_of_known(verdict: str, consent: str, is_approved: bool, config: DataQualityConfig) -> str | None:
    """Return what ``reason_under`` does of an answer that nobody has judged since it came.

    Args:
        verdict: as ``verdict_on`` gave it.
        consent: as it holds now.
        is_approved: whether it came approved.
        config: the checks.
    """
    if verdict == _DISTRESS_TOLD:
        return verdict
    return _refused(consent, config) or ("" if is_approved else "answer_not_approved") or verdict or None


def faults_of(row: CandidateRow, config: DataQualityConfig) -> Iterator[str]:
    """Yield what the checks of the settings find wrong with a row, in their order; consent and approval aside."""
    is_correction = row.is_correction
    for name in config.checks:
        if is_correction and name in CHECKS and name not in OF_CORRECTIONS:
            continue
        if reason := (CHECKS.get(name) or own_check(name))(row, config):
            yield reason
