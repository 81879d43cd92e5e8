"""What passes the gateway: answers given, what people said of them, and the keys that open it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .record import Record

NOT_STORED = "none"
"""Instead of a consent: the text of this answer is not kept at all."""
MIRRORED = "mirrored"
"""State of a shadow's answer: nobody saw it, and its text is kept nowhere."""


@dataclass(frozen=True, slots=True)
class Served(Record):
    """One answer as it left the gateway, before anything of it is stored.

    Attributes:
        id: of the completion; with ``n`` above 1 several answers share it. choice: which of them.
        messages: ``role`` and ``content`` as the client sent them. answer: what was shown.
        state: ``"done"``, ``"aborted"`` (cut short: the client left, time was up, the engine failed) or ``"guarded"``
            (a guard spoke in the model's place), or ``"mirrored"``. guard: which one. finish: as the client was told.
        consent: one of ``types.CONSENTS``, or ``"none"``: keep no text.
        user: a pseudonym. session: the client's name of the talk. metadata: the client's.
        group: a pseudonym of the device or address it came from; ``None`` where that is not kept.
        experiment_id, arm: of the route. first_token_s, seconds: since the request was read.
    """

    id: str
    created_at: datetime
    model: str
    release_id: str | None
    messages: tuple[Mapping[str, str], ...]
    answer: str
    choice: int = 0
    state: str = "done"
    guard: str = ""
    finish: str = "stop"
    consent: str = "unknown"
    user: str | None = None
    session: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    experiment_id: str = ""
    arm: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    first_token_s: float = 0.0
    seconds: float = 0.0
    group: str | None = None


@dataclass(frozen=True, slots=True)
class Completion(Record):
    """What is kept of an answer that was served; its text stands in the conversation, where there is one.

    Attributes: as in ``Served``; ``conversation_id`` is ``None`` where no text is kept.
    """

    id: str
    choice: int
    bot: str
    created_at: datetime
    model: str
    release_id: str | None
    conversation_id: str | None
    user: str | None
    state: str
    guard: str
    finish: str
    experiment_id: str
    arm: str
    prompt_tokens: int
    completion_tokens: int
    first_token_s: float
    seconds: float
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Opinion(Record):
    """What one call of the feedback route says about one answer.

    Attributes:
        key: the same key again is the same opinion, and is kept once.
        thumb: ``"up"``, ``"down"`` or empty. score: 0..1. correction: the answer as it should have been.
        regenerated: the user asked for another answer. actor: who says so.
    """

    completion_id: str
    key: str
    choice: int = 0
    thumb: str = ""
    score: float | None = None
    comment: str = ""
    correction: str = ""
    regenerated: bool = False
    actor: str = ""


@dataclass(frozen=True, slots=True)
class ApiKey(Record):
    """A key of the gateway, without its secret.

    Attributes:
        id: the middle part of ``ll_<id>_<secret>``. digest: SHA-256 (hex) of the whole key.
        roles: what it may do. label: whose it is. revoked_at: since when it opens nothing.
    """

    id: str
    digest: str
    roles: tuple[str, ...]
    label: str
    created_at: datetime
    revoked_at: datetime | None = None
