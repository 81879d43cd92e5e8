"""Opinions on answers: what a client may send, and the tokens by which a browser sends it without a key."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from ..traffic import Opinion
from .problems import Problem

B = TypeVar("B", bound=BaseModel)
Text = Annotated[str, StringConstraints(max_length=8000)]


class FeedbackBody(BaseModel):
    """What somebody says about one answer; each field may be left out, but not all."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    completion_id: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    choice: Annotated[int, Field(ge=0, le=127)] = 0
    thumb: Literal["up", "down"] | None = None
    score: Annotated[float, Field(ge=0, le=1)] | None = None
    comment: Text | None = None
    correction: Text | None = None
    regenerated: bool | None = None
    id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_\-.:]{1,128}$")] | None = None
    token: Annotated[str, StringConstraints(max_length=128)] | None = None


class ConsentBody(BaseModel):
    """What a person agrees to from now on; a withdrawal holds for what is stored already, too."""

    model_config = ConfigDict(extra="forbid")
    user: Annotated[str, StringConstraints(min_length=1, max_length=256)]
    consent: Literal["granted", "withdrawn"]


def parse_feedback(raw: bytes) -> FeedbackBody:
    """Return a checked body.

    Raises:
        Problem: 400 that names the field at fault.
    """
    body = parsed(FeedbackBody, raw)
    if not any((body.thumb, body.score is not None, body.comment, body.correction, body.regenerated)):
        raise Problem(400, "say something: thumb, score, comment, correction or regenerated", code="invalid_value")
    return body


def parse_consent(raw: bytes) -> ConsentBody:
    """Return a checked body.

    Raises:
        Problem: 400 that names the field at fault.
    """
    return parsed(ConsentBody, raw)


def opinion_of(body: FeedbackBody, actor: str) -> Opinion:
    """Return the opinion; without an id of the client's, the same words by the same actor are the same opinion."""
    said = body.model_dump_json(exclude={"token", "id"})
    return Opinion(
        completion_id=body.completion_id,
        key=body.id or "auto-" + hashlib.sha256(f"{actor}\0{said}".encode()).hexdigest()[:32],
        choice=body.choice,
        thumb=body.thumb or "",
        score=body.score,
        comment=body.comment or "",
        correction=body.correction or "",
        regenerated=bool(body.regenerated),
        actor=actor,
    )


class Tokens:
    """Presigned tokens: each opens the feedback on one completion until it expires, and nothing else.

    Args:
        secret: key of HMAC-SHA-256. hours: how long a token holds; 0 for none.
        clock: seconds since 1970.
    """

    def __init__(self, secret: bytes, hours: float, clock: Callable[[], float] = time.time) -> None:
        self._key = hmac.new(secret, b"loraloop feedback token 1", hashlib.sha256).digest()
        self._seconds, self._clock = hours * 3600, clock

    def sign(self, completion_id: str) -> str:
        """Return a token for a completion; empty where none are given."""
        if not self._seconds:
            return ""
        until = f"{int(self._clock() + self._seconds):x}"
        return f"{until}-{self._mac(completion_id, until)}"

    def holds(self, token: str, completion_id: str) -> bool:
        """Whether a token is ours, for this completion, and not yet expired."""
        until, _, mac = token.partition("-")
        if not self._seconds or not hmac.compare_digest(mac.encode(), self._mac(completion_id, until).encode()):
            return False
        return int(until, 16) > self._clock()

    def _mac(self, completion_id: str, until: str) -> str:
        return hmac.digest(self._key, f"{completion_id}\0{until}".encode(), "sha256").hex()[:40]


def parsed(kind: type[B], raw: bytes) -> B:
    """Return a checked body of a kind.

    Raises:
        Problem: 400 that names the field at fault.
    """
    try:
        return kind.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        if first["type"] == "json_invalid":
            raise Problem(400, "the body is not valid JSON", code="invalid_json") from None
        name = str(first["loc"][0]) if first["loc"] else "body"
        param = name if name in kind.model_fields else "body"
        said = "there is a field that is not known here" if param == "body" else f"`{param}`: {first['msg']}"
        raise Problem(400, said, param=param, code="invalid_value") from None
