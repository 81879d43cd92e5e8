"""Commands of the schedule: run, explain, simulate, trigger."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import BadFile
from .messages import korean, t
from .options import AsJson, session_of
from .stopping import told_to_stop

if TYPE_CHECKING:
    from ..schedule.facts import Reading
    from ..schedule.simulation import Arrival
    from ..wiring import Home

schedule = typer.Typer(help="When the loop turns by itself, and why.", no_args_is_help=True)


def run(
    context: typer.Context,
    once: Annotated[bool, typer.Option("--once", help="Look once, turn if it is time, and end.")] = False,
    as_json: AsJson = False,
) -> None:
    """Turn the loop by itself whenever the schedule says so, until SIGTERM; what is under way then goes on later."""
    from ..lm.child import stop_children
    from ..turning import scheduled

    session = session_of(context, as_json)
    with told_to_stop(stop_children) as stop, session.opened() as home, home.inbox.looked_after():
        scheduler = scheduled(home, stop)
        for reading in scheduler.explain():
            session.note(f"{reading.trigger}: {_reason(reading)}")
        if once:
            outcome = scheduler.run_due()
            session.say(outcome.reason if outcome else t("run.nothing"))
            session.answer({"outcome": dict(outcome) if outcome else None, "status": scheduler.get_scheduler_status()})
            return
        session.note(t("run.started"))
        scheduler.start_auto_training()
        try:
            stop.wait()
        finally:
            scheduler.stop_auto_training()


@schedule.command("explain")
def explain_(context: typer.Context, as_json: AsJson = False) -> None:
    """Show what every trigger and limit says now, what it waits for, and when the next run would start."""
    session = session_of(context, as_json)
    with session.opened() as home:
        found = home.scheduler.explain_all()
        config, is_looked_after = home.settings.schedule, home.inbox.is_looked_after()
    session.say(t("schedule.would") if found.whole.fires else t("schedule.waits", reason=_reason(found.whole)))
    session.say(t("schedule.next", at=_local(found.next_at, config.time_zone)) if found.next_at
                else t("schedule.no_next"))  # fmt: skip
    if not is_looked_after:
        session.say(t("schedule.nobody"))
    rows = [_row(one, one.trigger in found.used, config.time_zone) for one in (*found.triggers, *found.limits)]
    limits = {one.trigger for one in found.limits}
    rows = [(("·" if row[1] in limits else row[0]), *row[1:]) for row in rows]
    heads = ("used", "trigger", "fires", "observed", "needed", "changes", "why")
    session.table(rows, tuple(t(f"schedule.{head}") for head in heads))
    session.answer({
        "fires": found.whole.fires, "reason": _reason(found.whole),
        "next_at": found.next_at and found.next_at.isoformat(),
        "when": config.when or config.strategy, "looked_after": is_looked_after,
        "triggers": [_plain(one) | {"used": one.trigger in found.used} for one in found.triggers],
        "limits": [_plain(one) for one in found.limits], "asked": _plain(found.asked),
    })  # fmt: skip


@schedule.command()
def simulate(
    context: typer.Context,
    history: Annotated[
        Path | None, typer.Option("--history", help='JSONL of arrivals, {"at": TIME, "kind": "row"} a line.')
    ] = None,
    days: Annotated[int, typer.Option("--days", min=1, max=3660, help="Days back, without a file.")] = 30,
    run_minutes: Annotated[float, typer.Option("--run-minutes", min=0, help="How long each run takes.")] = 30.0,
    waits: Annotated[bool, typer.Option("--waits", help="Show also why it waited.")] = False,
    as_json: AsJson = False,
) -> None:
    """Replay what came in the past, and show when the schedule would have run and why."""
    from ..schedule.simulation import longest_wait
    from ..schedule.simulation import simulate as replay

    session = session_of(context, as_json)
    with session.opened() as home:
        config = home.settings.schedule
        end = datetime.now(UTC)
        begin = end - timedelta(days=days)
        arrivals = _read(history) if history is not None else _stored(home, begin)
    if history is not None and arrivals:
        begin = min(one.at for one in arrivals)
        end = max(one.at for one in arrivals) + timedelta(days=1)
    found = list(replay(arrivals, config, begin=begin, end=end, run_s=run_minutes * 60))
    runs = [one for one in found if one.runs]
    shown = found if waits else runs
    session.table(
        [(_local(one.at, config.time_zone), t("schedule.ran") if one.runs else "", str(one.rows),
          str(one.corrections), one.korean if korean() else one.reason) for one in shown],
        (config.time_zone, "", t("schedule.rows"), t("schedule.corrections"), t("schedule.why")),
    )  # fmt: skip
    wait_h = longest_wait(found, begin, end) / timedelta(hours=1)
    session.say(t("schedule.simulated", runs=len(runs), arrivals=len(arrivals), hours=f"{wait_h:.1f}"))
    session.answer({
        "begin": begin.isoformat(), "end": end.isoformat(), "arrivals": len(arrivals),
        "runs": len(runs), "longest_wait_h": wait_h,
        "decisions": [
            {"at": one.at.isoformat(), "runs": one.runs, "reason": one.korean if korean() else one.reason,
             "rows": one.rows, "corrections": one.corrections} for one in found
        ],
    })  # fmt: skip


@schedule.command()
def trigger(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Name of the new adapter.")],
    as_json: AsJson = False,
) -> None:
    """Ask the scheduler that is looking on for a run at once, under a name; without one, the next one does it."""
    session = session_of(context, as_json)
    with session.opened() as home:
        request = home.inbox.ask(name)
        is_looked_after = home.inbox.is_looked_after()
    session.say(t("schedule.asked", name=name) if is_looked_after else t("schedule.later", name=name))
    session.answer({"name": name, "request": request, "looked_after": is_looked_after})


def _reason(reading: Reading) -> str:
    return reading.in_language("ko" if korean() else "en")


def _row(reading: Reading, used: bool, zone: str) -> tuple[str, ...]:
    numbers = (
        "-" if value is None else f"{value:.4g} {reading.unit}" for value in (reading.observed, reading.required)
    )
    changes = _local(reading.changes_at, zone) if reading.changes_at else "-"
    fires = t("schedule.yes") if reading.fires else t("schedule.no")
    return "*" if used else "", reading.trigger, fires, *numbers, changes, _reason(reading)


def _plain(reading: Reading) -> dict[str, Any]:
    shown = ("trigger", "fires", "reason", "observed", "required", "unit", "changes_at")
    changes_at = reading.changes_at.isoformat() if reading.changes_at else None
    return {key: reading[key] for key in shown} | {"reason": _reason(reading), "changes_at": changes_at}


def _local(moment: datetime | None, zone: str) -> str:
    from zoneinfo import ZoneInfo

    return f"{moment.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}" if moment else "-"


def _read(path: Path) -> list[Arrival]:
    from ..schedule.simulation import history_of

    try:
        with path.open(encoding="utf-8") as file:
            return list(history_of(file))
    except BadFile as error:
        raise BadFile(f"{path}: {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadFile(f"{path} cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8'}") from None


def _stored(home: Home, begin: datetime) -> list[Arrival]:
    """What came by the store's own times; feedback without a time counts with its conversation."""
    from ..schedule.simulation import Arrival
    from ..types import CONSENTS_TO_LEARN

    kinds = {"thumb_up": "up", "thumb_down": "down", "correction": "correction"}
    found = []
    for one in home.store.conversations.iterate(home.bot):
        said = [(item.created_at or one.created_at, kinds[item.kind]) for item in one.feedback if item.kind in kinds]
        praised = [at for at, kind in said if kind != "down"]
        if one.consent in CONSENTS_TO_LEARN and (praised or any(message.approved_by for message in one.messages)):
            approved = one.created_at if any(m.approved_by for m in one.messages) else min(praised)
            said.append((approved, "row"))
        found += [Arrival(at, kind) for at, kind in said if at >= begin]
    return found


schedule.command("run")(run)


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(run)
    app.add_typer(schedule, name="schedule")
