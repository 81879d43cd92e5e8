"""What was said in a chat, kept so that a person can judge it later.

Every answer is one conversation: the messages before it and the answer, redacted, approved by nobody. It is not learnt
from as it is. A thumb up or a correction, where consent allows, makes it a row; whose row (training or judging) is
decided by user, else session, else question, as everywhere, so what a person in a judging group corrects is kept for
judging and teaches nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, cast, get_args

from ..errors import UnknownThing, UsageError
from ..ports import Clock, Store
from ..text.redact import Placeholders
from ..types import CONSENTS, Conversation, Feedback, Message
from .candidates import candidates
from .formats import SCHEMA_VERSION, ImportOptions, build
from .messages import BadRow, label, pseudonym, safe_text
from .quality import DataQualityConfig, reason_to_drop
from .sides import side_of

FeedbackKind = Literal["thumb_up", "thumb_down", "correction", "comment"]


def record_exchange(
    store: Store,
    *,
    bot: str,
    messages: Sequence[Message],
    answer: str,
    release_id: str | None = None,
    consent: str = "unknown",
    session: str | None = None,
    user: str | None = None,
    secret: bytes = b"",
    clock: Clock | None = None,
) -> Conversation:
    """Store, redacted, what was asked and answered; the same exchange again is the same conversation.

    Args:
        store: where to.
        bot: who answered.
        messages: everything before the answer, at least one user message.
        answer: what the bot said; may be empty.
        release_id: the release that answered; ``None`` for the base alone.
        consent: one of ``types.CONSENTS``; without consent nothing said here is ever learnt from.
        session: any name of the talk.
        user: any name of the person; only a pseudonym of it is kept.
        secret: key of the pseudonym.
        clock: tells the time; ``None`` for the system's.

    Returns:
        The conversation as stored; its last message is the answer.

    Raises:
        UsageError: the messages or the consent cannot be stored.
    """
    found = exchange(
        bot=bot, messages=messages, answer=answer, release_id=release_id, consent=consent, session=session,
        user=_pseudonym(user, secret), at=_now(clock),
    )  # fmt: skip
    store.conversations.add([found])
    return store.conversations.get(found.id) or found


def exchange(
    *,
    bot: str,
    messages: Sequence[Message] | Sequence[Mapping[str, str]],
    answer: str,
    release_id: str | None,
    consent: str,
    session: str | None,
    user: str | None,
    at: datetime,
    source: str = "chat",
    kind: str = "text",
) -> Conversation:
    """Return, redacted, what was asked and answered, approved by nobody.

    Args:
        messages: as in ``record_exchange``, or plain ``role`` and ``content``.
        user: a pseudonym.
        source: by which way it came.
        kind: ``"text"`` for an answer that may be learnt from once a person approves it; any other (``"aborted"``,
            ``"guarded"``) is kept and never learnt.

    Raises:
        UsageError: the messages or the consent cannot be stored.
    """
    if consent not in CONSENTS:
        raise UsageError(f"no consent {consent!r}", hint=f"one of {', '.join(CONSENTS)}")
    # Approval comes from people, later; whatever the caller's messages say about it is not theirs to say.
    turns: list[dict[str, Any]] = [{"role": said["role"], "content": said["content"]} for said in messages]
    turns.append({"role": "assistant", "content": answer if kind == "text" else [{"kind": kind, "text": answer}]})
    row = {
        "schema_version": SCHEMA_VERSION,
        "session": session,
        "user": user,
        "release_id": release_id,
        "consent": consent,
    }
    try:
        return build(turns, row, ImportOptions(bot=bot, source=source, imported_at=at), "chat")
    except BadRow as error:
        raise UsageError(f"this exchange cannot be stored: {error}", hint="hand in messages of text") from error


def give_feedback(
    store: Store,
    conversation_id: str,
    kind: str,
    *,
    text: str = "",
    actor: str = "",
    message_index: int | None = None,
    clock: Clock | None = None,
) -> Feedback:
    """Store, redacted, what a person says about one answer.

    Args:
        store: where the conversation is.
        conversation_id: from ``record_exchange`` or an import.
        kind: ``"thumb_up"``, ``"thumb_down"``, ``"correction"`` or ``"comment"``.
        text: the answer as it should have been, or the comment.
        actor: who says so: an operator's name, or a user's pseudonym.
        message_index: which answer; ``None`` for the last one.
        clock: tells the time; ``None`` for the system's.

    Raises:
        UnknownThing: no such conversation or answer.
        UsageError: no such kind, or a correction without text.
    """
    found = store.conversations.get(conversation_id)
    if found is None:
        raise UnknownThing(f"no conversation {conversation_id!r}", hint="ids are shown by loraloop chat")
    answers = [place for place, said in enumerate(found.messages) if said.role == "assistant"]
    place = answers[-1] if message_index is None and answers else message_index
    if place not in answers:
        raise UnknownThing(f"{conversation_id} has no answer {place}", hint=f"its answers: {answers}")
    told = Placeholders(message.text for message in found.messages)
    feedback = judgement(kind, text=text, actor=actor, message_index=place, at=_now(clock), told=told)
    store.conversations.add_feedback(conversation_id, feedback)
    return feedback


def judgement(
    kind: str, *, text: str, actor: str, message_index: int, at: datetime, told: Placeholders | None = None
) -> Feedback:
    """Return, redacted, what a person says about an answer.

    Args:
        told: the placeholders of the conversation, so that one value keeps its own.

    Raises:
        UsageError: no such kind, or a correction without text.
    """
    if kind not in get_args(FeedbackKind):
        raise UsageError(f"no feedback {kind!r}", hint=f"one of {', '.join(get_args(FeedbackKind))}")
    try:
        said, by = safe_text(text, "the text", told), label(actor) or ""
    except BadRow as error:
        raise UsageError(f"this feedback cannot be stored: {error}", hint="hand in text") from error
    if kind == "correction" and not said:
        raise UsageError("a correction has no text", hint="say what the answer should have been")
    return Feedback(message_index=message_index, kind=cast(FeedbackKind, kind), text=said, actor=by, created_at=at)


def why_not_learnt(store: Store, conversation_id: str, message_index: int, config: DataQualityConfig) -> str | None:
    """Return the reason why an answer will not be learnt from as things stand, or ``None`` where it will.

    Raises:
        UnknownThing: no such conversation.
    """
    found = store.conversations.get(conversation_id)
    if found is None:
        raise UnknownThing(f"no conversation {conversation_id!r}")
    rows = list(candidates(found))
    for row in rows:
        if row.message_index == message_index:
            held_out = None if side_of(found, rows) == "train" else "held_out"
            return reason_to_drop(row, config) or held_out
    return "no_answer"


def pseudonyms(user: str, secrets: Sequence[bytes]) -> list[str]:
    """Return the names under which a person may be stored, one a key, the newest key's first.

    Beside a name whose digits look like a telephone or card number stands its redacted form, which was stored once. A
    few people may share such a form: what is asked for one of them then holds for all.

    Raises:
        UsageError: the name is empty or no text.
    """
    found = [_pseudonym(user, secret) for secret in secrets]
    if None in found:
        raise UsageError("the name of the user is empty", hint="name the user as conversations do")
    names = [name for name in found if name is not None]
    return list(dict.fromkeys([*names, *(safe_text(name, "a name") for name in names)]))


def _pseudonym(user: str | None, secret: bytes) -> str | None:
    try:
        return pseudonym(user, secret)
    except BadRow as error:
        raise UsageError(f"this user cannot be stored: {error}", hint="name the user as text") from error


def _now(clock: Clock | None) -> datetime:
    return clock.now() if clock else datetime.now(UTC)
