"""The ports of whatever keeps durable jobs: what people ask of it, and what those who work ask."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from .jobs import End, Job, JobEvent, Lease, NewJob, RetryRule, Wish


class JobStore(Protocol):
    """What people and programs see of jobs, and ask of them."""

    def add(self, new: NewJob) -> Job:
        """Enqueue a job, durably; one whose key is known is returned as it stands."""
        ...

    def get(self, job_id: str) -> Job | None:
        """The job of an id."""
        ...

    def events(self, job_id: str, *, after: int | None = None, limit: int = 100) -> list[JobEvent]:
        """Newest first, those before the event ``after``."""
        ...

    def ask(self, job_id: str, wish: Wish, actor: str) -> Job:
        """Ask for something; whoever holds the job hears of it at its next heartbeat.

        Raises:
            UnknownThing: no such job. UsageError: it cannot do that in its state.
        """
        ...

    def list(self, bot: str, *, after: str | None = None, limit: int = 100) -> list[Job]:
        """Newest first, those before the job ``after``.

        Raises:
            UnknownThing: there is no job ``after``.
        """
        ...

    def yielded_s(self, bot: str) -> float:
        """How long the jobs of a bot stood aside for users, in seconds."""
        ...


class LeaseStore(Protocol):
    """What those who work ask: a job to do, and to be heard while they hold it. Every call checks the fence."""

    def take(self, owner: str, lease_s: float, *, bot: str | None = None, job_id: str | None = None) -> Lease | None:
        """Lease the job that is next, or this one; ``None`` where none may be begun now.

        A bot's jobs are done one at a time. A job that is named is taken though it should still wait.
        """
        ...

    def begin(self, new: NewJob, owner: str, lease_s: float) -> tuple[Job, Lease | None]:
        """Enqueue a job and lease it, in one transaction; no lease where a job of that key is done, paused or held.

        Raises:
            StoreBusy: another job of the bot is held; nothing was enqueued.
        """
        ...

    def beat(self, lease: Lease, lease_s: float, **progress: Any) -> Job:
        """Hold on to a job for so many seconds more, and tell how far it is; returns it, with what people wish.

        Args:
            progress: ``process, stage, steps, total, yielding``, those that changed, and ``yielded_s``: for how long
                it stood aside for users since the last heartbeat that was heard.

        Raises:
            LeaseLost: somebody else has it, or it is done with.
        """
        ...

    def record(self, lease: Lease, stage: str, facts: Mapping[str, Any]) -> Mapping[str, Any]:
        """Write down what a stage gave; of a stage that was recorded before, what it gave then.

        Raises:
            LeaseLost: see ``beat``.
        """
        ...

    def undo(self, lease: Lease, stage: str) -> Job:
        """Forget what a stage and all after it gave, so that they are done anew.

        Raises:
            LeaseLost: see ``beat``.
        """
        ...

    def end(self, lease: Lease, how: End, rule: RetryRule, error: str = "") -> Job:
        """End a try, and let go.

        Raises:
            LeaseLost: see ``beat``.
        """
        ...

    def lost(self, *, settled: bool = False) -> list[tuple[Lease, Job]]:
        """Jobs whose holder is gone or has not been heard for too long; they are still theirs until ``reclaim``.

        Args:
            settled: wait for whoever writes; a holder that could not be heard because of them may be heard after that.

        Raises:
            StoreBusy: somebody still writes.
        """
        ...

    def reclaim(self, lease: Lease, rule: RetryRule, end: Callable[[Job], object] = lambda job: None) -> Job | None:
        """Count a crash of a job that is lost still, so that it can be leased again; ``None`` where it is not.

        Args:
            end: ends what still runs of a job that is lost for sure; no heartbeat can come in between.
        """
        ...
