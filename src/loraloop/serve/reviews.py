"""The review queue over HTTP: what waits for a person, and what a person decides. For operators alone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol

from fastapi import FastAPI, Query, Request, Response
from pydantic import BaseModel, ConfigDict, StringConstraints

from ..types import Waiting
from . import wire
from .chat_request import check_depth
from .door import read_body
from .feedback import Text, parsed
from .problems import Problem

if TYPE_CHECKING:
    from .gateway import Gateway

Limit = Annotated[int, Query(ge=1, le=100)]


class Reviews(Protocol):
    """Whoever keeps the queue."""

    def waiting(self, limit: int) -> Sequence[Waiting]:
        """What waits: talk of distress first, then the oldest."""
        ...

    def decide(self, id: str, decision: str, *, text: str, reviewer: str) -> Any:
        """Keep a decision.

        Raises:
            UnknownThing: no such answer. UsageError: that cannot be decided about it.
        """
        ...


class DecisionBody(BaseModel):
    """What a person decides about an answer; ``text`` is the better answer of an edit."""

    model_config = ConfigDict(extra="forbid")
    id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}#[0-9]{1,4}$")]
    decision: Literal["approve", "edit", "reject", "seen"]
    text: Text | None = None


def add_reviews(app: FastAPI, gateway: Gateway) -> None:
    """Add the paths of the queue."""

    def queue() -> Reviews:
        if gateway.reviews is None:
            raise Problem(404, "this gateway keeps no reviews", code="unknown_path")
        return gateway.reviews

    @app.get("/v1/reviews", summary="Answers that wait for a person's judgement")
    def waiting(limit: Limit = 20) -> Response:
        gateway.recorder.flush()
        found = [told(one) for one in queue().waiting(limit)]
        return Response(wire.to_json({"object": "list", "data": found}), media_type="application/json")

    schema = {"requestBody": {"required": True, "content": {"application/json": {
        "schema": DecisionBody.model_json_schema()}}}}  # fmt: skip

    @app.post("/v1/reviews", summary="Approve, edit or reject an answer", openapi_extra=schema)
    async def decide(request: Request) -> Response:
        raw = await read_body(request.receive, gateway.config.max_body_bytes)
        check_depth(raw, gateway.config.max_depth)
        body = parsed(DecisionBody, raw)
        if body.decision == "edit" and not (body.text or "").strip():
            raise Problem(400, "an edit needs the better answer: text", param="text", code="invalid_value")
        by = f"key:{request.scope['state']['caller'].id}"
        desk = queue()
        await asyncio.to_thread(lambda: desk.decide(body.id, body.decision, text=body.text or "", reviewer=by))
        value = {"object": "review", "id": body.id, "decision": body.decision}
        return Response(wire.to_json(value), media_type="application/json")


def told(one: Waiting) -> dict[str, Any]:
    """Return a waiting answer as clients read it."""
    return {
        "id": one.id,
        "reason": one.reason,
        "created_at": int(one.created_at.timestamp()),
        "messages": [{"role": said.role, "content": said.text} for said in one.prompt],
        "answer": one.answer,
        "faults": list(one.faults),
    }
