"""What the scheduler remembers over a restart, and how each thing that happens changes it. Pure but for the keeper."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from ..errors import StoreError
from ..ports import StateStore
from ..steady import Steady
from ..types import Mark, utc
from .facts import Facts, RunTime
from .jobs import Job, job_from
from .pipeline import Outcome

SCHEMA_VERSION = 2
_READ_VERSIONS = (1, 2)
_RUNS_KEPT_DAYS = 40
_CLOCK_WAS_WRONG = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Memory:
    """Everything of one scheduler that outlives its process.

    Attributes:
        last_training_time: when the last run that trained ended well, or the last turn by hand.
        last_run_at: when the last run ended, well or given up, or the last turn by hand.
        seen_rows: rows there were when the last of those that went well began; what came since is new.
        jobs: runs that wait or are under way; one that was cut off by a crash is found here again.
        next_number: of the next job.
        last_outcome: how the last try ended.
        learnt: the mark of the dataset of the last good run, or turn by hand; what came since is new.
        cron_from: cron moments after it are still to be acted on; ``None`` before the first look.
        steady: when the last run ended, by the clock that cannot be set.
        runs: tries of the last weeks, for what is counted by day and by month.
    """

    last_training_time: datetime | None = None
    last_run_at: datetime | None = None
    total_training_runs: int = 0
    successful_runs: int = 0
    failed_runs: int = 0
    seen_rows: int = 0
    jobs: tuple[Job, ...] = ()
    next_number: int = 1
    last_outcome: Outcome | None = None
    learnt: Mark | None = None
    cron_from: datetime | None = None
    steady: Steady | None = None
    runs: tuple[RunTime, ...] = ()

    def queued(self, name: str, cause: str, reason: str, request: str = "") -> Memory:
        """Return the memory with one more job at its end."""
        job = Job(self.next_number, name, cause, reason, request=request)
        return replace(self, jobs=(*self.jobs, job), next_number=job.number + 1)

    def changed(self, job: Job) -> Memory:
        """Return the memory with a job of the same number in the place of the old one."""
        return replace(self, jobs=tuple(job if one.number == job.number else one for one in self.jobs))

    def begun(self, job: Job, now: datetime) -> Memory:
        """Return the memory at the beginning of a try: the cron moments so far are acted on by it."""
        return replace(self.changed(job), cron_from=self.cron_from and max(now, self.cron_from))

    def looked(self, now: datetime, *, let_go: bool) -> Memory:
        """Return the memory after a look: cron moments count from the first one, and on from one that was let go.

        A time that lies more than a day ahead was written while the clock was wrong; moments count from now then.
        """
        was = self.cron_from
        if was is None or let_go or was - now > _CLOCK_WAS_WRONG:
            return replace(self, cron_from=now)
        return self

    def recorded(
        self,
        job: Job,
        outcome: Outcome,
        again: datetime | None,
        *,
        rows: int,
        now: datetime,
        mark: Mark | None = None,
        took: RunTime | None = None,
        steady: Steady | None = None,
    ) -> Memory:
        """Return the memory after a try of a job ended.

        A skipped run is no run: it is not counted and does not start the interval anew.

        Args:
            again: when it is tried again; ``None`` when it is done with.
            rows: there were when it began.
            mark: of the dataset it learnt from.
            took: when it began, and for how long. steady: the time now, by the clock that cannot be set.
        """
        done, skipped = outcome.status == "completed", outcome.status == "skipped"
        kept = tuple(run for run in self.runs if now - run.began_at < timedelta(days=_RUNS_KEPT_DAYS))
        after = replace(
            self,
            total_training_runs=self.total_training_runs + (not skipped),
            successful_runs=self.successful_runs + done,
            failed_runs=self.failed_runs + (outcome.status == "failed"),
            last_training_time=now if done else self.last_training_time,
            seen_rows=rows if done else self.seen_rows,
            learnt=mark if done and mark is not None else self.learnt,
            last_outcome=outcome,
            runs=(*kept, took) if took is not None and not skipped else kept,
        )
        if again is not None:
            return after.changed(replace(job, not_before=again))
        left = tuple(one for one in self.jobs if one.number != job.number)
        if skipped:
            return replace(after, jobs=left)
        return replace(after, jobs=left, last_run_at=now, steady=steady)

    def after_turn(self, rows: int, at: datetime, mark: Mark | None = None) -> Memory:
        """Return the memory after the loop was turned without the scheduler: it learnt from the rows, too.

        Args:
            rows: there were when it began.
            at: when it ended; one that is older than the last run changes nothing.
            mark: of the dataset it learnt from.
        """
        if self.last_run_at is not None and at <= self.last_run_at:
            return self
        learnt = mark if mark is not None else self.learnt
        return replace(self, seen_rows=rows, last_run_at=at, last_training_time=at, learnt=learnt, steady=None)

    def facts(self, now: datetime, rows: int | None, running: Job | None, steady: Steady | None = None) -> Facts:
        """Return what triggers look at.

        Args:
            rows: new ones; ``None`` where nothing counts them.
            running: the job under way.
            steady: the time now, by the clock that cannot be set.
        """
        known = self.steady is not None and steady is not None and self.steady[0] == steady[0]
        return Facts(
            now=now,
            last_run_at=self.last_run_at,
            rows=rows,
            running=running.name if running else None,
            retrying=next((job.name for job in self.jobs if job.cause == "automatic"), None),
            asked=tuple(job.name for job in self.jobs if job.cause == "manual"),
            passed_s=steady[1] - self.steady[1] if known and steady and self.steady else None,
            learnt_at=self.last_training_time,
            cron_from=self.cron_from,
            runs=self.runs,
        )


class MemoryKeeper:
    """Reads and writes a memory under one key.

    Args:
        state: ``None`` keeps nothing: the memory then ends with the process.
        key: under which it is kept.
    """

    def __init__(self, state: StateStore | None, key: str) -> None:
        self._state, self._key = state, key
        self.lasting = state is not None

    def load(self) -> Memory:
        """Return what was last kept, or an empty memory.

        Raises:
            StoreError: what is kept cannot be read by this version.
        """
        kept = self._state.read(self._key) if self._state is not None else None
        if kept is None:
            return Memory()
        try:
            return memory_from(kept)
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            raise StoreError(
                f"the scheduler's memory {self._key!r} cannot be read ({type(error).__name__})",
                hint="restore the database from a backup, or use a newer version of this program",
            ) from error

    def keep(self, memory: Memory) -> None:
        """Write it durably."""
        if self._state is not None:
            self._state.write(self._key, memory_plain(memory))


def memory_plain(memory: Memory) -> dict[str, Any]:
    """Return a memory as JSON-able data."""
    return {"schema_version": SCHEMA_VERSION} | {key: _text(value) for key, value in asdict(memory).items()}


def memory_from(kept: dict[str, Any]) -> Memory:
    """Return the memory of its plain form.

    Raises:
        ValueError, TypeError, KeyError, AttributeError: it is none.
    """
    found = dict(kept)
    if found.pop("schema_version") not in _READ_VERSIONS:
        raise ValueError("unknown schema version")
    for key in ("last_training_time", "last_run_at", "cron_from"):
        found[key] = utc(found.get(key))
    found["jobs"] = tuple(job_from(job) for job in found.get("jobs", ()))
    found["runs"] = tuple(RunTime(_moment(run["began_at"]), float(run["seconds"])) for run in found.get("runs", ()))
    found["learnt"] = Mark(**found["learnt"]) if found.get("learnt") else None
    steady = found.get("steady")
    found["steady"] = (str(steady[0]), float(steady[1])) if steady else None
    outcome = found.get("last_outcome")
    found["last_outcome"] = Outcome(**outcome) if outcome else None
    return Memory(**found)


def _moment(text: Any) -> datetime:
    moment = utc(text)
    if moment is None:
        raise ValueError("a time is missing")
    return moment


def _text(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, dict):
        return {key: _text(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_text(item) for item in value]
    return value


def as_utc(moment: datetime | None) -> datetime | None:
    """Return a time in UTC; a naive one, as older callers set it, is local time."""
    return None if moment is None else moment.astimezone(UTC)
