"""A body of ``POST /v1/chat/completions`` -> what is asked, checked field by field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from .config import ServeConfig
from .engine import Ask
from .problems import Problem
from .routes import LIVE, Route

UNSUPPORTED = ("audio", "frequency_penalty", "function_call", "functions", "logit_bias", "logprobs", "modalities",
               "moderation", "parallel_tool_calls", "prediction", "presence_penalty", "reasoning_effort",
               "response_format", "tool_choice", "tools", "top_logprobs", "verbosity",
               "web_search_options")  # fmt: skip
"""Fields of OpenAI's API that this gateway refuses by name, unless they ask for nothing."""
NEUTRAL: dict[str, tuple[Any, ...]] = {
    "frequency_penalty": (0,), "presence_penalty": (0,), "logprobs": (False,), "tools": ([],), "functions": ([],),
    "logit_bias": ({},), "modalities": (["text"],), "response_format": ({"type": "text"},),
    "tool_choice": ("none", "auto"), "parallel_tool_calls": (True, False), "top_logprobs": (0,),
}  # fmt: skip
"""Values by which a client asks for what it gets anyway."""
IGNORED = frozenset({"prompt_cache_key", "prompt_cache_retention", "safety_identifier", "service_tier"})
_TEXT_ROLES = {"system", "developer", "user", "assistant"}

Count = Annotated[int, Field(ge=1, le=1_000_000)]
Stop = Annotated[str, StringConstraints(min_length=1, max_length=256)]


class TextPart(BaseModel):
    """One part of a message's content."""

    model_config = ConfigDict(extra="forbid")
    type: Literal["text"]
    text: str


class ChatMessage(BaseModel):
    """One message: text, or a list of text parts."""

    model_config = ConfigDict(extra="forbid")
    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[TextPart]
    name: str | None = None
    refusal: None = None
    tool_calls: Annotated[list[Any], Field(max_length=0)] | None = None
    function_call: None = None
    audio: None = None
    annotations: Annotated[list[Any], Field(max_length=0)] | None = None


class StreamOptions(BaseModel):
    """What a stream brings besides text."""

    model_config = ConfigDict(extra="forbid")
    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class ChatBody(BaseModel):
    """The body of a chat request."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)
    messages: Annotated[list[ChatMessage], Field(min_length=1)]
    model: str = LIVE
    max_tokens: Count | None = None
    max_completion_tokens: Count | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    n: Annotated[int, Field(ge=1, le=128)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), le=2**63 - 1)] | None = None
    stop: Stop | Annotated[list[Stop], Field(max_length=4)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    user: Annotated[str, StringConstraints(max_length=256)] | None = None
    store: bool | None = None
    metadata: (
        Annotated[
            dict[Annotated[str, StringConstraints(max_length=64)], Annotated[str, StringConstraints(max_length=512)]],
            Field(max_length=16),
        ]
        | None
    ) = None


def parse_chat(raw: bytes, config: ServeConfig) -> ChatBody:
    """Return a checked body.

    Raises:
        Problem: 400 that names the field at fault.
    """
    check_depth(raw, config.max_depth)
    try:
        body = ChatBody.model_validate_json(raw)
    except ValidationError as error:
        raise _problem(error) from None
    for name, value in (body.model_extra or {}).items():
        if value is None or name in IGNORED or value in NEUTRAL.get(name, ()):
            continue
        known = name in UNSUPPORTED
        code = "unsupported_parameter" if known else "unknown_parameter"
        said = "is not supported here" if known else "is not known here"
        raise Problem(400, f"`{_shown(name)}` {said}; leave it out", param=_shown(name), code=code)
    if len(body.messages) > config.max_messages:
        raise Problem(400, f"at most {config.max_messages} messages are read", param="messages", code="too_many")
    if (body.n or 1) > config.max_choices:
        raise Problem(400, f"n is at most {config.max_choices} here", param="n", code="too_many")
    if body.max_tokens is not None and body.max_completion_tokens is not None:
        raise Problem(
            400, "say max_tokens or max_completion_tokens, not both", param="max_tokens", code="invalid_value"
        )
    return body


def texts(messages: Sequence[ChatMessage], config: ServeConfig) -> tuple[dict[str, str], ...]:
    """Return the messages as role and text; system messages are refused or left out, as the settings say.

    Raises:
        Problem: a system message, nothing said by the user, or a conversation that the user does not end.
    """
    found: list[dict[str, str]] = []
    for place, one in enumerate(messages):
        if one.role in ("system", "developer"):
            if config.system_messages == "refuse":
                said = "the system prompt belongs to the release; leave this message out"
                raise Problem(400, said, param=f"messages.{place}.role", code="system_message_refused")
            continue
        content = one.content
        text = content if isinstance(content, str) else "\n".join(part.text for part in content)
        found.append({"role": one.role, "content": text})
    if not found or found[-1]["role"] != "user":
        raise Problem(400, "the last message must be the user's", param="messages", code="invalid_value")
    return tuple(found)


def ask_of(body: ChatBody, said: Sequence[Mapping[str, str]], route: Route, choice: int) -> Ask:
    """Return what the engine is asked. A client may ask for less than the release allows, never for more."""
    most = route.decoding
    limit = int(most.get("max_new_tokens", 64))
    asked = body.max_completion_tokens or body.max_tokens or limit
    warmth, nucleus = float(most.get("temperature", 0.0)), float(most.get("top_p", 1.0))
    stop = (body.stop,) if isinstance(body.stop, str) else tuple(body.stop or ())
    system = ({"role": "system", "content": route.system_prompt},) if route.system_prompt else ()
    return Ask(
        version=route.version,
        messages=(*system, *said),
        max_tokens=min(asked, limit),
        temperature=warmth if body.temperature is None else min(body.temperature, warmth),
        top_p=nucleus if body.top_p is None else min(body.top_p, nucleus),
        seed=None if body.seed is None else (body.seed + choice) % 2**63,
        stop=stop,
        repetition_penalty=float(route.decoding.get("repetition_penalty", 1.0)),
    )


def check_depth(raw: bytes, most: int) -> None:
    """Refuse JSON that is nested more deeply than ``most``, without building it.

    Raises:
        Problem: it is.
    """
    if raw.count(b"[") + raw.count(b"{") <= most:
        return
    depth = 0
    in_text = False
    skip = False
    for byte in raw:
        if skip:
            skip = False
        elif in_text:
            if byte == 0x5C:
                skip = True
            elif byte == 0x22:
                in_text = False
        elif byte == 0x22:
            in_text = True
        elif byte in b"[{":
            depth += 1
            if depth > most:
                raise Problem(400, f"the body is nested more than {most} deep", code="too_deep")
        elif byte in b"]}":
            depth -= 1


def _problem(error: ValidationError) -> Problem:
    """The first fault, by the name of its field; what was sent is not repeated."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    if first["type"] == "json_invalid":
        return Problem(400, "the body is not valid JSON", code="invalid_json")
    # pydantic names the branch of a union too; what a client wrote are field names and positions.
    place = [str(part) for part in first["loc"] if isinstance(part, int) or str(part) in _FIELDS]
    param = ".".join(place) or None
    if first["type"] == "extra_forbidden" or (place and place[-1] in ("audio", "tool_calls", "function_call")):
        inner = str(first["loc"][-1])
        param = ".".join([*place[: len(place) - (place[-1:] == [inner])], _shown(inner)])
        return Problem(400, f"`{param}` is not supported here; leave it out", param=param, code="unsupported_parameter")
    if place[-1:] == ["type"] and "content" in place:
        return Problem(400, f"`{param}`: only text can be read here", param=param, code="unsupported_parameter")
    said = first["msg"].replace("Input should", "it should").replace("Field required", "it is required")
    return Problem(400, f"`{param or 'body'}`: {said}", param=param, code="invalid_value")


def _shown(name: str) -> str:
    """A field's name that a client made up, as far as it may be repeated."""
    return "".join(char for char in name[:64] if char.isalnum() or char in "_-.")


_FIELDS = {*ChatBody.model_fields, *ChatMessage.model_fields, *TextPart.model_fields, *StreamOptions.model_fields}
