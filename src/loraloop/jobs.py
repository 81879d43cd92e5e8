"""Values about durable jobs: what is to be done, who holds it, and what comes of it when a try ends. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from .record import Record

Status = Literal["queued", "running", "paused", "succeeded", "failed", "cancelled", "quarantined"]
FINAL: frozenset[str] = frozenset({"succeeded", "failed", "cancelled", "quarantined"})
"""A job in one of these is done with, unless a person has it tried again."""
Wish = Literal["cancel", "pause", "resume", "retry"]
WISHES: dict[str, frozenset[str]] = {
    "cancel": frozenset({"queued", "running", "paused"}),
    "pause": frozenset({"queued", "running"}),
    "resume": frozenset({"paused", "running"}),
    "retry": frozenset({"failed", "cancelled", "quarantined"}),
}
"""In which states a job may be asked for what."""
End = Literal["succeeded", "error", "refused", "crash", "stopped", "put_back"]
"""How a try ends: done; could not answer; never will; its process died or hung; stopped on request; never begun."""
STAGES = ("collect", "train", "evaluate", "gate", "deploy")
"""What a turn consists of, in order."""


@dataclass(frozen=True, slots=True)
class NewJob(Record):
    """A job to be enqueued.

    Attributes:
        key: the same key of the same bot is the same job, however often it is enqueued; empty for none.
        name: of the adapter; empty counts on.
        actor: who asked for it. reason: why, in words.
        priority: higher ones are done first.
        max_errors: tries that may end in an error before it has failed.
        stages: facts of stages that need not be done. metadata: the client's, kept and given back.
    """

    bot: str
    key: str = ""
    name: str = ""
    actor: str = "operator"
    reason: str = ""
    priority: int = 0
    max_errors: int = 5
    stages: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Job(Record):
    """A job as it stands.

    Attributes:
        number: the order of asking.
        stages: what each finished stage gave; such a stage is never done again.
        wish: what a person asks of whoever holds it: ``"cancel"``, ``"pause"`` or nothing.
        errors, crashes: tries that ended in an error, and those whose process died, hung or lost its lease.
        fence: counts holders; whoever holds an older number has lost the job and can change nothing.
        owner: identity of the process that holds the lease. process: of the one that does the work.
        stage, steps, total: how far it is.
        error: why the last try ended badly.
        yielding: whether it stands aside for users. yielded_s: for how long it did in all, in seconds.
    """

    id: str
    number: int
    bot: str
    key: str
    name: str
    actor: str
    reason: str
    priority: int
    status: Status
    created_at: datetime
    max_errors: int
    begun_at: datetime | None = None
    finished_at: datetime | None = None
    stages: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    wish: str = ""
    errors: int = 0
    crashes: int = 0
    fence: int = 0
    owner: str = ""
    process: str = ""
    stage: str = ""
    steps: int = 0
    total: int = 0
    error: str = ""
    yielding: bool = False
    yielded_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Lease(Record):
    """The right to work on a job, for as long as nobody else was given a later one."""

    job_id: str
    fence: int


@dataclass(frozen=True, slots=True)
class JobEvent(Record):
    """Something that happened to a job; ``facts`` hold ids and numbers, never what anybody said."""

    number: int
    job_id: str
    at: datetime
    kind: str
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RetryRule(Record):
    """When a try that ended badly is made again.

    Attributes:
        max_crashes: tries whose process may die before the job is put aside.
        delay_s: before the second try; doubled before each further one, up to ``delay_max_s``.
    """

    max_crashes: int = 2
    delay_s: float = 60.0
    delay_max_s: float = 3600.0


def retry_delay_s(tries: int, rule: RetryRule, drawn: float) -> float:
    """Return the seconds to wait after so many bad tries: doubled each time, capped, and jittered by up to a half.

    Args:
        drawn: a random number, 0..1, so that many jobs that failed together do not come back together.

    Example:
        >>> [retry_delay_s(n, RetryRule(), 1.0) for n in (1, 2, 3, 9)]
        [60.0, 120.0, 240.0, 3600.0]
        >>> retry_delay_s(1, RetryRule(), 0.0)
        30.0
    """
    longest = min(rule.delay_s * 2.0 ** min(max(tries - 1, 0), 60), rule.delay_max_s)
    return longest * (0.5 + 0.5 * drawn)


def after_try(job: Job, end: End, rule: RetryRule, drawn: float) -> tuple[dict[str, Any], float]:
    """Return what changes in a job when a try ends, and after how many seconds it may be tried again.

    What a person wished meanwhile wins over a try that ended badly; a job that is done is done.
    """
    errors, crashes = job.errors + (end in ("error", "refused")), job.crashes + (end == "crash")
    changes: dict[str, Any] = {"errors": errors, "crashes": crashes, "wish": ""}
    if end == "succeeded":
        return {**changes, "status": "succeeded"}, 0.0
    if job.wish in ("cancel", "pause"):
        return {**changes, "status": "cancelled" if job.wish == "cancel" else "paused"}, 0.0
    if end == "refused" or (end == "error" and errors >= job.max_errors):
        return {**changes, "status": "failed"}, 0.0
    if end == "crash" and crashes >= rule.max_crashes:
        return {**changes, "status": "quarantined"}, 0.0
    delay_s = retry_delay_s(errors + crashes, rule, drawn) if end in ("error", "put_back") else 0.0
    return {**changes, "status": "queued"}, delay_s


def stages_before(job: Job, stage: str) -> dict[str, Mapping[str, Any]]:
    """Return what the stages before one gave."""
    return {name: job.stages[name] for name in STAGES[: STAGES.index(stage)] if name in job.stages}


def after_wish(job: Job, wish: Wish) -> dict[str, Any]:
    """Return what changes in a job that is asked for something it can do; whoever holds it is only told.

    Example:
        >>> from datetime import UTC
        >>> at = datetime(2026, 1, 1, tzinfo=UTC)
        >>> job = Job("j", 1, "b", "", "", "op", "", 0, "queued", at, 5)
        >>> after_wish(job, "cancel")
        {'status': 'cancelled', 'wish': ''}
    """
    if job.status == "running":
        return {"wish": "" if wish == "resume" else wish}
    if wish == "retry":
        return {"status": "queued", "wish": "", "errors": 0, "crashes": 0, "error": "", "finished_at": None}
    return {"status": {"cancel": "cancelled", "pause": "paused", "resume": "queued"}[wish], "wish": ""}
