"""Untrusted chat messages of any of the common shapes -> ``Message`` values, cleaned and redacted.

This is the only door by which foreign text becomes a value, so that nothing unredacted can come in by another.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence

from ..text.normalise import clean
from ..text.redact import Placeholders, redact
from ..types import Message, Part, messages_json

MAX_MESSAGES = 1000
"""Messages in one conversation; more is a broken export, not a talk."""
MAX_NAME_CHARS = 128
"""Length kept of sources, sessions and release ids."""

_ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "prompter": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "tool": "tool",
    "function": "tool",
    "observation": "tool",
    "function_call": "assistant",
}
APPROVALS = ("review", "thumb", "correction", "caller-asserted")
"""How an answer can have been approved; see ``types.Message``."""
_encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode
_SURROGATE = re.compile("[\ud800-\udfff]")
_PSEUDONYM = re.compile(r"u-(?:[0-9a-f]{16}|(?=.*\[)(?:[0-9a-f]|\[[A-Z0-9_]+\])+)")
"""A pseudonym, or its redacted form, as it was stored once."""
_OWN_NAME = re.compile(r"(?:u|rl)-[0-9a-f]{16,32}")
"""A person's pseudonym, or a release."""
_TEXT_KINDS = {"text", "input_text", "output_text"}


class BadRow(ValueError):
    """One row cannot become a conversation; the message says why and never quotes the row."""


def safe_text(value: object, what: str, placeholders: Placeholders | None = None) -> str:
    """Return a string cleaned and redacted.

    Args:
        value: what stood in the row.
        what: name of the place, for the reason.
        placeholders: of the conversation it belongs to; ``None`` for a text that stands alone.

    Raises:
        BadRow: it is no string, or holds a lone surrogate (which no database and no tokenizer takes).
    """
    if not isinstance(value, str):
        raise BadRow(f"{what} is {type(value).__name__}, not text")
    if not value.isascii() and _SURROGATE.search(value):
        raise BadRow(f"{what} holds half of a surrogate pair")
    return redact(clean(value), placeholders).text


def role_of(value: object, place: int) -> str:
    """Return one of our roles for any of the names in use (``human``, ``gpt``, ``developer``, ...).

    Raises:
        BadRow: no such role.
    """
    role = _ROLES.get(value) or _ROLES.get(value.strip().lower()) if isinstance(value, str) else None
    if role is None:
        raise BadRow(f"message {place} has no known role (user, assistant, system, tool)")
    return role


def _part(value: object, place: int, placeholders: Placeholders | None) -> Part:
    if isinstance(value, str):
        return Part(text=safe_text(value, f"message {place}", placeholders))
    if not isinstance(value, Mapping):
        raise BadRow(f"message {place} holds a part that is neither text nor an object")
    kind = value.get("kind", value.get("type", "text"))
    if not isinstance(kind, str) or not re.fullmatch(r"[a-z][a-z0-9_]{0,31}", kind):
        raise BadRow(f"message {place} holds a part of no known kind")
    if kind in _TEXT_KINDS:
        return Part(text=safe_text(value.get("text", ""), f"message {place}", placeholders))
    text = value.get("text", "")
    return Part(kind=kind, text=safe_text(text, f"message {place}", placeholders) if isinstance(text, str) else "")


def parts_of(
    content: object,
    place: int,
    tool_calls: object = None,
    may_be_empty: bool = False,
    placeholders: Placeholders | None = None,
) -> tuple[Part, ...]:
    """Return the parts of a message: text, a list of parts, or nothing beside tool calls.

    Images, audio and files keep their kind and lose their payload: they are never learnt from here.

    Raises:
        BadRow: there is neither text nor any other part, and there must be.
    """
    if content is None:
        parts: list[Part] = []
    elif isinstance(content, str):
        text = safe_text(content, f"message {place}", placeholders)
        if text and not tool_calls:
            return (Part("text", text),)
        parts = [Part("text", text)]
    elif isinstance(content, Sequence):
        parts = [_part(item, place, placeholders) for item in content]
    else:
        raise BadRow(f"message {place} has content of type {type(content).__name__}")
    if tool_calls:
        called = safe_text(json.dumps(tool_calls, ensure_ascii=False), "tool call", placeholders)
        parts.append(Part(kind="tool_call", text=called))
    kept = tuple(part for part in parts if part.kind != "text" or part.text)
    if not kept and not may_be_empty:
        raise BadRow(f"message {place} is empty")
    return kept or (Part(),)


def chat_message(
    value: object,
    place: int,
    approved_by: str | None,
    may_be_empty: bool = False,
    placeholders: Placeholders | None = None,
) -> Message:
    """Return a message from ``{"role", "content"}`` or ``{"from", "value"}``.

    Args:
        value: the raw object.
        place: its position, for reasons.
        approved_by: how assistant messages of this row are approved, unless the message says so itself with
            ``approved_by``; ``"weight": 0`` (OpenAI: do not learn this one) withholds approval.
        may_be_empty: whether nothing may have been said (to ours people send blank messages, and sometimes it answers
            with nothing; elsewhere it is a broken export).
        placeholders: of the conversation.

    Raises:
        BadRow: it cannot be read.
    """
    if not isinstance(value, Mapping):
        raise BadRow(f"message {place} is no object")
    named = value.get("role", value.get("from"))
    role = role_of(named, place)
    content = value.get("content", value.get("value", value.get("text")))
    calls = value.get("tool_calls") or value.get("function_call")
    parts = parts_of(content, place, calls, may_be_empty, placeholders)
    if named == "function_call":
        parts = tuple(Part(kind="tool_call", text=part.text) for part in parts)
    if role != "assistant":
        return Message(role=role, content=parts)
    own = value.get("approved_by")
    if own is not None and own not in APPROVALS:
        raise BadRow(f"message {place}: approved_by is none of {', '.join(APPROVALS)}")
    withheld = value.get("weight", 1) == 0
    return Message(role=role, content=parts, approved_by=None if withheld else own or approved_by)


def label(value: object) -> str | None:
    """Return a short name (source, session, release) redacted and cut to ``MAX_NAME_CHARS``; ``None`` for nothing.

    Names of our own making stay as they are. Some of their digits look like a telephone number, and whoever is not
    stored under their pseudonym is not found when they are to be forgotten.

    Raises:
        BadRow: it is neither text nor a whole number.
    """
    if value is None or value == "":
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if isinstance(value, str) and _OWN_NAME.fullmatch(value):
        return value
    return safe_text(value, "a name")[:MAX_NAME_CHARS] or None


def pseudonym(user: object, secret: bytes) -> str | None:
    """Return ``u-`` and 16 hex digits for a user name; a pseudonym stays as it is, nothing stays ``None``.

    Args:
        user: name, e-mail or number of a person, in any case.
        secret: key of HMAC-SHA-256. Without one plain SHA-256 is used, which whoever knows the names can reverse.

    Raises:
        BadRow: it is neither text nor a number.
    """
    if user is None or user == "":
        return None
    if isinstance(user, int) and not isinstance(user, bool):
        user = str(user)
    if not isinstance(user, str) or _SURROGATE.search(user):
        raise BadRow("user is no text")
    if _PSEUDONYM.fullmatch(user):
        return user
    raw = clean(user).casefold().encode()
    digest = hmac.digest(secret, raw, "sha256").hex() if secret else hashlib.sha256(raw).hexdigest()
    return f"u-{digest[:16]}"


def conversation_id(bot: str, user: str | None, session: str | None, consent: str, messages: Sequence[Message]) -> str:
    """Return ``cv-`` and 16 hex digits of the SHA-256 of a conversation's bot, user, session, consent and messages.

    Consent and the approval of each message are part of it: reviewed, or imported again with the consent that was
    missing, the same talk is a new conversation and can be learnt.
    """
    canonical = f"{_encode([bot, user, session, consent])[:-1]},{messages_json(messages, gap='')}]"
    return f"cv-{hashlib.sha256(canonical.encode()).hexdigest()[:16]}"
