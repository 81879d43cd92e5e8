"""Commands that move the loop: turn, train, evaluate, gate, deploy, confirm, rollback, cleanup, run, demo."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import DeployError, UsageError
from ..turning import scheduled, turning
from . import exit_codes
from .messages import t
from .options import Actor, Adapter, AsJson, Folder, Name, session_of

if TYPE_CHECKING:
    from ..types import Adapter as TrainedAdapter
    from ..types import Dataset, Decision, Release, Report
    from .session import Session


def turn(context: typer.Context, name: Name = None, actor: Actor = "operator", as_json: AsJson = False) -> None:
    """Run the loop once: collect, train, evaluate, gate, deploy. Exit code 1: not promoted."""
    session = session_of(context, as_json)
    with session.opened() as home, session.progress() as progress:
        result = home.loop.turn(name, actor=actor, progress=progress)
    _tell_dataset(session, result.dataset)
    _tell_adapter(session, result.adapter)
    _tell_report(session, result.report)
    _tell_decision(session, result.decision)
    _tell_release(session, result.release)
    parts = ("dataset", "adapter", "report", "decision", "release")
    session.answer({part: _without_rows(getattr(result, part)) for part in parts})
    _exit_by(result.decision)


def train(context: typer.Context, name: Name = None, as_json: AsJson = False) -> None:
    """Train an adapter on everything that may be learnt now; it is neither judged nor deployed."""
    session = session_of(context, as_json)
    with session.opened() as home, turning(home), session.progress() as progress:
        dataset = home.loop.collect()
        adapter = home.loop.train(dataset, name, progress=progress)
    _tell_dataset(session, dataset)
    _tell_adapter(session, adapter)
    session.answer({"dataset": _without_rows(dataset), "adapter": dict(adapter)})


def evaluate(context: typer.Context, adapter: Adapter, as_json: AsJson = False) -> None:
    """Ask an adapter, the live one and the base the same questions; nothing is decided."""
    session = session_of(context, as_json)
    with session.opened() as home, session.progress() as progress:
        report = home.loop.evaluate(home.loop.find_adapter(adapter), progress=progress)
    _tell_report(session, report)
    session.answer(report)


def gate(context: typer.Context, adapter: Adapter, actor: Actor = "operator", as_json: AsJson = False) -> None:
    """Decide on an adapter by its newest report. Exit code 1: not promoted."""
    session = session_of(context, as_json)
    with session.opened() as home:
        found = home.loop.find_adapter(adapter)
        reports = [report for report in home.store.reports.list(home.bot) if report.adapter_id == found.id]
        if not reports:
            raise UsageError(f"{found.name} was not evaluated yet", hint=f"loraloop evaluate {found.name}")
        live = home.loop.live_adapter()
        if live is not None and live.id not in (found.id, reports[0].baseline_id):
            raise UsageError(
                f"since {found.name} was evaluated, {live.name} went live", hint=f"loraloop evaluate {found.name}"
            )
        decision = home.loop.gate(reports[0], actor=actor)
    _tell_decision(session, decision)
    session.answer(decision)
    _exit_by(decision)


def deploy(
    context: typer.Context,
    adapter: Adapter,
    force: Annotated[bool, typer.Option("--force", help="Release it whatever the gate says; needs --reason.")] = False,
    reason: Annotated[str, typer.Option("--reason", help="Why it is forced; written into the history.")] = "",
    actor: Actor = "operator",
    as_json: AsJson = False,
) -> None:
    """Make an adapter live that the gate promoted."""
    session = session_of(context, as_json)
    if force and not reason.strip():
        raise UsageError("forcing a release needs a reason", hint='--force --reason "why"')
    with session.opened() as home:
        found = home.loop.find_adapter(adapter)
        decision = _forced(home, found, reason, actor) if force else _judged(home, found)
        release = home.deployer.release(
            decision, found, serving=home.serving(), actor=actor, method="force" if force else "auto"
        )
    _tell_release(session, release)
    session.answer(release)


def _judged(home: Any, adapter: TrainedAdapter) -> Decision:
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


def _forced(home: Any, adapter: TrainedAdapter, reason: str, actor: str) -> Decision:
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
    with session.opened() as home:
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
    session = session_of(context, as_json)
    with session.opened() as home, turning(home):
        done = home.deployer.cleanup_old_adapters(keep, dry_run=dry_run)
    count, names = done["deleted_adapters"], ", ".join(done["deleted_adapter_names"]) or "-"
    if dry_run:
        session.say(t("cleanup.would", count=count, names=names))
    else:
        session.say(t("cleanup.done", count=count, backups=done["deleted_backups"]))
    session.answer(done)


def run(
    context: typer.Context,
    once: Annotated[bool, typer.Option("--once", help="Look once, turn if it is time, and end.")] = False,
    as_json: AsJson = False,
) -> None:
    """Turn the loop by itself whenever the schedule says so, until stopped."""
    session = session_of(context, as_json)
    with session.opened() as home:
        scheduler = scheduled(home)
        for reading in scheduler.explain():
            session.note(f"{reading.trigger}: {reading.reason}")
        if once:
            outcome = scheduler.run_due()
            session.say(outcome.reason if outcome else t("run.nothing"))
            session.answer({"outcome": dict(outcome) if outcome else None, "status": scheduler.get_scheduler_status()})
            return
        session.note(t("run.started"))
        scheduler.start_auto_training()
        try:
            while True:
                time.sleep(1)
        finally:
            scheduler.stop_auto_training()


def demo(
    context: typer.Context,
    base: Annotated[str, typer.Option("--base", help="smollm2 (English) or gemma (Korean).")] = "smollm2",
    keep: Folder = None,
    as_json: AsJson = False,
) -> None:
    """Play the whole loop on real conversations and a real model: two turns and a way back."""
    from . import demo as play

    session = session_of(context, as_json)
    session.answer(play.demo(base, keep, as_json))


# -- telling ----------------------------------------------------------------------------------------------------------


def _exit_by(decision: Decision) -> None:
    if decision.verdict != "promote":
        raise typer.Exit(exit_codes.NO)


def _without_rows(value: Any) -> Any:
    """A value as plain data, a dataset by its counts: rows are thousands of ids."""
    if value is None or "rows" not in value:
        return value
    counts = {name: len(value.split(name)) for name in ("train", "validation", "gate")}
    return {**{key: value[key] for key in value if key != "rows"}, "rows": counts}


def _tell_dataset(session: Session, dataset: Dataset) -> None:
    counts = {name: len(dataset.split(name)) for name in ("train", "validation", "gate")}
    session.say(t("dataset.made", id=dataset.id, **counts))


def _tell_adapter(session: Session, adapter: TrainedAdapter) -> None:
    facts = adapter.metrics
    loss = f"{facts['eval_loss']:.3f}" if facts.get("eval_loss") is not None else "-"
    seconds = f"{facts.get('training_seconds', 0):.0f}"
    tokens = f"{facts.get('tokens', 0):,}"
    session.say(t("adapter.made", name=adapter.name, id=adapter.id, tokens=tokens, seconds=seconds, loss=loss))


def _tell_report(session: Session, report: Report) -> None:
    from .demo_tables import score_lines

    for line in score_lines(report):
        session.say(line)


def _tell_decision(session: Session, decision: Decision) -> None:
    for rule in decision.rules:
        session.say(f"  {t('passed') if rule.passed else t('failed')} {rule.rule}: {rule.observed} "
                    f"({t('required')}: {rule.required})")  # fmt: skip
    session.say(t(f"verdict.{decision.verdict}", reason=decision.reason))


def _tell_release(session: Session, release: Release | None) -> None:
    if release is None:
        session.say(t("release.kept"))
        return
    session.say(t("release.live", version=release.version, name=release.adapter_name, id=release.id))
    if release.status == "on_trial" and release.trial_ends_at is not None:
        session.say(t("release.trial", until=f"{release.trial_ends_at:%Y-%m-%d %H:%M}"))


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (turn, train, evaluate, gate, deploy, confirm, rollback, cleanup, run, demo):
        app.command()(command)
