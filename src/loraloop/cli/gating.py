"""``loraloop gate``: decide on an adapter, and what the gate can see."""

from __future__ import annotations

from typing import Annotated

import typer
from typer.core import TyperGroup

from ..calibration import last_calibration
from ..errors import UsageError
from .messages import t
from .options import Actor, Adapter, AsJson, session_of
from .telling import calibration_line, exit_by, tell_decision


class _DecideUnlessNamed(TyperGroup):
    """``loraloop gate NAME`` decides on the adapter NAME; a name that is a command's is that command."""

    unless_named = "decide"

    def resolve_command(self, ctx, args):  # type: ignore[no-untyped-def]
        """See click."""
        return super().resolve_command(ctx, args if args and args[0] in self.commands else [self.unless_named, *args])


gate = typer.Typer(
    cls=_DecideUnlessNamed, no_args_is_help=True, help="Decide on an adapter (loraloop gate NAME), or plan: see below."
)


@gate.command()
def decide(context: typer.Context, adapter: Adapter, actor: Actor = "operator", as_json: AsJson = False) -> None:
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
        measured = last_calibration(home)
    tell_decision(session, decision, measured)
    session.answer(decision)
    exit_by(decision)


@gate.command()
def plan(context: typer.Context, as_json: AsJson = False) -> None:
    """Say what difference the gate can see with the rows and cases at hand, and how often it would err."""
    from datetime import UTC, datetime

    from ..evaluate.past import turns_a_year
    from ..evaluate.planning import plan_gate

    session = session_of(context, as_json)
    with session.opened() as home:
        reports = [report for report in home.store.reports.list(home.bot) if report.valid and report.scores]
        if not reports:
            raise UsageError("nothing was evaluated yet, so nobody knows how much answers vary", hint="loraloop turn")
        pace = turns_a_year(home.store.decisions, home.bot, datetime.now(UTC))
        found = plan_gate(reports[0], home.settings.gate, pace)
    unknown = t("status.none")
    session.table([
        (t("plan.error"), f"{found.alpha:.2%}"),
        (t("plan.year"), f"{found.false_promotions_a_year:.2g} ({found.turns_a_year:.0f})"),
        (t("plan.rows"), f"{found.rows} ({found.conversations})"),
        (t("plan.effect"), unknown if found.effect_nats is None else f"{found.effect_nats:.3f}"),
        (t("plan.half"), unknown if found.rows_for_half is None else f"{found.rows_for_half:,}"),
        (t("plan.cases"), f"{found.wins_without_loss} / {found.cases}"),
    ])  # fmt: skip
    session.answer(found)


@gate.command()
def calibrate(
    context: typer.Context,
    runs: Annotated[int, typer.Option("--runs", min=1, max=50, help="Trainings with other seeds.")] = 3,
    as_json: AsJson = False,
) -> None:
    """Measure how often the gate errs here: the newest dataset taught again with other seeds, equals judged.

    Each run takes as long as a turn. The result is kept and shown beside every verdict.
    """
    from ..calibration import calibrate as measure

    session = session_of(context, as_json)
    with session.opened() as home, session.progress() as progress:
        found = measure(home, runs, progress)
    session.say(calibration_line(found))
    session.say(t("calibration.margin", nats=f"{found.seed_nats:.4f}"))
    session.answer(found)


def add_to(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(gate, name="gate")
