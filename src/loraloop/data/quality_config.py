"""Settings of what may be learnt from."""

from __future__ import annotations

import difflib

from pydantic import BaseModel, ConfigDict, Field, field_validator

from ..text.language import Language

BUILT_IN = (
    "fit_words", "whole_encoding", "filled_template", "no_contact", "long_enough", "scored_well", "no_error_phrase",
    "says_something_once", "not_cut_short", "in_language",
)  # fmt: skip
"""The names of ``CHECKS``, in the order in which they are asked."""


class DataQualityConfig(BaseModel):
    """Which answers are good enough to learn from."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    checks: tuple[str, ...] = BUILT_IN
    """Checks that an answer must pass, in this order: names of built-in ones, or PACKAGE.MODULE:FUNCTION of your own.
    Consent, approval, personal data and distress are always checked."""
    allowed_links: tuple[str, ...] = ()
    """Hosts that answers may link to, with all under them (example.org)."""
    unfit_words: tuple[str, ...] = ()
    """Files of further words that no answer may hold: one regular expression a line, # begins a remark."""
    cluster_threshold: float = Field(default=0.7, ge=0.5, le=1.0)
    """Similarity, 0.5..1, from which question and answer together count as the same row said again."""
    cluster_rows: int = Field(default=20, ge=1)
    """Most training rows of one cluster of such rows in a dataset; corrections come first, then the oldest."""
    max_self_written_frac: float = Field(default=0.5, ge=0.0, le=1.0)
    """Largest share of a dataset's training rows that a bot wrote itself, 0..1; 1 sets no limit."""
    self_written_rows: int = Field(default=200, ge=0)
    """Bot-written training rows that are learnt however few rows people wrote, so that a new bot can begin."""
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

    @field_validator("checks")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if ":" not in name and name not in BUILT_IN:
                near = difflib.get_close_matches(name, BUILT_IN, 1, 0.5)
                raise ValueError(f"there is no check {name}; did you mean {near[0] if near else ', '.join(BUILT_IN)}?")
        return tuple(dict.fromkeys(names))
