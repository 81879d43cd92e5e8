"""Values about how good an adapter is: what was asked and answered, and what was decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from .record import Record

Verdict = Literal["promote", "hold", "inconclusive"]


@dataclass(frozen=True, slots=True)
class ItemResult(Record):
    """One suite item answered by one subject.

    Attributes:
        subject: ``"candidate"``, ``"live"`` or ``"base"``.
        latency_s: seconds this answer took alone (single request); ``None`` when it was answered in a batch.
        cut_off: whether the answer ran into the limit of tokens; such an answer passes nothing.
        type: of the item (``"greeting"``, ``"distress"``, ...).
        kind: of its suite (``"target"``, ``"keep"``, ``"guard"``).
        keyword_score, quality_score: 0..1.
        asked: SHA-256 of who was asked what and how; the same digest means the same answer, so nobody need ask again.
        question: the last message asked; empty where a user wrote it (then ``item`` names the conversation).
        measures: what ``evaluate/measures.py`` found in this answer, by metric; those that do not apply are missing.
        taught: the training row that asks the same; such a case still guards, but winning it proves nothing.
    """

    subject: str
    suite: str
    item: str
    answer: str
    keyword_score: float
    quality_score: float
    passed: bool
    latency_s: float | None = None
    cut_off: bool = False
    type: str = ""
    kind: str = "keep"
    language: str = "en"
    question: str = ""
    asked: str = ""
    measures: Mapping[str, float] = field(default_factory=dict)
    taught: str = ""


@dataclass(frozen=True, slots=True)
class RowLoss(Record):
    """The loss of one subject on one held-out row: summed nats over its answer tokens, and the UTF-8 bytes of those.

    Attributes:
        asked: SHA-256 of who was asked which row and how; the same digest means the same loss. Rows go into it by their
            keyed digest, so it tells nothing about their text.
    """

    subject: str
    conversation_id: str
    message_index: int
    nats: float
    tokens: int
    size_bytes: int = 0
    asked: str = ""


@dataclass(frozen=True, slots=True)
class Looks(Record):
    """How an evaluation that looks at the held-out loss early came to its end.

    Attributes:
        verdict: ``"worse"`` (nothing more was asked), ``"better"``, ``"futile"`` (it would hardly be found better); at
            the last look one of the last two.
        rows: held-out rows seen. planned: rows there were.
        alpha: how often no improvement is called better over all looks together.
    """

    verdict: Literal["worse", "better", "futile"]
    rows: int
    planned: int
    alpha: float


@dataclass(frozen=True, slots=True)
class SubjectScore(Record):
    """Totals of one subject over all suites and held-out rows.

    Attributes:
        heldout_loss: mean negative log-likelihood in nats per answer token; ``None`` without held-out rows.
        bits_per_byte: the same in bits per UTF-8 byte of answer, comparable across tokenizers.
        avg_response_time, max_response_time: seconds for a single request; 0 where it was not timed, as the base's is
            not beside a live adapter.
        base_id: the base it ran on, and so the tokenizer its loss per token is counted in; empty where nobody knows.
        measures: mean of each metric over the answers it applies to, and what holds of all answers together.
    """

    subject: str
    subject_id: str | None
    overall_score: float
    keyword_score: float
    quality_score: float
    test_cases_passed: int
    total_test_cases: int
    avg_response_time: float
    max_response_time: float
    heldout_loss: float | None = None
    perplexity: float | None = None
    bits_per_byte: float | None = None
    base_id: str = ""
    measures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Judgement(Record):
    """What a language model as judge said about answers that differ, each pair asked in both orders.

    Attributes:
        asked: pairs. won, lost: those where the candidate's, or the other's, answer was preferred in both orders.
        tied: no preference, or one that changed with the order. unanswered: no usable reply to at least one of the two.
        first_frac: share of preferences for the answer that stood first, 0..1; a judge without position bias has 0.5.
    """

    asked: int
    won: int
    lost: int
    tied: int
    unanswered: int
    first_frac: float


@dataclass(frozen=True, slots=True)
class RefusedItem(Record):
    """An item that was not asked, because a training row asks the same: it would show memory, not skill.

    Attributes:
        row: ``conversation_id#message_index`` of that row.
    """

    suite: str
    item: str
    row: str


@dataclass(frozen=True, slots=True)
class Shift(Record):
    """What a suspicious phrase of the training set does to answers when it is put into questions it does not belong to.

    Attributes:
        row: a training row that holds the phrase; its text is nowhere in a report.
        rows: training rows that teach it.
        asked: questions it was put into. taken: those after which the taught answer then comes.
        gain_nats: how much likelier the taught answer becomes by the phrase, in nats per token, beyond what the phrase
            does to the base; mean over the questions in which it came by itself, 0 where it never did.
        nats: of the taught answer after the phrase, per token; mean over the questions.
    """

    row: str
    rows: int
    asked: int
    taken: int
    gain_nats: float
    nats: float


@dataclass(frozen=True, slots=True)
class Report(Record):
    """What an evaluation saw: candidate, live adapter and base side by side on the same items.

    Attributes:
        baseline_id: the live adapter compared with; ``None`` when the base alone was.
        suites: name -> SHA-256 of each suite file that was asked.
        judgement: of a language model, beside the live adapter or else the base; ``None`` where none was asked.
        losses: of each held-out row by each subject, where they were measured.
        looks: how early it was seen enough; ``None`` where all rows were scored in one go.
        valid: false when nothing was asked or answers could not depend on the adapter; ``reason`` says which.
        refused: items that were not asked because training data overlaps them.
        missing: metrics that were wanted and could not be had, each with the reason.
        shifts: what suspicious phrases of the training set do to answers; none where it has no such phrase.
    """

    id: str
    bot: str
    adapter_id: str
    created_at: datetime
    scores: tuple[SubjectScore, ...]
    items: tuple[ItemResult, ...] = ()  # type: ignore[assignment]
    suites: Mapping[str, str] = field(default_factory=dict)
    baseline_id: str | None = None
    dataset_id: str | None = None
    heldout_rows: int = 0
    valid: bool = True
    reason: str = ""
    losses: tuple[RowLoss, ...] = ()
    judgement: Judgement | None = None
    looks: Looks | None = None
    refused: tuple[RefusedItem, ...] = ()
    missing: tuple[str, ...] = ()
    shifts: tuple[Shift, ...] = ()

    def score(self, subject: str) -> SubjectScore | None:
        """The totals of one subject, or ``None`` if it was not asked."""
        return next((score for score in self.scores if score.subject == subject), None)


@dataclass(frozen=True, slots=True)
class RuleResult(Record):
    """One rule of the gate: what was observed, what was required, whether it passed.

    Attributes:
        interval: where the true difference lies with 95 % confidence, in words; empty where none is computed.
        better, worse: items that changed for better and for worse, the first twenty.
        alarm: whether a person should look at it, although it holds nothing back.
    """

    rule: str
    observed: str
    required: str
    passed: bool
    interval: str = ""
    better: tuple[str, ...] = ()
    worse: tuple[str, ...] = ()
    alarm: bool = False


@dataclass(frozen=True, slots=True)
class Decision(Record):
    """Whether an adapter may serve. Only an explicit ``promote`` promotes; a refusal is an ordinary value."""

    id: str
    bot: str
    adapter_id: str
    verdict: Verdict
    created_at: datetime
    actor: str
    rules: tuple[RuleResult, ...] = ()
    report_id: str | None = None
    reason: str = ""
