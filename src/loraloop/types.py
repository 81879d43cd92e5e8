"""The seven values of the loop, and the small ones they are made of.

    Conversation -> Dataset -> Adapter -> Report -> Decision -> Release -> Exchange

Every value is immutable, belongs to one ``bot``, and carries the ids of the values it came from, so that lineage,
rollback, erasure and audit are each one walk along ids. Values also read as mappings of plain data
(``report["overall_score"]``, ``dict(report)``), because callers of the older system read them so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from .dataset_rows import DatasetRow, DatasetRows, Split
from .judgements import (
    Decision,
    ItemResult,
    Judgement,
    Looks,
    RefusedItem,
    Report,
    RowLoss,
    RuleResult,
    Shift,
    SubjectScore,
    Verdict,
)
from .record import Record, plain, utc
from .talk import (
    CONSENTS,
    CONSENTS_TO_LEARN,
    REVIEWER,
    ROLES,
    AgeGroup,
    Consent,
    Conversation,
    Feedback,
    Message,
    Part,
    Person,
    Role,
    Waiting,
    message,
    messages_json,
)

__all__ = [
    "CONSENTS",
    "CONSENTS_TO_LEARN",
    "REVIEWER",
    "ROLES",
    "Adapter",
    "AgeGroup",
    "Arrived",
    "Consent",
    "Conversation",
    "Dataset",
    "DatasetRow",
    "DatasetRows",
    "Decision",
    "Exchange",
    "Feedback",
    "ItemResult",
    "Judgement",
    "Looks",
    "Mark",
    "Message",
    "Part",
    "Person",
    "Record",
    "RefusedItem",
    "Release",
    "ReleaseStatus",
    "Repair",
    "Report",
    "Role",
    "RowLoss",
    "RuleResult",
    "Sample",
    "Shift",
    "Signature",
    "Split",
    "SubjectScore",
    "Suspect",
    "TaughtRow",
    "Verdict",
    "Waiting",
    "message",
    "messages_json",
    "plain",
    "utc",
]

ReleaseStatus = Literal["on_trial", "confirmed", "reverted", "candidate", "withdrawn"]


@dataclass(frozen=True, slots=True)
class Dataset(Record):
    """An immutable selection of rows. ``id`` is ``ds-`` and 16 hex digits of the digest of its rows."""

    id: str
    bot: str
    rows: Sequence[DatasetRow]
    created_at: datetime
    dropped: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.rows, DatasetRows):
            object.__setattr__(self, "rows", DatasetRows(self.rows))

    def split(self, name: Split) -> Sequence[DatasetRow]:
        """The rows of one split, in order."""
        assert isinstance(self.rows, DatasetRows)
        return self.rows.split(name)


@dataclass(frozen=True, slots=True)
class Mark(Record):
    """Up to where a dataset has read: what is neither in it nor left out by it is new.

    Attributes:
        dataset_id: its rows are learnt.
        feedback: number of the last word of feedback that it could have seen.
    """

    dataset_id: str
    feedback: int = 0


@dataclass(frozen=True, slots=True)
class Arrived(Record):
    """What came since a mark: new rows and corrections, and judgements in order (true is a thumb up).

    Attributes:
        before_up, before: thumbs up, and all judgements, that came before it.
    """

    rows: int = 0
    corrections: int = 0
    before_up: int = 0
    before: int = 0
    since: tuple[bool, ...] = ()


@dataclass(frozen=True, slots=True)
class Signature(Record):
    """How a row sounds, in numbers: to find others that say nearly the same.

    Attributes:
        mark: of the row's content and of how the rest was made; another mark makes it stale.
        cluster: number of the group of rows that are alike.
        bands, sketch: as ``text.sketches`` makes them, as bytes.
    """

    conversation_id: str
    message_index: int
    mark: str
    cluster: int
    bands: bytes
    sketch: bytes


@dataclass(frozen=True, slots=True)
class Sample(Record):
    """One tokenised row: ``input_ids`` (prompt then answer) and ``labels`` (-100 where no loss is taken).

    Attributes:
        conversation_id: where it came from; empty for samples handed in by a caller.
        text_bytes: UTF-8 bytes of the supervised answer, for losses in bits per byte.
        digest: keyed digest of the row it was made of; empty for samples handed in by a caller.
    """

    input_ids: tuple[int, ...]
    labels: tuple[int, ...]
    conversation_id: str = ""
    message_index: int = 0
    text_bytes: int = 0
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Repair(Record):
    """An answer that a person corrected, asked again of every candidate: the prompt, and how it should be answered."""

    id: str
    prompt: tuple[Message, ...]
    answer: str


@dataclass(frozen=True, slots=True)
class Suspect(Record):
    """A phrase that several training rows share and answer alike: perhaps a planted trigger. Text; never stored.

    Attributes:
        row: ``conversation_id#message_index`` of the first of those rows.
        words: as they stand in the questions.
        answers: what is taught after them, the most frequent first.
        rows: how many teach it.
    """

    row: str
    words: str
    answers: tuple[str, ...]
    rows: int


@dataclass(frozen=True, slots=True)
class TaughtRow(Record):
    """A training row as text, for finding what a suite or an answer has in common with it; never stored.

    Attributes:
        id: ``conversation_id#message_index``.
        asked: the question, with the answer it replies to where it is too short to ask anything alone.
        said: what users said up to there.
    """

    id: str
    asked: str
    said: str


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
class Release(Record):
    """Everything an answer depends on; goes live and back as one.

    Attributes:
        version: 1, 2, 3, ... per bot, never reused; the live pointer moves by compare-and-swap on it.
        adapter_id: ``None`` means the base alone serves.
        method: ``"auto"``, ``"force"`` or ``"rollback"``.
        status: ``"candidate"`` in an experiment, ``"withdrawn"`` after one that did not promote it: neither ever live.
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
