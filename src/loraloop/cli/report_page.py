"""A report as one self-contained HTML page: the verdict, why, intervals drawn, and the answers that changed most."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from ..evaluate.comparison import changed_answers, compare
from ..types import Decision, Report
from .messages import t

_WIDTH, _HEIGHT, _INSET = 520, 46, 24
_STYLE = """
:root { color-scheme: light dark; --good: #1a7f37; --bad: #cf222e; --dim: #6e7781; --line: #d0d7de; }
body { font: 16px/1.5 system-ui, "Noto Sans KR", sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; padding: .4rem .6rem; vertical-align: top;
border-bottom: 1px solid var(--line); } td.number { font-variant-numeric: tabular-nums; }
.promote, .pass { color: var(--good); } .hold, .fail { color: var(--bad); } .inconclusive, .dim { color: var(--dim); }
.verdict { font-size: 1.3rem; font-weight: 600; } svg { max-width: 100%; height: auto; }
@media (max-width: 40rem) { table, tbody, tr, td { display: block; } thead { display: none; } }
"""


def report_page(report: Report, decision: Decision, title: str) -> str:
    """Return the page.

    Args:
        report: to show.
        decision: what the gate says about it.
        title: of the page; names the adapter.
    """
    subject = "live" if report.score("live") is not None else "base"
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="verdict {decision.verdict}">{escape(t(f"verdict.{decision.verdict}", reason=decision.reason))}</p>',
        *_intervals(report, subject),
        f"<h2>{escape(t('page.scores'))}</h2>",
        _table(
            (t("head.adapter"), t("head.loss"), t("head.passed"), t("head.score"), t("head.time")),
            [
                (
                    t(f"subject.{score.subject}"),
                    "-" if score.heldout_loss is None else f"{score.heldout_loss:.3f}",
                    f"{score.test_cases_passed}/{score.total_test_cases}",
                    f"{score.overall_score:.3f}",
                    f"{score.avg_response_time:.2f} s",
                )
                for score in report.scores
            ],
        ),
        f"<h2>{escape(t('page.rules'))}</h2>",
        _table(
            ("", t("page.rule"), t("page.observed"), t("required")),
            [(t("passed") if rule.passed else t("failed"), rule.rule, rule.observed, rule.required)
             for rule in decision.rules],
            ["pass" if rule.passed else "fail" for rule in decision.rules],
        ),
        f"<h2>{escape(t('page.changes'))}</h2>",
        _table(
            ("", t("head.question"), t(f"subject.{subject}"), t("subject.candidate")),
            [("+" if one.better else "-", one.question or one.item, one.before, one.after)
             for one in changed_answers(report, subject)],
        ),
        f'<p class="dim">{escape(report.id)} · {report.created_at:%Y-%m-%d %H:%M} UTC · '
        f"{escape(', '.join(f'{name} {digest[:12]}' for name, digest in report.suites.items()))}</p>",
    ]  # fmt: skip
    body = "\n".join(parts)
    return (
        f'<!doctype html>\n<html lang="{t("page.language")}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body>\n{body}\n</body></html>\n"
    )


def _intervals(report: Report, subject: str) -> Iterator[str]:
    """Where the true differences lie with 95 % confidence, better to the right."""
    seen = compare(report, subject)
    if seen.loss is not None and seen.loss.clusters > 1:
        yield f"<h2>{escape(t('page.loss', name=t(f'subject.{subject}')))}</h2>"
        yield _interval(seen.loss.low, seen.loss.mean, seen.loss.high, "{:+.3f}")
    if seen.cases.asked:
        low, high = seen.cases.interval
        mean = (len(seen.cases.won) - len(seen.cases.lost)) / seen.cases.asked
        yield f"<h2>{escape(t('page.cases', name=t(f'subject.{subject}')))}</h2>"
        yield _interval(low, mean, high, "{:+.1%}")


def _interval(low: float, mean: float, high: float, form: str) -> str:
    """An interval on a scale with zero in it, as a drawing."""
    reach = max(abs(low), abs(high), 1e-9) * 1.1

    def x(value: float) -> float:
        return round(_WIDTH / 2 + value / reach * (_WIDTH / 2 - _INSET), 1)

    color = "var(--good)" if low > 0 else "var(--bad)" if high < 0 else "var(--dim)"
    marks = "".join(
        f'<text x="{x(value)}" y="{_HEIGHT - 2}" text-anchor="{anchor}" font-size="12" fill="currentColor">'
        f"{form.format(value)}</text>"
        for value, anchor in ((low, "end"), (high, "start"))
    )
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" role="img" '
        f'aria-label="{form.format(mean)} ({form.format(low)} … {form.format(high)})">'
        f'<line x1="{x(0)}" x2="{x(0)}" y1="2" y2="30" stroke="currentColor" stroke-dasharray="3 3"/>'
        f'<line x1="{x(low)}" x2="{x(high)}" y1="16" y2="16" stroke="{color}" stroke-width="4"/>'
        f'<circle cx="{x(mean)}" cy="16" r="6" fill="{color}"/>{marks}</svg>'
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], classes: Sequence[str] = ()) -> str:
    names = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    lines = "".join(
        f'<tr class="{classes[n] if classes else ""}">' + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>"
        for n, row in enumerate(rows)
    )
    return f"<table><thead><tr>{names}</tr></thead><tbody>{lines}</tbody></table>"
