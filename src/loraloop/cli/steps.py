"""Commands that move the loop: turn, train, evaluate, deploy, confirm, rollback, cleanup, demo."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..calibration import last_calibration
from ..errors import DeployError, UsageError
from .messages import t
from .options import Actor, Adapter, AsJson, Folder, Name, session_of
from .telling import (
    exit_by,
    tell_adapter,
    tell_dataset,
    tell_decision,
    tell_release,
    tell_report,
    tell_tasks,
    without_rows,
)

if TYPE_CHECKING:
    from ..evaluate.harness import TaskScore
    from ..ports import Progress
    from ..types import Adapter as TrainedAdapter
    from ..types import Decision


def turn(context: typer.Context, name: Name = None, actor: Actor = "operator", as_json: AsJson = False) -> None:
    """Run the loop once: collect, train, evaluate, gate, deploy. Exit code 1: not promoted."""
    from ..job_running import turn_by_hand

    session = session_of(context, as_json)
    with session.opened() as home, session.progress() as progress:
        result = turn_by_hand(home, name, actor, progress)
        measured = last_calibration(home)
    tell_dataset(session, result.dataset)
    tell_adapter(session, result.adapter)
    tell_report(session, result.report)
    tell_decision(session, result.decision, measured)
    tell_release(session, result.release)
    parts = ("dataset", "adapter", "report", "decision", "release")
    session.answer({part: without_rows(getattr(result, part)) for part in parts})
    exit_by(result.decision)


def train(context: typer.Context, name: Name = None, as_json: AsJson = False) -> None:
    """Train an adapter on everything that may be learnt now; it is neither judged nor deployed."""
    from ..turning import turning

    session = session_of(context, as_json)
    with session.opened() as home, turning(home), session.progress() as progress:
        dataset = home.loop.collect()
        adapter = home.loop.train(dataset, name, progress=progress)
    tell_dataset(session, dataset)
    tell_adapter(session, adapter)
    session.answer({"dataset": without_rows(dataset), "adapter": dict(adapter)})


def evaluate(
    context: typer.Context,
    adapter: Adapter,
    html: Annotated[Path | None, typer.Option("--html", help="Write the report as one page to this file.")] = None,
    tasks: Annotated[
        Path | None, typer.Option("--tasks", help="Ask the lm-evaluation-harness tasks of this folder too.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Ask an adapter, the live one and the base the same questions; what the gate would say is shown, not kept."""
    from datetime import UTC, datetime

    session = session_of(context, as_json)
    if html is not None and (html.is_dir() or not os.access(html.parent, os.W_OK)):
        raise UsageError(f"{html} cannot be written", hint="name a file in a folder that is there and is yours")
    with session.opened() as home, session.progress() as progress:
        found = home.loop.find_adapter(adapter)
        report = home.loop.evaluate(found, progress=progress)
        decision = home.decide(report, actor="preview", now=datetime.now(UTC))
        measured = last_calibration(home)
        scores = _task_scores(home, found, tasks, progress) if tasks is not None else []
    tell_report(session, report)
    tell_tasks(session, scores)
    session.say(t("verdict.would"))
    tell_decision(session, decision, measured)
    if html is not None:
        from .report_page import report_page

        html.write_text(report_page(report, decision, t("page.title", name=found.name), scores), encoding="utf-8")
        session.say(t("page.written", path=html))
    session.answer({**report, "tasks": [dict(score) for score in scores]} if scores else report)


def _task_scores(home: Any, adapter: TrainedAdapter, folder: Path, progress: Progress) -> list[TaskScore]:
    from ..evaluate.harness import run_tasks
    from ..evaluate.questions import Subject

    live = home.loop.live_adapter()
    subjects = [Subject("candidate", adapter.id, Path(adapter.path))]
    if live is not None and live.id != adapter.id and live.base_id == adapter.base_id:
        subjects.append(Subject("live", live.id, Path(live.path)))
    return run_tasks(
        home.base.folder,
        [*subjects, Subject("base", adapter.base_id, None)],
        folder,
        system_prompt=home.settings.base.system_prompt,
        dtype=home.settings.evaluate.dtype,
        device=home.settings.evaluate.device,
        progress=progress,
        yielding=home.yielding,
    )


def deploy(
    context: typer.Context,
    adapter: Adapter,
    force: Annotated[bool, typer.Option("--force", help="Release it whatever the gate says; needs --reason.")] = False,
    reason: Annotated[str, typer.Option("--reason", help="Why it is forced; written into the history.")] = "",
    actor: Actor = "operator",
    as_json: AsJson = False,
) -> None:
    """Make an adapter live that the gate promoted."""
    from ..deploy.autorollback import refuse_without_a_person

    session = session_of(context, as_json)
    if force and not reason.strip():
        raise UsageError("forcing a release needs a reason", hint='--force --reason "why"')
    with session.opened() as home:
        found = home.loop.find_adapter(adapter)
        if not force:  # told first: no further judgement would help
            refuse_without_a_person(home.store.state, home.bot, found.digest, found.name)
        decision = forced_decision(home, found, reason, actor) if force else judged_decision(home, found)
        release = home.deployer.release(
            decision, found, serving=home.serving(), actor=actor, method="force" if force else "auto"
        )
    tell_release(session, release)
    session.answer(release)


def judged_decision(home: Any, adapter: TrainedAdapter) -> Decision:
    """The gate's newest decision; a forced one, or one about the adapter beside itself, judged nothing."""
    for decision in home.store.decisions.list(home.bot):
        if decision.adapter_id == adapter.id and decision.report_id:
            report = home.store.reports.get(decision.report_id)
            if report is None or report.baseline_id != adapter.id:
                found: Decision = decision
                return found
    raise DeployError(
        f"nothing was decided about {adapter.name} yet",
        hint=f"loraloop evaluate {adapter.name}; loraloop gate {adapter.name}",
    )


def forced_decision(home: Any, adapter: TrainedAdapter, reason: str, actor: str) -> Decision:
    """A decision that says who forces what, and why."""
    from datetime import UTC, datetime

    from ..deploy.history import identity
    from ..types import Decision

    now = datetime.now(UTC)
    decision = Decision(
        id=identity("dc", adapter.id, actor, now.isoformat()),
        bot=home.bot,
        adapter_id=adapter.id,
        verdict="hold",
        created_at=now,
        actor=actor,
        reason=f"forced: {reason}",
    )
    put: Decision = home.store.decisions.put(decision)
    return put


def confirm(
    context: typer.Context,
    release: Annotated[str | None, typer.Argument(help="Id of a release; the live one if left out.")] = None,
    actor: Actor = "operator",
    as_json: AsJson = False,
) -> None:
    """End the trial of a release: it stays."""
    session = session_of(context, as_json)
    with session.opened() as home:
        confirmed = home.deployer.confirm(release, actor)
    session.say(t("release.confirmed", version=confirmed.version))
    session.answer(confirmed)


def rollback(
    context: typer.Context,
    target: Annotated[
        str | None, typer.Argument(help="Adapter, release id or version, or 'base'; the one before if left out.")
    ] = None,
    actor: Actor = "operator",
    as_json: AsJson = False,
) -> None:
    """Go back to an earlier release: the same bytes, verified."""
    session = session_of(context, as_json)
    with session.opened(urgent=True) as home:
        done = home.deployer.rollback_adapter(target, actor=actor)
    if not done["success"]:
        raise DeployError(done["error"], hint=done["hint"])
    session.say(t("rollback.done", from_=done["rolled_back_from"], to=done["target_adapter"]))
    session.answer(done)


def cleanup(
    context: typer.Context,
    keep: Annotated[int | None, typer.Option("--keep", min=0, help="Newest adapters to keep besides.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove old adapters and backups; never the live, previous, on-trial or pinned ones."""
    from ..turning import turning

    session = session_of(context, as_json)
    with session.opened() as home, turning(home):
        done = home.deployer.cleanup_old_adapters(keep, dry_run=dry_run)
    count, names = done["deleted_adapters"], ", ".join(done["deleted_adapter_names"]) or "-"
    if dry_run:
        session.say(t("cleanup.would", count=count, names=names))
    else:
        session.say(t("cleanup.done", count=count, backups=done["deleted_backups"]))
    session.answer(done)


def demo(
    context: typer.Context,
    base: Annotated[str, typer.Option("--base", help="smollm2 (English) or gemma (Korean).")] = "smollm2",
    keep: Folder = None,
    as_json: AsJson = False,
) -> None:
    """Play the whole loop on real conversations and a real model: two turns, a way back, and two canaries on users."""
    from . import demo as play

    session = session_of(context, as_json)
    session.answer(play.demo(base, keep, as_json))


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (turn, train, evaluate, deploy, confirm, rollback, cleanup, demo):
        app.command()(command)
