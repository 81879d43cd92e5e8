"""Statistics of the data as one self-contained HTML page: counts as bars, approval over time as a line. No talk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from html import escape
from typing import TYPE_CHECKING

from .messages import t
from .report_page import STYLE

if TYPE_CHECKING:
    from ..data.statistics import Statistics, Week

_BAR, _WIDTH, _HEIGHT, _INSET = 220, 520, 150, 24
_MORE_STYLE = """
table.counts { table-layout: auto; }
table.counts td { border: 0; padding: .2rem .8rem .2rem 0; vertical-align: middle; }
table.counts td:nth-child(2) { text-align: right; width: 6rem; } table.counts td:nth-child(3) { width: 240px; }
table.counts td:first-child { white-space: normal; } rect { fill: var(--good); } rect.bad { fill: var(--warn); }
polyline { fill: none; stroke: var(--good); stroke-width: 3; } circle { fill: var(--good); }
line { stroke: var(--line); } svg text { fill: var(--dim); font-size: 14px; }
@media (max-width: 44rem) { table.counts td:nth-child(2) { text-align: left; width: auto; } }
.grid { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 0 2rem; }
"""


def data_page(found: Statistics, bot: str, drift: str, reasons: Mapping[str, str]) -> str:
    """Return the page.

    Args:
        found: the numbers.
        bot: whose.
        drift: what can be said about drift since the last dataset, in words.
        reasons: code -> sentence.
    """
    title = t("stats.title", bot=bot)
    train = found.rows.get("train", 0)
    share = f"{found.self_written / train:.0%}" if train else "-"
    facts = [
        (t("status.conversations"), f"{found.conversations:,}"),
        (t("stats.people"), f"{found.people:,}"),
        (t("stats.answers"), f"{found.answers:,}"),
        (t("status.dataset"), found.dataset or t("status.none")),
        (t("stats.corrections"), f"{found.corrections:,}"),
        (t("stats.self_written"), share),
        (t("stats.drift"), drift),
    ]
    splits = {t(f"split.{name}"): count for name, count in found.rows.items()}
    topics = {" · ".join(topic.words): topic.conversations for topic in found.topics if topic.words}
    dropped = {reasons.get(code, code): count for code, count in found.dropped.items()}
    body = [
        f"<h1>{escape(title)}</h1>",
        _facts(facts),
        *_section("rows", counts(splits)),
        *_section("dropped", counts(dropped, "bad")),
        *_section("approval", line(found.approval)),
        *_section("topics", counts(topics)),
        '<div class="grid">',
        *(f"<div>{''.join(_section(name, counts(some)))}</div>" for name, some in (
            ("languages", {t(f"language.{name}"): count for name, count in found.languages.items()}),
            ("consents", {t(f"consents.{name}"): count for name, count in found.consents.items()}),
            ("question_chars", _lengths(found.question_chars)),
            ("answer_chars", _lengths(found.answer_chars)),
            ("sources", found.sources),
        )),
        "</div>",
    ]  # fmt: skip
    return (
        f'<!doctype html>\n<html lang="{t("page.language")}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{escape(title)}</title>'
        f"<style>{STYLE}{_MORE_STYLE}</style></head><body>\n" + "\n".join(body) + "\n</body></html>\n"
    )


def _lengths(groups: Mapping[str, int]) -> dict[str, int]:
    return {t("stats.up_to", chars=group) if group != "more" else t("stats.more"): n for group, n in groups.items()}


def _section(name: str, content: str) -> Iterable[str]:
    if content:
        yield f"<h2>{escape(t(f'stats.{name}'))}</h2>"
        yield content


def _facts(rows: Sequence[tuple[str, str]]) -> str:
    cells = "".join(f"<tr><td>{escape(name)}</td><td>{escape(value)}</td></tr>" for name, value in rows)
    return f"<table><tbody>{cells}</tbody></table>"


def counts(some: Mapping[str, int], kind: str = "") -> str:
    """Return counts as a table with a bar each; empty where there is nothing to count."""
    most = max(some.values(), default=0)
    if not most:
        return ""
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{count:,}</td><td>"
        f'<svg viewBox="0 0 {_BAR} 14" width="{_BAR}" height="14" aria-hidden="true">'
        f'<rect class="{kind}" x="0" y="1" height="12" rx="2" width="{_long(count, most):.1f}"/>'
        f"</svg></td></tr>"
        for name, count in some.items()
    )
    return f'<table class="counts"><tbody>{rows}</tbody></table>'


def _long(count: int, most: int) -> float:
    """The length of a bar: nothing for nothing, and a sliver for however little."""
    return max(1.0, count / most * _BAR) if count else 0.0


def line(weeks: Sequence[Week]) -> str:
    """Return the share of thumbs up week by week as a line; empty where nobody judged."""
    weeks = [week for week in weeks if week.judged]
    if not weeks:
        return ""
    days = [date.fromisoformat(week.monday).toordinal() for week in weeks]
    span = max(1, days[-1] - days[0])
    points = [
        (round(_INSET + (day - days[0]) / span * (_WIDTH - 2 * _INSET), 1),
         round(_INSET + (1 - week.up / week.judged) * (_HEIGHT - 3 * _INSET), 1))
        for day, week in zip(days, weeks, strict=True)
    ]  # fmt: skip
    dots = "".join(
        f'<circle cx="{x}" cy="{y}" r="4"><title>{week.monday}: {week.up}/{week.judged}</title></circle>'
        for (x, y), week in zip(points, weeks, strict=True)
    )
    path = " ".join(f"{x},{y}" for x, y in points)
    bottom = _HEIGHT - 2 * _INSET
    last = weeks[-1]
    ends = f'<text x="{_INSET}" y="{_HEIGHT - 6}">{weeks[0].monday}</text>'
    if len(weeks) > 1:
        ends += f'<text x="{_WIDTH - _INSET}" y="{_HEIGHT - 6}" text-anchor="end">{last.monday}</text>'
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" role="img" '
        f'aria-label="{last.up / last.judged:.0%} ({last.monday})">'
        f'<line x1="{_INSET}" x2="{_WIDTH - _INSET}" y1="{_INSET}" y2="{_INSET}"/>'
        f'<line x1="{_INSET}" x2="{_WIDTH - _INSET}" y1="{bottom}" y2="{bottom}"/>'
        f'<text x="{_INSET}" y="16">100 %</text><text x="{_INSET}" y="{bottom + 16}">0 %</text>'
        f'<polyline points="{path}"/>{dots}{ends}</svg>'
    )
