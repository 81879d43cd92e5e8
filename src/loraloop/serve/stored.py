"""Stored completions as OpenAI's clients read them. Pure."""

from __future__ import annotations

from typing import Any

from .archive import Stored
from .wire import completion, usage


def whole(stored: Stored) -> dict[str, Any]:
    """Return a stored completion; texts are as they are kept, that is redacted."""
    first = stored.answers[0][0]
    choices = [
        ("\n".join(part.text for part in talk.messages[-1].content) if talk else "", one.finish or "stop")
        for one, talk in stored.answers
    ]
    tokens = usage(first.prompt_tokens, sum(one.completion_tokens for one, _ in stored.answers))
    value = completion(first.id, int(first.created_at.timestamp()), first.model, choices, tokens)
    return {
        **value,
        "metadata": dict(first.metadata),
        "release": first.release_id,
        "state": first.state,
        "feedback": list(stored.opinions),
    }


def messages_of(stored: Stored) -> list[dict[str, Any]]:
    """Return what came before the answer, each message with an id."""
    first, talk = stored.answers[0]
    said = talk.messages[:-1] if talk else ()
    return [
        {"id": f"{first.id}-{place}", "role": one.role, "content": one.text, "name": None, "content_parts": None}
        for place, one in enumerate(said)
    ]


def deleted(id: str) -> dict[str, Any]:
    """Return what is said of a completion that was taken out."""
    return {"object": "chat.completion.deleted", "id": id, "deleted": True}
