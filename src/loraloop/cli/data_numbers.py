"""loraloop data stats, the scores of data explain, and data preferences: numbers about what is stored."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import UsageError
from .messages import korean, t
from .options import AsJson, session_of

if TYPE_CHECKING:
    from ..data.scores import Score
    from ..data.statistics import Statistics
    from ..wiring import Home

_SHOWN_TOPICS = 5


def stats(
    context: typer.Context,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write it all as one HTML page to this file, too.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Count what is stored, what would be learnt and why the rest would not, languages, lengths, topics, approval."""
    from ..data.reasons import REASONS
    from ..data.statistics import statistics
    from .data_page import data_page

    session = session_of(context, as_json)
    with session.opened() as home, session.progress() as progress:
        found = statistics(home.store, home.bot, progress)
        drift, told = _drift(home)
    reasons = {code: words[int(korean())] for code, words in REASONS.items()}
    if html is not None:
        try:
            html.write_text(data_page(found, home.bot, told, reasons), encoding="utf-8")
        except OSError as error:
            raise UsageError(
                f"{html} cannot be written: {error.strerror}", hint="name a file in a folder that exists"
            ) from None
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


def preferences(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="The .jsonl to write; one that is there is replaced with --force.")],
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write thumbs and corrections as unpaired preference rows (prompt, completion, label, id of the talk), for KTO."""
    from ..data.preferences import export_preferences
    from ..telling import under_way

    session = session_of(context, as_json)
    if file.exists() and not force:
        raise UsageError(f"{file} exists", hint="name another file, or add --force")
    with session.opened() as home, session.progress() as progress, under_way(progress, "read"):
        counts = export_preferences(home.store, home.bot, file, home.settings.data, home.settings.trust)
    session.say(t("preferences.done", path=file, **counts))
    session.answer({"path": str(file), **counts})


def scores_of(home: Home, id: str) -> dict[str, Score]:
    """The score of each answer of a conversation, or of one (``ID#INDEX``), by ``conversation#message``."""
    from ..data.candidates import candidates
    from ..data.scores import score_of

    conversation_id, _, index = id.partition("#")
    found = home.store.conversations.get(conversation_id)
    rows = [row for row in candidates(found) if not index or str(row.message_index) == index] if found else []
    anew = home.store.completions.regenerated(conversation_id)
    return {
        f"{conversation_id}#{row.message_index}": score_of(row, home.settings.data, regenerated=anew) for row in rows
    }


def score_line(key: str, score: Score) -> str:
    """A score and its parts, in words."""
    parts = ", ".join(f"{part.name} {part.adds:+g}" for part in score.parts)
    return t("score.line", id=key, value=f"{score.value:.2f}", parts=parts or t("score.nothing"))


def add_to(data: typer.Typer) -> None:
    """Add these commands."""
    data.command()(stats)
    data.command()(preferences)
