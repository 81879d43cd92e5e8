"""What becomes of answers once they ended: counted, kept with the release that gave them, told to the experiment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import perf_counter
from typing import TYPE_CHECKING, Any

from ..errors import EngineError
from ..traffic import NOT_STORED, Served
from .answering import Answering
from .chat_request import ChatBody
from .problems import Problem
from .routes import Route

if TYPE_CHECKING:
    from .gateway import Gateway


@dataclass(slots=True)
class Request:
    """One request as it is worked on.

    Attributes:
        failures: what the engine did not do; it counts against the route, so that no failing release is confirmed.
    """

    id: str
    at: datetime
    began: float
    body: ChatBody
    said: tuple[dict[str, str], ...]
    question: str
    user: str | None
    group: str | None
    route: Route
    failures: list[EngineError]

    @property
    def created(self) -> int:
        """Seconds since 1970."""
        return int(self.at.timestamp())

    @property
    def label(self) -> str:
        """How its release is named in metrics."""
        return self.route.release_id or self.route.model


async def keep_answers(
    gateway: Gateway, request: Request, answers: Sequence[Answering], problem: Problem | None
) -> None:
    """Count the answers, keep them, tell the experiment; what was cut short is marked, what was refused is not kept.

    Raises:
        Problem: capture is strict, and they cannot be stored now.
    """
    seconds = perf_counter() - request.began
    failing = next((one for one in answers if one.state == "aborted"), None) if request.failures else None
    for one in answers:
        state = "failed" if problem is not None and problem.status == 503 and one.state == "aborted" else one.state
        gateway.metrics.answered(request.label, state, one.first_s, seconds, (one.prompt_tokens, one.completion_tokens))
        if one.guard:
            gateway.metrics.guarded(request.label, one.guard)
        if one is failing or one.state != "aborted" or (one.first_s and not failing):  # of the rest nothing was seen
            await _tell_experiment(gateway, request, one, seconds, failed=one is failing)
    if problem is not None and problem.status == 400:
        return
    await record(
        gateway,
        [
            served(gateway, request, choice, shown(one) if not request.body.stream else one.sieve.shown, {
                "state": one.state, "guard": one.guard, "finish": one.finish,
                "prompt_tokens": one.prompt_tokens, "completion_tokens": one.completion_tokens,
                "first_token_s": one.first_s, "seconds": seconds,
            })
            for choice, one in enumerate(answers)
        ],
        must=problem is None,
    )  # fmt: skip


async def record(gateway: Gateway, answers: Sequence[Served], must: bool = True) -> None:
    """Keep answers as the settings say.

    Args:
        must: strict capture waits until they are durable.

    Raises:
        Problem: it waited in vain.
    """
    if gateway.config.capture == "off":
        return
    if gateway.config.capture == "strict" and must:
        try:
            await gateway.recorder.keep(answers)
        except Exception as error:  # whatever the store said, nothing that is not durable is acknowledged
            raise Problem(503, "this exchange cannot be stored now", code="not_durable", retry_after_s=1) from error
        return
    for one in answers:
        gateway.recorder.offer(one)


def served(gateway: Gateway, request: Request, choice: int, answer: str, facts: Mapping[str, Any]) -> Served:
    """Return an answer as it left the gateway."""
    body, route = request.body, request.route
    consent = {True: "granted", False: NOT_STORED, None: gateway.config.consent}[body.store]
    metadata = body.metadata or {}
    return Served(
        id=request.id, created_at=request.at, model=route.model, release_id=route.release_id,
        messages=request.said, answer=answer, choice=choice, consent=consent, user=request.user,
        session=metadata.get("session"), metadata=metadata, experiment_id=route.experiment_id, arm=route.arm,
        group=request.group, **facts,
    )  # fmt: skip


def shown(one: Answering) -> str:
    """What a client that gets the answer whole is shown: where a guard spoke, its reply alone."""
    return one.sieve.shown if one.sieve.hit is None else one.sieve.reply


async def _tell_experiment(gateway: Gateway, request: Request, one: Answering, seconds: float, *, failed: bool) -> None:
    """An answer that a leaving client cut short has neither time nor length, and is no failure."""
    if gateway.trials is None:
        return
    whole = one.state == "done"
    await gateway.trials.answered(
        request.route,
        request.user,
        failed=failed,
        guard_hit=bool(one.guard),
        latency_s=seconds if whole else None,
        length_chars=len(one.sieve.shown) if whole else None,
    )
