"""Every path but the chat itself: models, feedback, consents, stored completions, health and metrics."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import FastAPI, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from ..errors import UnknownThing
from . import wire
from .chat_request import check_depth
from .door import ANONYMOUS, read_body
from .feedback import ConsentBody, FeedbackBody, opinion_of, parse_consent, parse_feedback
from .metrics import CONTENT_TYPE
from .problems import Problem
from .reviews import add_reviews
from .stored import deleted, messages_of, whole

if TYPE_CHECKING:
    from .gateway import Gateway

Id = Annotated[str, Path(min_length=1, max_length=128)]
Limit = Annotated[int, Query(ge=1, le=100)]
After = Annotated[str | None, Query(max_length=128)]


def add_paths(app: FastAPI, gateway: Gateway) -> None:
    """Add the paths and their errors."""
    _add_models(app, gateway)
    _add_opinions(app, gateway)
    _add_stored(app, gateway)
    add_reviews(app, gateway)
    _add_health(app, gateway)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        """A parameter of the path or the query is wrong."""
        first = error.errors()[0]
        raise Problem(400, f"`{first['loc'][-1]}`: {first['msg']}", param=str(first["loc"][-1]), code="invalid_value")

    @app.exception_handler(HTTPException)
    async def unknown(request: Request, error: HTTPException) -> Response:
        """The router knows no such path or method."""
        raise Problem(error.status_code, "there is no such path", code="unknown_path")


def _add_models(app: FastAPI, gateway: Gateway) -> None:
    began = int(gateway.now().timestamp())

    @app.get("/v1/models", summary="Models that may be named: aliases, releases, the base")
    async def models() -> Response:
        found = [wire.model(route, began) for route in gateway.routes.models()]
        return _json({"object": "list", "data": found})

    @app.get("/v1/models/{id}", summary="One model")
    async def model(id: Id) -> Response:
        found = next((route for route in gateway.routes.models() if route.model == id), None)
        if found is None:
            raise Problem(404, "there is no such model here", param="model", code="model_not_found")
        return _json(wire.model(found, began))


def _add_opinions(app: FastAPI, gateway: Gateway) -> None:
    archive, config = gateway.archive, gateway.config

    @app.post("/v1/feedback", summary="Say what an answer was like", openapi_extra=_body(FeedbackBody))
    async def feedback(request: Request) -> Response:
        raw = await read_body(request.receive, config.max_body_bytes)
        check_depth(raw, config.max_depth)
        body = parse_feedback(raw)
        caller = request.scope["state"]["caller"]
        if caller is ANONYMOUS and not gateway.tokens.holds(body.token or "", body.completion_id):
            raise Problem(401, "a key or a valid token is needed", param="token", code="invalid_token")
        opinion = opinion_of(body, "token" if caller is ANONYMOUS else f"key:{caller.id}")
        try:
            judged = await asyncio.to_thread(archive.judge, opinion)
        except UnknownThing:  # perhaps it waits to be written still
            await asyncio.to_thread(gateway.recorder.flush)
            judged = await asyncio.to_thread(archive.judge, opinion)
        new = judged is not None
        if judged is not None and gateway.trials is not None:
            gateway.trials.judged(judged, opinion)
        for kind in ("thumb", "score", "comment", "correction", "regenerated"):
            if new and getattr(body, kind) not in (None, False, ""):
                gateway.metrics.judged(kind)
        return _json({"object": "feedback", "id": opinion.key, "completion_id": body.completion_id, "new": new})

    @app.post("/v1/consents", summary="Grant or withdraw a person's consent", openapi_extra=_body(ConsentBody))
    async def consents(request: Request) -> Response:
        raw = await read_body(request.receive, config.max_body_bytes)
        check_depth(raw, config.max_depth)
        body = parse_consent(raw)
        await asyncio.to_thread(gateway.recorder.flush)  # what this person said a moment ago is theirs, too
        changed = await asyncio.to_thread(archive.consent, body.user, body.consent)
        return _json({"object": "consent", "consent": body.consent, "conversations": changed})


def _add_stored(app: FastAPI, gateway: Gateway) -> None:
    archive = gateway.archive

    def stored(id: str) -> Any:
        found = archive.find(id)
        if found is None:
            raise Problem(404, "no such completion is stored", param="completion_id", code="unknown_completion")
        return found

    @app.get("/v1/chat/completions", summary="Stored completions")
    def listed(
        after: After = None, limit: Limit = 20, order: Literal["asc", "desc"] = "asc", model: After = None
    ) -> Response:
        found = archive.page(after, limit + 1, order == "desc", model or "")
        return _json(wire.page([whole(one) for one in found[:limit]], len(found) > limit))

    @app.get("/v1/chat/completions/{id}", summary="One stored completion")
    def one(id: Id) -> Response:
        return _json(whole(stored(id)))

    @app.get("/v1/chat/completions/{id}/messages", summary="The messages of a stored completion")
    def messages(id: Id, after: After = None, limit: Limit = 20, order: Literal["asc", "desc"] = "asc") -> Response:
        found = messages_of(stored(id))
        found = found[::-1] if order == "desc" else found
        ids = [item["id"] for item in found]
        if after is not None and after not in ids:
            raise Problem(404, "there is no such message", param="after", code="unknown_message")
        rest = found[ids.index(after) + 1 :] if after is not None else found
        return _json(wire.page(rest[:limit], len(rest) > limit))

    @app.delete("/v1/chat/completions/{id}", summary="Take a stored completion out")
    def remove(id: Id) -> Response:
        gateway.recorder.flush()
        if not archive.remove(id):
            raise Problem(404, "no such completion is stored", param="completion_id", code="unknown_completion")
        return _json(deleted(id))


def _add_health(app: FastAPI, gateway: Gateway) -> None:
    @app.get("/healthz", summary="Whether the process answers")
    async def healthz() -> Response:
        return _json({"status": "ok"})

    @app.get("/readyz", summary="Whether a chat would be answered")
    async def readyz() -> Response:
        reason = await gateway.unready()
        told = {"status": "not ready", "reason": reason} if reason else {"status": "ready"}
        details = {"frozen": gateway.trials.frozen if gateway.trials is not None else "", "stopped": gateway.stopped}
        return JSONResponse(told | {name: said for name, said in details.items() if said}, 503 if reason else 200)

    @app.get("/metrics", summary="Counters, for Prometheus")
    def metrics() -> Response:  # in a thread: some numbers are the store's
        return Response(gateway.metrics.text(), media_type=CONTENT_TYPE)


def _json(value: Any) -> Response:
    return Response(wire.to_json(value), media_type="application/json")


def _body(kind: type[FeedbackBody] | type[ConsentBody]) -> dict[str, Any]:
    schema = json.loads(json.dumps(kind.model_json_schema()))
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
