"""``loraloop experiment`` and ``loraloop promote``: try a candidate on users beside what is live."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from ..errors import UnknownThing, UsageError
from . import exit_codes
from .messages import t
from .options import Actor, Adapter, AsJson, session_of
from .steps import forced_decision, judged_decision
from .telling import tell_release

if TYPE_CHECKING:
    from ..experiments import Experiment, ExperimentVerdict, Mode
    from ..wiring import Home
    from .session import Session

experiment = typer.Typer(no_args_is_help=True, help="Try a candidate on users beside what is live.")

Force = Annotated[bool, typer.Option("--force", help="Do it whatever was decided; needs --reason.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; written into the history.")]


@experiment.command()
def plan(
    context: typer.Context,
    difference: Annotated[
        float, typer.Option("--difference", min=0.005, max=0.9, help="Drop to be seen, 0..1; 0.05 is 5 points.")
    ] = 0.05,
    approval: Annotated[
        float | None, typer.Option("--approval", min=0.05, max=0.99, help="Of what is live; as measured if left out.")
    ] = None,
    weeks: Annotated[float, typer.Option("--weeks", min=0.1, max=520, help="Weeks of traffic to look at.")] = 4.0,
    as_json: AsJson = False,
) -> None:
    """Say how many days this traffic needs to see a difference. Exit code 1: it never will."""
    from ..experimenting import plan_of

    session = session_of(context, as_json)
    with session.opened() as home:
        found, days = plan_of(home, weeks, difference, approval), home.settings.experiment.max_days
    never = t("xplan.never")
    source = t("xplan.measured") if found.measured else t("xplan.assumed")
    took = [never if one is None else f"{one:.1f}" for one in (found.days, found.days_canary)]
    smallest = never if found.smallest_difference is None else f"{found.smallest_difference * 100:.1f}"
    session.table([
        (t("xplan.approval"), f"{found.approval:.1%} ({source})"),
        (t("xplan.daily"), f"{found.judging_users_a_day:.1f}"),
        (t("xplan.users", points=f"{difference * 100:g}"), f"{found.users_an_arm:,}"),
        (t("xplan.promote"), f"{found.users_to_promote:,}"),
        (t("xplan.days"), " / ".join(took)),
        (t("xplan.smallest", days=f"{days:g}"), smallest),
        (t("xplan.ratio"), f"{found.smallest_ratio_fault:.0%}" if found.smallest_ratio_fault < 1 else never),
    ])  # fmt: skip
    session.say(t(f"xplan.{found.advice}", days=f"{days:g}"))
    session.answer(found)
    if found.advice != "canary":
        raise typer.Exit(exit_codes.NO)


@experiment.command()
def start(
    context: typer.Context,
    adapter: Adapter,
    mode: Annotated[
        str, typer.Option("--mode", help="canary (step by step), ab (a fixed share) or shadow.")
    ] = "canary",
    share: Annotated[float, typer.Option("--share", help="Of users that get it in ab, above 0, at most 0.5.")] = 0.5,
    primary: Annotated[
        str, typer.Option("--primary", help="What decides: approval, errors or guard_hits.")
    ] = "approval",
    force: Force = False,
    reason: Reason = "",
    actor: Actor = "operator",
    as_json: AsJson = False,
) -> None:
    """Begin an experiment with an adapter that the gate promoted; a gateway that runs takes it up by itself."""
    from ..experimenting import experiments_of

    session = session_of(context, as_json)
    _reasoned(force, reason)
    with session.opened() as home:
        found = home.loop.find_adapter(adapter)
        decision = forced_decision(home, found, reason, actor) if force else judged_decision(home, found)
        begun = experiments_of(home).start(
            decision, found, mode=cast("Mode", mode), primary=primary, share=share, serving=home.serving(),
            actor=actor, force_reason=reason if force else "",
        )  # fmt: skip
    if mode == "shadow":
        session.say(t("experiment.shadow", id=begun.id, name=found.name))
    else:
        session.say(t("experiment.started", id=begun.id, mode=mode, share=f"{begun.share:.0%}", name=found.name))
    session.note(t("experiment.dealt"))
    session.answer(_shown(begun))


@experiment.command()
def status(context: typer.Context, as_json: AsJson = False) -> None:
    """Show the arms, the rules with their intervals, and the verdict of the running experiment, else of the last."""
    from ..deploy.autorollback import read_rollbacks
    from ..experimenting import experiments_of

    session = session_of(context, as_json)
    with session.opened() as home:
        rollbacks = read_rollbacks(home.store.state, home.bot)
        found = next(iter(home.store.experiments.list(home.bot, 1)), None)
        found = home.store.experiments.running(home.bot) or found
        if found is None:
            raise UnknownThing(f"{home.bot} had no experiment yet", hint="loraloop experiment start ADAPTER")
        verdict = experiments_of(home).verdict(found)
        _tell_experiment(session, home, found, verdict)
    if rollbacks.barred:
        session.say(t("experiment.barred", digests=", ".join(digest[:16] for digest in rollbacks.barred)))
    if rollbacks.frozen_at is not None:
        session.say(t("experiment.frozen", since=f"{rollbacks.frozen_at:%Y-%m-%d %H:%M}"))
    session.answer({"experiment": _shown(found), "verdict": verdict, "rollbacks": rollbacks})


@experiment.command()
def stop(context: typer.Context, reason: Reason = "", actor: Actor = "operator", as_json: AsJson = False) -> None:
    """End the running experiment without a verdict; everyone gets what is live."""
    from ..experimenting import experiments_of

    session = session_of(context, as_json)
    with session.opened() as home:
        ended = experiments_of(home).end(_running(home), "stopped", reason or "stopped by a person", actor=actor)
    session.say(t("experiment.stopped", id=ended.id))
    session.answer(_shown(ended))


def promote(
    context: typer.Context,
    force: Force = False,
    reason: Reason = "",
    actor: Actor = "operator",
    as_json: AsJson = False,
) -> None:
    """Make the running experiment's candidate live for everyone, if its verdict is promote."""
    from ..experimenting import experiments_of

    session = session_of(context, as_json)
    _reasoned(force, reason)
    with session.opened() as home:
        experiments, running = experiments_of(home), _running(home)
        verdict = experiments.verdict(running)
        release = experiments.promote(running, verdict, actor=actor, force_reason=reason if force else "")
    tell_release(session, release)
    session.answer(release)


def _tell_experiment(session: Session, home: Home, found: Experiment, verdict: ExperimentVerdict) -> None:
    candidate = home.store.releases.get(found.candidate_id)
    session.say(t(
        "experiment.line", id=found.id, mode=found.mode, status=t(f"experiment.status.{found.status}"),
        name=candidate.adapter_name if candidate else found.candidate_id, since=f"{found.started_at:%Y-%m-%d %H:%M}",
    ))  # fmt: skip
    arms = (("control", found.control_id), ("candidate", found.candidate_id))
    session.table(
        [
            (t(f"arm.{arm}"), release_id or "base", f"{found.share:.0%}", str(verdict.users.get(arm, 0)),
             str(verdict.outcomes.get(arm, 0)))
            for arm, release_id in arms
        ],
        (t("head.arm"), t("head.release"), "%", t("head.users"), t("head.outcomes")),
    )  # fmt: skip
    session.table(
        [
            (t("passed") if rule.passed else t("failed"), rule.rule, rule.observed, rule.interval, rule.required)
            for rule in verdict.rules
        ],
        ("", t("head.rule"), t("head.observed"), t("head.interval"), t("required")),
    )
    session.say(t(f"experiment.says.{verdict.verdict}", reason=verdict.reason))


def _running(home: Home) -> Experiment:
    found = home.store.experiments.running(home.bot)
    if found is None:
        raise UnknownThing(f"no experiment of {home.bot} is running", hint="loraloop experiment start ADAPTER")
    return found


def _reasoned(force: bool, reason: str) -> None:
    if force and not reason.strip():
        raise UsageError("forcing it needs a reason", hint='--force --reason "why"')


def _shown(found: Experiment) -> dict[str, Any]:
    """An experiment without its salt, from which the arm of every user follows."""
    return {key: value for key, value in found.items() if key != "salt"}


def add_to(app: typer.Typer) -> None:
    """Add the group and the command."""
    app.add_typer(experiment, name="experiment")
    app.command()(promote)
