"""Commands that only look: status, history, compare, config."""

from __future__ import annotations

from typing import Annotated

import typer

from ..errors import UsageError
from ..types import plain
from .messages import korean, t
from .options import AsJson, session_of
from .telling import request_seconds


def status(context: typer.Context, as_json: AsJson = False) -> None:
    """Show what is live, what was decided last, and when the loop turns next."""
    session = session_of(context, as_json)
    with session.opened() as home:
        store, bot = home.store, home.bot
        live = store.releases.live(bot)
        latest = next(iter(store.datasets.list(bot, 1)), None)
        decision = next(iter(store.decisions.list(bot, 1)), None)
        count = store.conversations.count(bot)
        schedule = home.scheduler.explain()
        owed = home.forgetting.owed(bot)
        model, folder = home.settings.base.model, str(home.folder)
    shown = t("status.nothing_live")
    if live is not None:
        shown = f"{live.adapter_name} ({live.id}, {t('status.version')} {live.version}, {t('trial.' + live.status)})"
    session.table([
        (t("status.home"), folder),
        (t("status.bot"), bot),
        (t("status.base"), model),
        (t("status.live"), shown),
        (t("status.conversations"), str(count)),
        (t("status.dataset"), latest.id if latest else t("status.none")),
        (t("status.decision"), f"{decision.verdict}: {decision.adapter_id}" if decision else t("status.none")),
        (t("status.schedule"), schedule[0].in_language("ko" if korean() else "en")),
        *([(t("status.owed"), owed)] if owed else []),
    ])  # fmt: skip
    session.answer({
        "home": folder, "bot": bot, "base": model, "live": live, "conversations": count,
        "dataset": latest.id if latest else None, "decision": decision,
        "schedule": [dict(reading) for reading in schedule], "owed": owed,
    })  # fmt: skip


def history(
    context: typer.Context,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many releases and adapters.")] = 10,
    as_json: AsJson = False,
) -> None:
    """List releases and adapters, newest first."""
    session = session_of(context, as_json)
    with session.opened() as home:
        releases = home.deployer.get_deployment_history(limit)
        adapters = home.store.adapters.list(home.bot, limit)
        verdicts = {one.adapter_id: one.verdict for one in reversed(home.store.decisions.list(home.bot))}
    session.table(
        [
            (str(r["version"]), r["deployed_at"][:19], r["adapter_name"], r["deployment_method"],
             t("trial." + r["status"]), r["actor"], r["release_id"])
            for r in releases
        ],
        ("#", "UTC", t("head.adapter"), t("head.method"), t("head.status"), t("head.actor"), "id"),
    )  # fmt: skip
    session.say("")
    session.table(
        [
            (a.name, a.id, f"{a.created_at:%Y-%m-%d %H:%M:%S}", a.dataset_id or "-", verdicts.get(a.id, "-"))
            for a in adapters
        ],
        (t("head.adapter"), "id", "UTC", t("status.dataset"), t("status.decision")),
    )
    session.answer({
        "releases": releases,
        "adapters": [{**{k: v for k, v in a.items() if k != "path"}, "verdict": verdicts.get(a.id)} for a in adapters],
    })  # fmt: skip


def compare(
    context: typer.Context,
    adapters: Annotated[list[str], typer.Argument(help="Names or ids of evaluated adapters.", metavar="ADAPTER...")],
    as_json: AsJson = False,
) -> None:
    """Show the newest reports of several adapters side by side, lowest held-out loss first."""
    session = session_of(context, as_json)
    with session.opened() as home:
        found = [home.loop.find_adapter(name) for name in adapters]
        reports = {report.adapter_id: report for report in reversed(home.store.reports.list(home.bot)) if report.scores}
    missing = [adapter.name for adapter in found if adapter.id not in reports]
    if missing:
        raise UsageError(f"not evaluated yet: {', '.join(missing)}", hint=f"loraloop evaluate {missing[0]}")
    scores = [(adapter, reports[adapter.id].score("candidate"), reports[adapter.id]) for adapter in found]
    rows = [(a, s, r) for a, s, r in scores if s is not None]
    datasets = {report.dataset_id for _, _, report in rows}
    # A held-out loss compares only on the same rows; else the keyword score over the same suites does.
    same_rows = len(datasets) == 1 and all(score.heldout_loss is not None for _, score, _ in rows)
    rows.sort(key=lambda row: (row[1].heldout_loss or 0.0) if same_rows else -row[1].overall_score)
    session.table(
        [
            (
                adapter.name,
                f"{score.heldout_loss:.3f}" if score.heldout_loss is not None else "-",
                f"{score.test_cases_passed}/{score.total_test_cases}",
                f"{score.overall_score:.3f}",
                request_seconds(score),
                report.id,
            )
            for adapter, score, report in rows
        ],
        (t("head.adapter"), t("head.loss"), t("head.passed"), t("head.score"), t("head.time"), "id"),
    )
    if not same_rows:
        session.say(t("compare.other_rows"))
    session.say(t("compare.best", name=rows[0][0].name))
    session.answer(
        {"best": rows[0][0].name, "same_heldout_rows": same_rows, "scores": {a.name: plain(s) for a, s, _ in rows}}
    )


config = typer.Typer(help="The settings of the home.", no_args_is_help=True)


@config.command()
def show(context: typer.Context, as_json: AsJson = False) -> None:
    """Show every setting as resolved, and where it came from."""
    _config(context, as_json, meanings=False)


@config.command("explain")
def explain_(
    context: typer.Context,
    key: Annotated[str, typer.Argument(help="A setting or section; all if left out.")] = "",
    as_json: AsJson = False,
) -> None:
    """Show what settings mean, what they may hold, and what they hold."""
    _config(context, as_json, meanings=True, key=key)


def _config(context: typer.Context, as_json: bool, *, meanings: bool, key: str = "") -> None:
    from ..settings import explain, load_settings
    from ..wiring import home_folder

    session = session_of(context, as_json)
    home = home_folder(session.home)
    settings = load_settings(home)
    found = [one for one in explain(home, settings) if not key or one.key == key or one.key.startswith(f"{key}.")]
    if not found:
        raise UsageError(f"there is no setting {key}", hint="loraloop config show")
    if meanings:
        for one in found:
            session.say(f"{one.key} = {one.value!r}  [{one.source}]\n    {one.meaning}\n    {one.kind}; "
                        f"{t('config.default')} {one.default!r}")  # fmt: skip
    else:
        session.table([(one.key, repr(one.value), one.source) for one in found])
    session.answer({one.key: {"value": one.value, "source": one.source, "default": one.default,
                              "type": one.kind, "meaning": one.meaning} for one in found})  # fmt: skip


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (status, history, compare):
        app.command()(command)
    app.add_typer(config, name="config")
