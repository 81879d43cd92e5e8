"""One row of each known format -> conversations. Pure: a parsed object in, ``Conversation`` values out.

jsonl       {"messages": [...], "user", "session", "created_at", "consent", "source", "release_id", "feedback", ...};
            with "schema_version": 1 it is our own export, and reads back as it was
openai      {"messages": [{"role", "content", "weight"?}]}
sharegpt    {"conversations": [{"from": "human|gpt|system|tool", "value"}]}
alpaca      {"instruction", "input"?, "output", "system"?, "history"?}
records     {"user_input", "bot_response", "quality_score", "timestamp"}
chatterbot  [question, answer, next question, next answer, ...] from ``conversations:`` of a YAML file
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, cast

from ..text.language import language
from ..text.redact import Placeholders
from ..types import CONSENTS, Conversation, Feedback, Message, utc
from .messages import APPROVALS, MAX_MESSAGES, BadRow, chat_message, conversation_id, label, pseudonym, safe_text

SCHEMA_VERSION = 1
"""Of our own JSONL. In a row that carries it people are pseudonyms already, as a rule; those stay as they are."""

_FEEDBACK_KINDS = {
    "thumb_up": "thumb_up", "thumbs_up": "thumb_up", "up": "thumb_up", "like": "thumb_up", "👍": "thumb_up",
    "thumb_down": "thumb_down", "thumbs_down": "thumb_down", "down": "thumb_down", "dislike": "thumb_down",
    "👎": "thumb_down", "correction": "correction", "comment": "comment",
}  # fmt: skip
READ_KEYS = frozenset({
    "approved", "approved_by", "bot_response", "consent", "conversation", "conversations", "created_at", "feedback",
    "group", "history", "id", "input", "instruction", "language", "messages", "output", "quality_score", "release_id",
    "schema_version", "session", "session_id", "source", "system", "timestamp", "user", "user_id", "user_input",
})  # fmt: skip
"""Keys of a row that some format reads, and ``id``, which an export writes for people; all others are passed over."""
_CLOCKS_DIFFER = timedelta(days=1)
_MILLISECONDS_FROM = 1e11
"""Numbers from here on are read as milliseconds: as seconds they would lie after the year 5000."""


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What holds for a whole import.

    Attributes:
        bot: whose conversations they are.
        consent: consent of rows that state none; ``None`` means ``"unknown"`` (``"public"`` for chatterbot corpora).
        approved_by: how assistant messages are approved that say nothing themselves (``"review"`` after a person read
            the file); ``None`` means not at all, and then they are never a training target (chatterbot corpora are
            written by people and published for this: ``"review"``).
        source: where they come from; ``None`` means the row's own, else ``import:FORMAT``.
        secret: key under which users become pseudonyms.
        imported_at: time of rows that state none; ``None`` means now.
    """

    bot: str = "default"
    consent: str | None = None
    approved_by: str | None = None
    source: str | None = None
    secret: bytes = b""
    imported_at: datetime | None = None


def parse_time(value: object) -> datetime | None:
    """Return an aware UTC time from ISO 8601, a datetime or seconds (or milliseconds) since 1970.

    Raises:
        BadRow: it is none of these.
    """
    try:
        if value is None or value == "":
            return None
        if isinstance(value, bool):
            raise BadRow("the time is neither ISO 8601 nor a number")
        if isinstance(value, int | float):
            return datetime.fromtimestamp(value / 1000 if value >= _MILLISECONDS_FROM else value, UTC)
        if isinstance(value, str | datetime):
            return utc(value)
    except (ValueError, OverflowError, OSError) as error:
        raise BadRow("the time is neither ISO 8601 nor seconds since 1970") from error
    raise BadRow("the time is neither ISO 8601 nor a number")


def _score(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise BadRow("quality_score is no number")
    if not 0 <= value <= 1:
        raise BadRow("quality_score lies outside 0..1")
    return float(value)


def _consent(row: Mapping[str, Any], options: ImportOptions, default: str) -> str:
    value = row.get("consent")
    if isinstance(value, bool):
        return "granted" if value else "withdrawn"
    consent = value if value is not None else options.consent or default
    if consent not in CONSENTS:
        raise BadRow(f"consent is none of {', '.join(CONSENTS)}")
    return cast(str, consent)


def _one_feedback(
    raw: object, messages: Sequence[Message], options: ImportOptions, ours: bool, placeholders: Placeholders
) -> Feedback:
    item = raw if isinstance(raw, Mapping) else {"kind": raw}
    named = item.get("kind", item.get("rating"))
    kind = _FEEDBACK_KINDS.get(named.lower()) if isinstance(named, str) else None
    if kind is None:
        raise BadRow("feedback is none of thumb_up, thumb_down, correction, comment")
    answers = [place for place, message in enumerate(messages) if message.role == "assistant"]
    index = item.get("message_index", answers[-1] if answers else None)
    if isinstance(index, bool) or index not in answers:
        raise BadRow("feedback names a message that is no answer")
    text = safe_text(item.get("text") or "", "feedback", placeholders)
    if kind == "correction" and not text:
        raise BadRow("a correction has no text")
    actor = label(item.get("actor")) if ours else pseudonym(item.get("actor"), options.secret)
    return Feedback(
        message_index=cast(int, index),
        kind=cast(Literal["thumb_up", "thumb_down", "correction", "comment"], kind),
        text=text,
        actor=actor or "",
        created_at=parse_time(item.get("created_at")),
    )


def _feedback(
    raw: object, messages: Sequence[Message], options: ImportOptions, ours: bool, placeholders: Placeholders
) -> tuple[Feedback, ...]:
    if not raw:
        return ()
    items = raw if isinstance(raw, list | tuple) else [raw]
    return tuple(_one_feedback(item, messages, options, ours, placeholders) for item in items)


def _approval(row: Mapping[str, Any], options: ImportOptions, default: str | None) -> str | None:
    approved, named = row.get("approved"), row.get("approved_by")
    if approved is not None and not isinstance(approved, bool):
        raise BadRow("approved is neither true nor false")
    if approved is False:
        return None
    if named is not None and named not in APPROVALS:
        raise BadRow(f"approved_by is none of {', '.join(APPROVALS)}")
    return named or ("review" if approved is True else options.approved_by or default)


def _when(row: Mapping[str, Any]) -> datetime | None:
    found, now = parse_time(row.get("created_at", row.get("timestamp"))), datetime.now(UTC)
    if found is not None and found > now + _CLOCKS_DIFFER:  # it would be kept until then, whatever retention is set
        raise BadRow("created_at lies in the future")
    return found


def build(
    raw_messages: object,
    row: Mapping[str, Any],
    options: ImportOptions,
    form: str,
    *,
    consent: str = "unknown",
    approved_by: str | None = None,
) -> Conversation:
    """Return a conversation from raw messages and the row they stood in.

    Args:
        raw_messages: list of message objects.
        row: user, session, created_at (or timestamp), consent, source, release_id, quality_score, feedback, approved.
        options: what holds where the row says nothing.
        form: name of the format, for the source.
        consent: what holds where neither row nor options say.
        approved_by: likewise.

    Raises:
        BadRow: the row cannot be read.
    """
    if not isinstance(raw_messages, list | tuple) or not raw_messages:
        raise BadRow("there are no messages")
    if len(raw_messages) > MAX_MESSAGES:
        raise BadRow(f"{len(raw_messages)} messages, at most {MAX_MESSAGES} are read")
    approved, ours = _approval(row, options, approved_by), row.get("schema_version") == SCHEMA_VERSION
    said = Placeholders()
    messages = tuple(chat_message(item, place, approved, ours, said) for place, item in enumerate(raw_messages))
    person = row.get("user", row.get("user_id"))
    user = pseudonym(person, options.secret)  # ours too: whoever else numbers their schemas writes names into them
    session = label(row.get("session", row.get("session_id")))
    agreed = _consent(row, options, consent)
    asked = " ".join(message.text for message in messages if message.role == "user")
    return Conversation(
        id=conversation_id(options.bot, user, session, agreed, messages),
        bot=options.bot,
        messages=messages,
        created_at=_when(row) or utc(options.imported_at) or datetime.now(UTC),
        source=options.source or label(row.get("source")) or f"import:{form}",
        consent=agreed,
        user=user,
        session=session,
        release_id=label(row.get("release_id")),
        quality_score=_score(row.get("quality_score")),
        language=(label(row.get("language")) if ours else None) or language(asked),
        feedback=_feedback(row.get("feedback"), messages, options, ours, said),
        group=pseudonym(row.get("group"), options.secret) if ours else None,
    )


Rows = list[Conversation]


def from_jsonl(row: Mapping[str, Any], options: ImportOptions) -> Rows:
    """Our own format: one conversation a line."""
    return [build(row.get("messages"), row, options, "jsonl")]


def from_openai(row: Mapping[str, Any], options: ImportOptions) -> Rows:
    """OpenAI chat fine-tuning rows; ``weight`` 0 on an assistant message withholds approval."""
    return [build(row.get("messages"), row, options, "openai")]


def from_sharegpt(row: Mapping[str, Any], options: ImportOptions) -> Rows:
    """ShareGPT rows: ``conversations`` of ``from`` and ``value``, with an optional ``system`` beside."""
    turns = row.get("conversations", row.get("conversation"))
    if isinstance(turns, list) and row.get("system"):
        turns = [{"from": "system", "value": row["system"]}, *turns]
    return [build(turns, row, options, "sharegpt")]


def from_alpaca(row: Mapping[str, Any], options: ImportOptions) -> Rows:
    """Alpaca rows; ``input`` follows the instruction after a blank line, ``history`` holds earlier pairs."""
    question, extra = row.get("instruction"), row.get("input")
    if isinstance(question, str) and isinstance(extra, str) and extra.strip():
        question = f"{question}\n\n{extra}"
    turns: list[dict[str, Any]] = [{"role": "system", "content": row["system"]}] if row.get("system") else []
    history = row.get("history") or []
    if not isinstance(history, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in history):
        raise BadRow("history is no list of question-answer pairs")
    for pair in history:
        turns += [{"role": "user", "content": pair[0]}, {"role": "assistant", "content": pair[1]}]
    turns += [{"role": "user", "content": question}, {"role": "assistant", "content": row.get("output")}]
    return [build(turns, row, options, "alpaca")]


def from_records(row: Mapping[str, Any], options: ImportOptions) -> Rows:
    """Rows of the older system."""
    turns = [
        {"role": "user", "content": row.get("user_input")},
        {"role": "assistant", "content": row.get("bot_response")},
    ]
    return [build(turns, row, options, "records")]


def from_chatterbot(row: object, options: ImportOptions) -> Rows:
    """One talk of a chatterbot corpus: question, answer, and so on in turn.

    Nobody's private talk, and written by people for bots to learn: consent is ``"public"`` and every answer reviewed
    unless the options say otherwise, and there is no user.
    """
    if not isinstance(row, list) or len(row) < 2:
        raise BadRow("an entry is a question and at least one answer")
    turns = [{"role": ("user", "assistant")[place % 2], "content": text} for place, text in enumerate(row)]
    return [build(turns, {}, options, "chatterbot", consent="public", approved_by="review")]


FORMATS: Mapping[str, Callable[[Any, ImportOptions], Rows]] = {
    "jsonl": from_jsonl,
    "openai": from_openai,
    "sharegpt": from_sharegpt,
    "alpaca": from_alpaca,
    "records": from_records,
    "chatterbot": from_chatterbot,
}
_OURS = {
    "schema_version", "user", "session", "consent", "created_at", "source", "release_id", "feedback", "approved",
    "quality_score",
}  # fmt: skip


def detect(row: object) -> str:
    """Return the format a parsed row is in, by its keys.

    Raises:
        BadRow: it is in none.
    """
    if isinstance(row, Mapping):
        if "messages" in row:
            return "openai" if _OURS.isdisjoint(row) else "jsonl"
        for key, name in (
            ("conversations", "sharegpt"),
            ("conversation", "sharegpt"),
            ("instruction", "alpaca"),
            ("user_input", "records"),
        ):
            if key in row:
                return name
    raise BadRow("no known format has these keys (messages, conversations, instruction, user_input)")
