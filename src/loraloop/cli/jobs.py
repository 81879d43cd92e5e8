"""Commands of durable jobs: worker, jobs list, show, cancel, pause, resume, retry."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import UnknownThing
from .messages import t
from .options import Actor, AsJson, session_of
from .stopping import told_to_stop

if TYPE_CHECKING:
    from ..jobs import Job, Wish

JobId = Annotated[str, typer.Argument(help="Id of a job, as jobs list shows it.")]
jobs = typer.Typer(help="Durable jobs: what waits, what is under way, what became of it.", no_args_is_help=True)


def worker(
    context: typer.Context,
    until_idle: Annotated[bool, typer.Option("--until-idle", help="End when no job is waiting.")] = False,
    only_bot: Annotated[bool, typer.Option("--only-bot", help="Do the jobs of one bot, not of all.")] = False,
    with_parent: Annotated[bool, typer.Option("--with-parent", hidden=True)] = False,
    as_json: AsJson = False,
) -> None:
    """Do jobs as they come, each in a process of its own, until SIGTERM; what is under way then goes on later."""
    from ..job_running import worker_of
    from ..lm.child import die_with_parent

    session = session_of(context, as_json)
    if with_parent:
        die_with_parent()
    with told_to_stop() as stop, session.opened() as home:
        session.note(t("worker.started", home=home.folder))
        tries = worker_of(home, every_bot=not only_bot).work(stop, until_idle=until_idle)
    session.say(t("worker.ended", tries=tries))
    session.answer({"tries": tries})


@jobs.command("list")
def list_(
    context: typer.Context,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="How many, the newest first.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List the jobs of the bot, newest first."""
    session = session_of(context, as_json)
    with session.opened() as home:
        found = home.store.jobs.list(home.bot, limit=limit)
    rows: list[tuple[str, ...]] = [
        (job.id, _state(job), job.name or "-", _far(job), f"{job.errors}/{job.crashes}", _moment(job.created_at),
         job.error)
        for job in found
    ]  # fmt: skip
    heads = ("job", "state", "name", "far", "bad", "at", "why")
    session.table(rows, tuple(t(f"jobs.{head}") for head in heads))
    session.answer({"jobs": [dict(job) for job in found]})


@jobs.command()
def show(context: typer.Context, id: JobId, as_json: AsJson = False) -> None:
    """Show one job and what happened to it, oldest first."""
    session = session_of(context, as_json)
    with session.opened() as home:
        job = home.store.jobs.get(id)
        if job is None:
            raise UnknownThing(f"no job {id!r}", hint="loraloop jobs list")
        events = home.store.jobs.events(id, limit=1000)[::-1]
    session.say(f"{job.id}: {_state(job)} {_far(job)}")
    if job.yielded_s:
        session.say(t("jobs.yielded", seconds=f"{job.yielded_s:.0f}"))
    for stage, facts in job.stages.items():
        session.say(f"  {stage}: {_shown(facts)}")
    session.table([(_moment(one.at), one.kind, _shown(one.facts)) for one in events])
    session.answer({"job": dict(job), "events": [dict(one) for one in events]})


def _asks(wish: Wish, about: str) -> None:
    """Add the command that asks a job for something."""

    def command(context: typer.Context, id: JobId, actor: Actor = "operator", as_json: AsJson = False) -> None:
        session = session_of(context, as_json)
        with session.opened() as home:
            job = home.store.jobs.ask(id, wish, actor)
        session.say(t("jobs.told", id=job.id) if job.wish else t("jobs.is", id=job.id, state=_state(job)))
        session.answer({"job": dict(job)})

    command.__doc__ = about
    jobs.command(wish)(command)


_asks("cancel", "Stop a job for good; one under way ends its processes first, a training keeps its checkpoint.")
_asks("pause", "Stop a job until it is resumed; what it finished is kept.")
_asks("resume", "Let a paused job go on where it was.")
_asks("retry", "Have a job tried again that failed, was cancelled or put aside; finished stages are not done again.")


def _state(job: Job) -> str:
    return t("jobs.state.yielding" if job.status == "running" and job.yielding else f"jobs.state.{job.status}")


def _far(job: Job) -> str:
    if job.status != "running" or not job.stage:
        return ", ".join(job.stages) or "-"
    return f"{job.stage} {job.steps}/{job.total}" if job.total else job.stage


def _shown(facts: Any) -> str:
    return ", ".join(f"{key}={value}" for key, value in facts.items() if value not in (None, ""))


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(worker)
    app.add_typer(jobs, name="jobs")
