"""What is sent: chat completions, their chunks and lists, as OpenAI's clients read them. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from .engine import BASE
from .routes import Route

DONE = b"data: [DONE]\n\n"
OWNER = "loraloop"
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def to_json(value: Any) -> bytes:
    """Return JSON in UTF-8; half a surrogate pair, which a model may utter, becomes a question mark."""
    return _encode(value).encode("utf-8", "replace")


def usage(prompt_tokens: int, completion_tokens: int) -> dict[str, int]:
    """Return the tokens of a request."""
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
    }


def completion(
    id: str, created: int, model: str, choices: Sequence[tuple[str, str]], tokens: Mapping[str, int]
) -> dict[str, Any]:
    """Return a whole completion; ``choices`` are text and finish reason."""
    return {
        "id": id,
        "object": "chat.completion",
        "created": created,
        "model": model,
        "choices": [
            {
                "index": index,
                "message": {"role": "assistant", "content": text, "refusal": None},
                "logprobs": None,
                "finish_reason": finish,
            }
            for index, (text, finish) in enumerate(choices)
        ],
        "usage": dict(tokens),
    }


class Chunks:
    """Writes the chunks of one streamed completion as server-sent events.

    Args:
        with_usage: whether every chunk says that usage comes in the last one.
        fingerprint: id of the release that answers; ``None`` for the base alone.
    """

    def __init__(self, id: str, created: int, model: str, with_usage: bool, *, fingerprint: str | None = None) -> None:
        head = {"id": id, "object": "chat.completion.chunk", "created": created, "model": model,
                "system_fingerprint": fingerprint}  # fmt: skip
        self._head = b"data: " + to_json(head)[:-1]
        self._tail = b',"usage":null}\n\n' if with_usage else b"}\n\n"

    def role(self, index: int) -> bytes:
        """The first chunk of a choice."""
        return self._chunk(index, b'{"role":"assistant","content":"","refusal":null}', b"null")

    def text(self, index: int, text: str) -> bytes:
        """A piece of text."""
        return self._chunk(index, b'{"content":' + to_json(text) + b"}", b"null")

    def finish(self, index: int, reason: str) -> bytes:
        """The last chunk of a choice."""
        return self._chunk(index, b"{}", to_json(reason))

    def usage(self, tokens: Mapping[str, int]) -> bytes:
        """The chunk without choices that tells the tokens."""
        return self._head + b',"choices":[],"usage":' + to_json(dict(tokens)) + b"}\n\n"

    def _chunk(self, index: int, delta: bytes, finish: bytes) -> bytes:
        choice = b',"choices":[{"index":%d,"delta":%b,"logprobs":null,"finish_reason":%b}]'
        return self._head + choice % (index, delta, finish) + self._tail


def error_event(body: bytes) -> bytes:
    """Return an error within a stream; clients raise it, and no ``[DONE]`` follows."""
    return b"data: " + body + b"\n\n"


def model(route: Route, created: int) -> dict[str, Any]:
    """Return a route as a model."""
    return {
        "id": route.model,
        "object": "model",
        "created": created,
        "owned_by": OWNER,
        "release": route.release_id,
        "parent": None if route.model == BASE else BASE,
    }


def page(items: Sequence[Mapping[str, Any]], has_more: bool) -> dict[str, Any]:
    """Return one page of a list."""
    ids = [item["id"] for item in items]
    return {
        "object": "list",
        "data": list(items),
        "first_id": ids[0] if ids else None,
        "last_id": ids[-1] if ids else None,
        "has_more": has_more,
    }
