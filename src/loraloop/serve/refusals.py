"""Why a model's server refused an answer: because of the conversation, or because of itself. Pure."""

from __future__ import annotations

import re

from ..errors import ConversationTooLong, EngineError, LoraloopError

MOST_BYTES = 65_536
"""So much of a refusal is read."""
_TOO_LONG = re.compile(rb"context[ _](length|size|window)|maximum model length", re.IGNORECASE)
"""How servers say it.

**Source**: OpenAI (``context_length_exceeded``), vLLM ("maximum context length", "maximum model length"), SGLang
("longer than the model's context length"), llama.cpp ("exceeds the available context size"; "context window").
"""


def refusal(server: str, status: int, body: bytes, hint: str) -> LoraloopError:
    """Return what a refused answer means; nothing that the server said is repeated, for it may quote people.

    Args:
        server: named in the error. hint: what to do about a server that fails.

    Example:
        >>> type(refusal("a", 400, b"This model's maximum context length is 512 tokens", "")).__name__
        'ConversationTooLong'
        >>> str(refusal("a", 400, b"no such setting", ""))
        'a refused (400)'
    """
    if status in (400, 413, 422) and _TOO_LONG.search(body[:MOST_BYTES]):
        return ConversationTooLong("the conversation has more tokens than the model reads: send a shorter one")
    return EngineError(f"{server} refused ({status})", hint=hint)
