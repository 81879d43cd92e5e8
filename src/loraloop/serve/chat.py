"""``POST /v1/chat/completions``: ask the routed release, show what the guards let through, keep what was said."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from starlette.types import Receive, Scope, Send

from ..errors import EngineError, LoraloopError, UnknownThing
from . import wire
from .answering import Answering, Leaving, all_of
from .chat_request import ask_of, parse_chat, texts
from .door import read_body
from .grouping import group_of
from .guards import Hit
from .keeping import Request, keep_answers, record, served, shown
from .problems import Problem, problem_of
from .sieve import Sieve

if TYPE_CHECKING:
    from .gateway import Gateway

log = logging.getLogger(__name__)
_JSON, _EVENTS = (b"content-type", b"application/json"), (b"content-type", b"text/event-stream; charset=utf-8")


class ChatEndpoint:
    """Answers chat requests."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        gateway, began = self._gateway, time.perf_counter()
        raw = await read_body(receive, gateway.config.max_body_bytes)
        body = parse_chat(raw, gateway.config)
        said = texts(body.messages, gateway.config)
        if gateway.config.capture == "strict" and gateway.recorder.is_broken:
            raise Problem(503, "exchanges cannot be stored now", code="not_durable", retry_after_s=1)
        user = gateway.archive.pseudonym(body.user) if body.user else None
        try:
            held = gateway.routes.hold(body.model, user)
            route = await held.__aenter__()
        except UnknownThing as error:
            said_back = "there is no such model here; GET /v1/models lists them"
            raise Problem(404, said_back, param="model", code="model_not_found") from error
        failures: list[EngineError] = []
        try:
            name, now = "chatcmpl-" + secrets.token_hex(12), gateway.now()
            group = group_of(scope, gateway.config.group, gateway.archive.pseudonym)
            request = Request(name, now, began, body, said, _question(said), user, group, route, failures)
            await self._respond(request, receive, send)
        finally:
            failure = failures[0] if failures else None
            await held.__aexit__(type(failure) if failure else None, failure, None)

    async def _respond(self, request: Request, receive: Receive, send: Send) -> None:
        """Let a guard answer, or the engine."""
        gateway = self._gateway
        for guard in gateway.guards:
            hit = guard.asked(request.question)
            if hit is not None:
                await self._reply(request, hit, send)
                return
        with gateway.answering():
            await (self._stream if request.body.stream else self._whole)(request, receive, send)

    def _answers(self, request: Request) -> list[Answering]:
        gateway = self._gateway
        return [
            Answering(
                gateway.engine,
                ask_of(request.body, request.said, request.route, choice),
                Sieve(gateway.guards, request.question),
                request.began,
            )
            for choice in range(request.body.n or 1)
        ]

    async def _whole(self, request: Request, receive: Receive, send: Send) -> None:
        """Answer in one piece."""
        gateway, answers = self._gateway, self._answers(request)
        problem = await self._run(request, receive, answers, all_of(answers))
        if problem is not None:
            await keep_answers(gateway, request, answers, problem)
            raise problem
        await keep_answers(gateway, request, answers, None)
        self._mirror(request, answers)
        tokens = wire.usage(answers[0].prompt_tokens, sum(one.completion_tokens for one in answers))
        choices = [(shown(one), one.finish) for one in answers]
        value = _whole(request, choices, tokens)
        await _send_json(send, {**value, "metadata": request.body.metadata}, self._headers(request, answers))

    async def _run(self, request: Request, receive: Receive, answers: Sequence[Answering], work: Any) -> Problem | None:
        """Do the work within its time and while the client waits; returns what went wrong."""
        leaving = Leaving(receive)
        try:
            async with leaving, asyncio.timeout(self._gateway.config.total_timeout_s):
                await work
        except TimeoutError:
            request.failures.append(EngineError("the answer took too long"))
            return Problem(504, "the answer took too long", code="timeout")
        except asyncio.CancelledError:  # the process ends; what was said so far is kept before this task does
            return Problem(503, "shutting down; try another", code="shutting_down", retry_after_s=5)
        except LoraloopError as error:
            if isinstance(error, EngineError):
                request.failures.append(error)
            log.warning("%s: a request to %s could not be answered", type(error).__name__, request.route.model)
            return problem_of(error)
        return Problem(499, "the client left", code="client_left") if leaving.left and _unfinished(answers) else None

    async def _stream(self, request: Request, receive: Receive, send: Send) -> None:
        """Answer as server-sent events."""
        gateway, answers = self._gateway, self._answers(request)
        chunks, with_usage = _chunks(request)
        begun, waiting = False, b""  # a write is dear: head and role go out with the first text, the last with the end

        async def put(event: bytes, more: bool = True) -> None:
            nonlocal begun, waiting
            event, waiting = waiting + event, b""
            if not begun:
                begun = True
                headers = [_EVENTS, (b"cache-control", b"no-store"), *self._headers(request, ())]
                await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": event, "more_body": more})

        async def write(index: int, one: Answering) -> None:
            async def show(text: str) -> None:
                nonlocal waiting
                if text:
                    await put(chunks.text(index, text))
                else:
                    waiting += chunks.role(index)

            nonlocal waiting
            await one.run(show)
            if one.last:
                waiting += chunks.text(index, one.last)

        async def work() -> None:
            for index, one in enumerate(answers):
                await write(index, one)
                if index + 1 < len(answers):
                    await put(chunks.finish(index, one.finish))

        problem = await self._run(request, receive, answers, work())
        try:
            await keep_answers(gateway, request, answers, problem)
        except Problem as unkept:
            problem = unkept
        if problem is not None:
            if not begun:
                raise problem
            await put(wire.error_event(problem.body()), more=False)
            return
        self._mirror(request, answers)
        end = chunks.finish(len(answers) - 1, answers[-1].finish)
        if with_usage:
            end += chunks.usage(wire.usage(answers[0].prompt_tokens, sum(one.completion_tokens for one in answers)))
        await put(end + wire.DONE, more=False)

    async def _reply(self, request: Request, hit: Hit, send: Send) -> None:
        """Answer with a guard's fixed reply; the model is not asked."""
        text, gateway = hit.reply_to(request.question), self._gateway
        gateway.metrics.guarded(request.label, hit.guard)
        gateway.metrics.answered(request.label, "guarded", 0, 0, (0, 0))
        facts = {"state": "guarded", "guard": hit.guard, "finish": "stop"}
        await record(gateway, [served(gateway, request, 0, text, facts)])
        headers = [(b"x-guard", hit.guard.encode()), *self._headers(request, ())]
        if not request.body.stream:
            await _send_json(send, _whole(request, [(text, "stop")], wire.usage(0, 0)), headers)
            return
        chunks, with_usage = _chunks(request)
        body = chunks.role(0) + chunks.text(0, text) + chunks.finish(0, "stop")
        body += chunks.usage(wire.usage(0, 0)) if with_usage else b""
        await send({"type": "http.response.start", "status": 200, "headers": [_EVENTS, *headers]})
        await send({"type": "http.response.body", "body": body + wire.DONE})

    def _mirror(self, request: Request, answers: Sequence[Answering]) -> None:
        if self._gateway.shadow is not None:
            self._gateway.shadow.follow(request, answers)

    def _headers(self, request: Request, answers: Sequence[Answering]) -> list[tuple[bytes, bytes]]:
        found = []
        token = self._gateway.tokens.sign(request.id)
        if token:
            found.append((b"x-feedback-token", token.encode()))
        guard = next((one.guard for one in answers if one.guard), "")
        return [*found, (b"x-guard", guard.encode())] if guard else found


def _whole(request: Request, choices: Sequence[tuple[str, str]], tokens: Mapping[str, int]) -> dict[str, Any]:
    model, release = request.route.model, request.route.release_id
    return wire.completion(request.id, request.created, model, choices, tokens) | {"system_fingerprint": release}


def _chunks(request: Request) -> tuple[wire.Chunks, bool]:
    """What writes a request's chunks, and whether usage comes last."""
    options, route = request.body.stream_options, request.route
    with_usage = bool(options and options.include_usage)
    chunks = wire.Chunks(request.id, request.created, route.model, with_usage, fingerprint=route.release_id)
    return chunks, with_usage


def _unfinished(answers: Sequence[Answering]) -> bool:
    return any(one.state == "aborted" for one in answers)


def _question(said: Sequence[Mapping[str, str]]) -> str:
    """What the user wrote since the last answer."""
    found: list[str] = []
    for one in reversed(said):
        if one["role"] != "user":
            break
        found.append(one["content"])
    return "\n".join(reversed(found))


async def _send_json(send: Send, value: Mapping[str, Any], headers: Sequence[tuple[bytes, bytes]]) -> None:
    body = wire.to_json(value)
    start = [_JSON, (b"content-length", str(len(body)).encode()), *headers]
    await send({"type": "http.response.start", "status": 200, "headers": start})
    await send({"type": "http.response.body", "body": body})
