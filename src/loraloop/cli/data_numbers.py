"""loraloop data stats: what came, what was left out and why, what people talk about, as table, JSON or a page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import UsageError
from .messages import korean, t
from .options import AsJson, session_of

if TYPE_CHECKING:
    from ..data.statistics import Statistics
    from ..wiring import Home

_SHOWN_TOPICS = 5


def stats(
    context: typer.Context,
    html: Annotated[Path | None, typer.Option("--html", help="Write it all as one HTML page to this file, too.")] = None,
    as_json: AsJson = False,
) -> None:
    """Count what is stored, what would be learnt and why the rest would not, languages, lengths, topics, approval."""
    from ..data.reasons import REASONS
    from ..data.statistics import statistics
    from .data_page import data_page

    session = session_of(context, as_json)
    with session.opened() as home:
        found = statistics(home.store, home.bot)
        drift, told = _drift(home)
    reasons = {code: words[int(korean())] for code, words in REASONS.items()}
    if html is not None:
        try:
            html.write_text(data_page(found, home.bot, told, reasons), encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{html} cannot be written: {error.strerror}", hint="name a file in a folder that exists") from None
    session.table(_rows(found, told, reasons))
    if html is not None:
        session.say(t("page.written", path=html))
    session.answer({**dict(found), "drift": drift})


def _drift(home: Home) -> tuple[dict[str, float] | None, str]:
    """How far topics have moved since the last dataset: numbers, and in words."""
    from ..schedule.arrivals import StoreArrivals

    arrivals = StoreArrivals(home.store, home.bot, home.secret)
    found = arrivals.drift(arrivals.mark(), home.settings.schedule)
    if found is None:
        return None, t("stats.drift_none")
    numbers = {"distance": f"{found.distance:.2f}", "p": f"{found.p_value:.2g}"}
    is_far = found.p_value <= found.level
    return dict(found), t("stats.drift_far", **numbers) if is_far else t("stats.drift_near", **numbers)


def _rows(found: Statistics, drift: str, reasons: dict[str, str]) -> list[tuple[str, ...]]:
    train = found.rows.get("train", 0)
    judged = sum(week.judged for week in found.approval)
    rows: list[tuple[str, ...]] = [
        (t("status.conversations"), str(found.conversations)),
        (t("stats.people"), str(found.people)),
        (t("stats.languages"), ", ".join(f"{t('language.' + name)} {n}" for name, n in found.languages.items()) or "-"),
        (t("status.dataset"), found.dataset or t("status.none")),
    ]
    rows += [(f"  {t('split.' + name)}", str(number)) for name, number in found.rows.items()]
    rows += [(f"  - {reasons.get(code, code)}", str(number)) for code, number in found.dropped.items()]
    rows += [
        (t("stats.corrections"), str(found.corrections)),
        (t("stats.self_written"), f"{found.self_written} ({found.self_written / train:.0%})" if train else "0"),
        (t("stats.approval"), f"{sum(w.up for w in found.approval) / judged:.0%} / {judged}" if judged else "-"),
        (t("stats.drift"), drift),
    ]
    named = [topic for topic in found.topics if topic.words][:_SHOWN_TOPICS]
    return rows + [(f"{t('stats.topics')}: {topic.conversations}", ", ".join(topic.words)) for topic in named]


def add_to(data: typer.Typer) -> None:
    """Add this command."""
    data.command()(stats)
