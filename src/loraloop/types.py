"""The seven values of the loop, and the small ones they are made of.

    Conversation -> Dataset -> Adapter -> Report -> Decision -> Release -> Exchange

Every value is immutable, belongs to one ``bot``, and carries the ids of the values it came from, so that lineage,
rollback, erasure and audit are each one walk along ids. Values also read as mappings of plain data
(``report["overall_score"]``, ``dict(report)``), because callers of the older system read them so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar, get_args

Role = Literal["system", "user", "assistant", "tool"]
Consent = Literal["granted", "public", "caller-asserted", "unknown", "withdrawn"]
Split = Literal["train", "validation", "gate"]
Verdict = Literal["promote", "hold", "inconclusive"]
ReleaseStatus = Literal["on_trial", "confirmed", "reverted"]

ROLES: tuple[str, ...] = get_args(Role)
CONSENTS: tuple[str, ...] = get_args(Consent)
CONSENTS_TO_LEARN: frozenset[str] = frozenset({"granted", "public", "caller-asserted"})
"""The kinds of consent under which a conversation may be learnt from."""


def plain(value: Any) -> Any:
    """Return ``value`` as dicts, lists and scalars all the way down.

    Example:
        >>> plain((Message(role="user", content=(Part(text="hi"),)),))
        [{'role': 'user', 'content': [{'kind': 'text', 'text': 'hi'}], 'approved_by': None}]
    """
    if isinstance(value, Mapping):
        return {key: plain(value[key]) for key in value}  # not items(): a report has a field of that name
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    return value


class Record(Mapping[str, Any]):
    """A frozen dataclass that also reads as a mapping from field name to plain data."""

    __slots__ = ()

    def __getitem__(self, key: str) -> Any:
        if key not in self._names():
            raise KeyError(key)
        return plain(getattr(self, key))

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())

    def __len__(self) -> int:
        return len(self._names())

    @classmethod
    def _names(cls) -> tuple[str, ...]:
        return tuple(f.name for f in fields(cls))  # type: ignore[arg-type]


R = TypeVar("R", bound=Record)


def utc(value: datetime | str | None) -> datetime | None:
    """Return an aware UTC time from a datetime or an ISO 8601 string; naive values are read as UTC.

    Raises:
        ValueError: if a string is not ISO 8601.

    Example:
        >>> utc("2026-01-02T03:04:05+09:00").isoformat()
        '2026-01-01T18:04:05+00:00'
    """
    if value is None:
        return None
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Part(Record):
    """One piece of a message; only ``kind == "text"`` is learnt from, others are kept and skipped with a reason."""

    kind: str = "text"
    text: str = ""


@dataclass(frozen=True, slots=True)
class Message(Record):
    """One message of a conversation.

    Attributes:
        role: who speaks.
        content: its parts, in order.
        approved_by: how a person vouched for an assistant message (``"review"``, ``"thumb"``, ``"correction"``,
            ``"caller-asserted"``); ``None`` means nobody did, and then it is never a training target.
    """

    role: str
    content: tuple[Part, ...]
    approved_by: str | None = None

    @property
    def text(self) -> str:
        """The text parts joined by newlines."""
        return "\n".join(part.text for part in self.content if part.kind == "text")


def message(role: str, text: str, approved_by: str | None = None) -> Message:
    """Return a message of one text part."""
    return Message(role=role, content=(Part(text=text),), approved_by=approved_by)


@dataclass(frozen=True, slots=True)
class Feedback(Record):
    """What a person said about one answer.

    Attributes:
        message_index: position of the judged assistant message in its conversation.
        kind: ``"thumb_up"``, ``"thumb_down"``, ``"correction"`` or ``"comment"``.
        text: the corrected answer or the comment, redacted; empty for thumbs.
    """

    message_index: int
    kind: Literal["thumb_up", "thumb_down", "correction", "comment"]
    text: str = ""
    actor: str = ""
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Conversation(Record):
    """What was said, by whom, with which release, and whether it may be learnt from.

    Attributes:
        id: ``cv-`` and 16 hex digits of the digest of its bot, user, session, consent and messages.
        user: a pseudonym, never a name; ``None`` for a public corpus.
        source: where it came from (``"import:chatterbot"``, ``"chat"``, ``"collector"``).
        release_id: the release that answered, if one of ours did.
        quality_score: the collector's own judgement, 0..1; ``None`` where nobody judged.
    """

    id: str
    bot: str
    messages: tuple[Message, ...]
    created_at: datetime
    source: str
    consent: str = "unknown"
    user: str | None = None
    session: str | None = None
    release_id: str | None = None
    quality_score: float | None = None
    language: str | None = None
    feedback: tuple[Feedback, ...] = ()


@dataclass(frozen=True, slots=True)
class DatasetRow(Record):
    """One training or judging target: an assistant message of a conversation, by reference, never by text.

    Attributes:
        message_index: position of the target assistant message.
        digest: keyed digest (HMAC-SHA-256, hex) of the row's text, to notice a change without revealing it.
    """

    conversation_id: str
    message_index: int
    split: Split
    digest: str


@dataclass(frozen=True, slots=True)
class Dataset(Record):
    """An immutable selection of rows. ``id`` is ``ds-`` and 16 hex digits of the digest of its rows."""

    id: str
    bot: str
    rows: tuple[DatasetRow, ...]
    created_at: datetime
    dropped: Mapping[str, int] = field(default_factory=dict)

    def split(self, name: Split) -> tuple[DatasetRow, ...]:
        """The rows of one split, in order."""
        return tuple(row for row in self.rows if row.split == name)


@dataclass(frozen=True, slots=True)
class Sample(Record):
    """One tokenised row: ``input_ids`` (prompt then answer) and ``labels`` (-100 where no loss is taken).

    Attributes:
        conversation_id: where it came from; empty for samples handed in by a caller.
        text_bytes: UTF-8 bytes of the supervised answer, for losses in bits per byte.
    """

    input_ids: tuple[int, ...]
    labels: tuple[int, ...]
    conversation_id: str = ""
    message_index: int = 0
    text_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Adapter(Record):
    """A trained LoRA adapter.

    Attributes:
        id: ``ad-`` and the first 16 hex digits of ``digest``.
        name: the caller's alias; may be used again, unlike the digest.
        digest: SHA-256 over the canonical config and weights alone.
        path: folder that holds the PEFT files (absolute on this machine, never stored inside the artifact).
        parent_id: the adapter training started from, if any.
        metrics: what training measured (losses in nats per answer token, seconds, tokens).
    """

    id: str
    bot: str
    name: str
    digest: str
    base_id: str
    path: str
    created_at: datetime
    dataset_id: str | None = None
    parent_id: str | None = None
    config_digest: str = ""
    metrics: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ItemResult(Record):
    """One suite item answered by one subject.

    Attributes:
        subject: ``"candidate"``, ``"live"`` or ``"base"``.
        latency_s: seconds this answer took alone (single request); ``None`` when it was answered in a batch.
        type: of the item (``"greeting"``, ``"distress"``, ...).
        kind: of its suite (``"target"``, ``"keep"``, ``"guard"``).
        keyword_score, quality_score: 0..1.
    """

    subject: str
    suite: str
    item: str
    answer: str
    keyword_score: float
    quality_score: float
    passed: bool
    latency_s: float | None = None
    type: str = ""
    kind: str = "keep"


@dataclass(frozen=True, slots=True)
class SubjectScore(Record):
    """Totals of one subject over all suites and held-out rows.

    Attributes:
        heldout_loss: mean negative log-likelihood in nats per answer token; ``None`` without held-out rows.
        bits_per_byte: the same in bits per UTF-8 byte of answer, comparable across tokenizers.
        avg_response_time, max_response_time: seconds for a single request.
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


@dataclass(frozen=True, slots=True)
class Report(Record):
    """What an evaluation saw: candidate, live adapter and base side by side on the same items.

    Attributes:
        baseline_id: the live adapter compared with; ``None`` when the base alone was.
        suites: name -> SHA-256 of each suite file that was asked.
        valid: false when nothing was asked or answers could not depend on the adapter; ``reason`` says which.
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

    def score(self, subject: str) -> SubjectScore | None:
        """The totals of one subject, or ``None`` if it was not asked."""
        return next((score for score in self.scores if score.subject == subject), None)


@dataclass(frozen=True, slots=True)
class RuleResult(Record):
    """One rule of the gate: what was observed, what was required, whether it passed."""

    rule: str
    observed: str
    required: str
    passed: bool


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


@dataclass(frozen=True, slots=True)
class Release(Record):
    """Everything an answer depends on; goes live and back as one.

    Attributes:
        version: 1, 2, 3, ... per bot, never reused; the live pointer moves by compare-and-swap on it.
        adapter_id: ``None`` means the base alone serves.
        method: ``"auto"``, ``"force"`` or ``"rollback"``.
        previous_id: the release that was live before.
        serving: base id, template digest, system prompt and decoding settings, as plain data.
    """

    id: str
    bot: str
    version: int
    adapter_id: str | None
    adapter_name: str
    base_id: str
    method: str
    actor: str
    created_at: datetime
    status: ReleaseStatus = "on_trial"
    previous_id: str | None = None
    decision_id: str | None = None
    trial_ends_at: datetime | None = None
    serving: Mapping[str, Any] = field(default_factory=dict)
    performance: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Exchange(Record):
    """One question answered by one release; recorded, it becomes a conversation again."""

    id: str
    bot: str
    release_id: str | None
    prompt: tuple[Message, ...]
    answer: str
    created_at: datetime
    latency_s: float
