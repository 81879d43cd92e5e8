"""Values about talk: who said what, under which consent, and what people thought of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from json.encoder import encode_basestring as _quoted  # by C where there is one, as json does it itself
from typing import Literal, get_args

from .record import Record

Role = Literal["system", "user", "assistant", "tool"]
Consent = Literal["granted", "public", "caller-asserted", "unknown", "withdrawn", "needs-guardian"]
AgeGroup = Literal["unknown", "under_14", "14_or_over"]

ROLES: tuple[str, ...] = get_args(Role)
CONSENTS: tuple[str, ...] = get_args(Consent)
CONSENTS_TO_LEARN: frozenset[str] = frozenset({"granted", "public", "caller-asserted"})
"""The kinds of consent under which a conversation may be learnt from."""


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
        if len(self.content) == 1 and (only := self.content[0]).kind == "text":
            return only.text
        return "\n".join(part.text for part in self.content if part.kind == "text")


def messages_json(messages: Iterable[Message], gap: str = " ") -> str:
    """Return messages as canonical JSON: what ``json.dumps`` writes of them, keys sorted, at a quarter of its cost.

    Args:
        gap: what follows a comma or a colon; nothing for the most compact text.

    Example:
        >>> messages_json([message("user", "hi")], gap="")
        '[{"approved_by":null,"content":[{"kind":"text","text":"hi"}],"role":"user"}]'
    """
    comma, found = f",{gap}", []
    for said in messages:
        role = _quoted(said.role)
        by = "null" if said.approved_by is None else _quoted(said.approved_by)
        parts = [
            f'{{"kind":{gap}{_quoted(part.kind)}{comma}"text":{gap}{_quoted(part.text)}}}' for part in said.content
        ]
        told = f'"approved_by":{gap}{by}{comma}"content":{gap}[{comma.join(parts)}]{comma}"role":{gap}{role}'
        found.append(f"{{{told}}}")
    return f"[{comma.join(found)}]"


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
        group: a pseudonym of the device or address it came from, where that is kept; never the address itself.
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
    group: str | None = None


@dataclass(frozen=True, slots=True)
class Person(Record):
    """What holds for everything one person said, whatever each conversation states.

    Attributes:
        id: the pseudonym.
        age_group: whether a guardian must consent. Source: Personal Information Protection Act of Korea, article 22-2
            (under 14).
        guardian_consent: whether a guardian did.
        withdrawn_at: since when nothing they said may be learnt; ``None`` where consent was not withdrawn.
    """

    id: str
    age_group: AgeGroup = "unknown"
    guardian_consent: bool = False
    withdrawn_at: datetime | None = None

    @property
    def refusal(self) -> Consent | None:
        """The consent that stands in for a given one: ``"withdrawn"``, ``"needs-guardian"``, or ``None``: as given."""
        if self.withdrawn_at is not None:
            return "withdrawn"
        return "needs-guardian" if self.age_group == "under_14" and not self.guardian_consent else None


REVIEWER = "review:"
"""How the name of an actor begins who judges answers for the bot's owner."""


@dataclass(frozen=True, slots=True)
class Waiting(Record):
    """An answer that waits for a person's judgement.

    Attributes:
        id: ``conversation#message``.
        reason: ``"answer_not_approved"``, or ``"distress_disclosure"``: somebody must look, and nothing is learnt.
        prompt: the messages before it.
        faults: codes of what the quality checks find wrong with it.
    """

    id: str
    reason: str
    prompt: tuple[Message, ...]
    answer: str
    created_at: datetime
    faults: tuple[str, ...] = ()
