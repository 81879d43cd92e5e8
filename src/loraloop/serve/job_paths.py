"""The paths of durable jobs: /v1/fine_tuning/jobs, as OpenAI's clients call them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import FastAPI, Path, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from ..jobs import Job, Wish
from . import fine_tuning, wire
from .chat_request import check_depth
from .door import read_body
from .job_board import JobBoard
from .problems import Problem

if TYPE_CHECKING:
    from .gateway import Gateway

Id = Annotated[str, Path(min_length=1, max_length=128)]
Limit = Annotated[int, Query(ge=1, le=100)]
After = Annotated[str | None, Query(max_length=128)]
JOBS = "/v1/fine_tuning/jobs"


def add_job_paths(app: FastAPI, gateway: Gateway) -> None:
    """Add the paths."""

    def board() -> JobBoard:
        if gateway.jobs is None:
            raise Problem(404, "this gateway has no jobs", code="no_jobs")
        return gateway.jobs

    def shown(job: Job) -> dict[str, Any]:
        return fine_tuning.job(job, board().adapter(job), board().recipe)

    _add_reading(app, board, shown)

    @app.post(JOBS, summary="Turn the loop once, as a job", openapi_extra={"requestBody": _request_body()})
    async def create(request: Request) -> Response:
        raw = await read_body(request.receive, gateway.config.max_body_bytes)
        check_depth(raw, gateway.config.max_depth)
        body = fine_tuning.parse_job(raw, board().recipe)

        def enqueue() -> dict[str, Any]:
            dataset = "" if body.training_file == fine_tuning.CONVERSATIONS else body.training_file
            return shown(
                board().enqueue(
                    name=body.suffix or "", dataset_id=dataset, actor=_actor(request),
                    key=request.headers.get("idempotency-key", "")[:256], metadata=body.metadata or {},
                )
            )  # fmt: skip

        return _json(await run_in_threadpool(enqueue))

    def asking(wish: Wish, summary: str) -> None:
        @app.post(f"{JOBS}/{{id}}/{wish}", summary=summary, operation_id=f"{wish}_job")
        def ask(id: Id, request: Request) -> Response:
            return _json(shown(board().ask(id, wish, _actor(request))))

    asking("cancel", "Stop a job for good")
    asking("pause", "Stop a job until it is resumed")
    asking("resume", "Let a paused job go on")


def _add_reading(app: FastAPI, board: Callable[[], JobBoard], shown: Callable[[Job], dict[str, Any]]) -> None:
    @app.get(JOBS, summary="Jobs, the newest first")
    def listed(after: After = None, limit: Limit = 20) -> Response:
        found = board().page(after, limit + 1)
        return _json(wire.page([shown(one) for one in found[:limit]], len(found) > limit))

    @app.get(f"{JOBS}/{{id}}", summary="One job")
    def one_job(id: Id) -> Response:
        return _json(shown(board().find(id)))

    @app.get(f"{JOBS}/{{id}}/events", summary="What happened to a job, the newest first")
    def events(id: Id, after: After = None, limit: Limit = 20) -> Response:
        job = board().find(id)
        found = board().events(job.id, fine_tuning.event_number(after), limit + 1)
        return _json(wire.page([fine_tuning.event(one) for one in found[:limit]], len(found) > limit))

    @app.get(f"{JOBS}/{{id}}/checkpoints", summary="The weights that a job made and that can be used")
    def checkpoints(id: Id, after: After = None, limit: Limit = 10) -> Response:
        job = board().find(id)
        found = fine_tuning.checkpoints(job, board().adapter(job))
        return _json(wire.page([] if after is not None else found[:limit], False))


def _actor(request: Request) -> str:
    return f"key:{request.scope['state']['caller'].id}"


def _json(value: Any) -> Response:
    return Response(wire.to_json(value), media_type="application/json")


def _request_body() -> dict[str, Any]:
    """The body's schema, without references, which the document could not resolve."""
    auto = fine_tuning.Automatic.model_json_schema()
    schema = fine_tuning.JobBody.model_json_schema()
    schema.pop("$defs", None)
    method = {"type": "object", "properties": {"type": {"const": "supervised"}}, "required": ["type"]}
    schema["properties"] |= {"method": {"anyOf": [method, {"type": "null"}]},
                             "hyperparameters": {"anyOf": [auto, {"type": "null"}]}}  # fmt: skip
    return {"required": True, "content": {"application/json": {"schema": schema}}}
