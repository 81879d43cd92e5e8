"""A report as one self-contained HTML page: the verdict, why, intervals drawn, and the answers that changed most."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING

from ..evaluate.comparison import changed_answers, compare
from ..types import Decision, Report, RuleResult, SubjectScore
from .messages import t
from .telling import outcome, report_notes, request_seconds, task_head, task_rows

if TYPE_CHECKING:
    from ..evaluate.harness import TaskScore

_WIDTH, _HEIGHT, _INSET, _LETTER = 520, 54, 40, 11.0
_STYLE = """
:root { color-scheme: light dark; --ground: #fff; --ink: #1f2328; --good: #1a7f37; --bad: #cf222e; --warn: #9a6700;
--dim: #59636e; --line: #d1d9e0; --card: #f6f8fa; }
@media (prefers-color-scheme: dark) { :root { --ground: #0d1117; --ink: #e6edf3; --good: #3fb950; --bad: #f85149;
--warn: #d29922; --dim: #9198a1; --line: #3d444d; --card: #151b23; } }
* { box-sizing: border-box; }
body { font: 16px/1.55 system-ui, "Noto Sans KR", "Noto Sans CJK KR", sans-serif; max-width: 64rem; margin: 2rem auto;
padding: 0 1rem; color: var(--ink); background: var(--ground); word-break: keep-all; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; line-height: 1.3; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; padding: .45rem .6rem .45rem 0;
vertical-align: top; border-bottom: 1px solid var(--line); } th { font-weight: 600; color: var(--dim);
font-size: .875rem; } td { font-variant-numeric: tabular-nums; white-space: pre-line; }
td:first-child { white-space: nowrap; } table.answers { table-layout: fixed; }
table.answers th:first-child { width: 2rem; } table.answers td:first-child { font-weight: 600; }
tr.pass td:first-child, tr.better td:first-child, .promote { color: var(--good); }
tr.fail td:first-child, tr.worse td:first-child, .hold { color: var(--bad); }
tr.alarm td:first-child { color: var(--warn); font-weight: 600; } tr.fail td:first-child { font-weight: 600; }
.inconclusive { color: var(--warn); } .dim { color: var(--dim); font-size: .875rem; }
.verdict { font-size: 1.2rem; font-weight: 600; background: var(--card); border-left: 4px solid; padding: .6rem .9rem;
border-radius: 0 6px 6px 0; } .note { border-left: 4px solid var(--warn); padding: .3rem .9rem; }
svg { display: block; max-width: 100%; height: auto; }
@media (max-width: 44rem) { table, tbody, tr, td { display: block; } thead { display: none; } td, td:first-child {
border: 0; padding: .1rem 0; white-space: pre-line; } tr { border-bottom: 1px solid var(--line); padding: .6rem 0; }
td[data-of]:not([data-of=""])::before { content: attr(data-of) ": "; color: var(--dim); font-size: .875rem; } }
"""
_ROW_CLASS = {False: "fail", True: "pass"}
_FIGURES = (
    ("answer_characters", "{:.0f}"),
    ("distinct_2", "{:.2f}"),
    ("language_match", "{:.0%}"),
    ("refusal", "{:.0%}"),
    ("loop", "{:.0%}"),
    ("semantic_similarity", "{:.2f}"),
)
"""What the page shows of all answers together; flags that no answer may have stand among the rules."""


def report_page(report: Report, decision: Decision, title: str, tasks: Sequence[TaskScore] = ()) -> str:
    """Return the page.

    Args:
        report: to show.
        decision: what the gate says about it.
        title: of the page; names the adapter.
        tasks: figures of harness tasks, where any were asked.
    """
    subject = "live" if report.score("live") is not None else "base"
    verdict = t(f"verdict.{decision.verdict}", reason=_why(decision) if report.valid else decision.reason)
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="verdict {decision.verdict}">{escape(verdict)}</p>',
        *(f'<p class="note">{escape(note)}</p>' for note in report_notes(report)),
        *_intervals(report, subject),
        *_section("scores", _scores(report)),
        *_section("figures", _figures(report)),
        *(_section("tasks", _table(task_head(tasks), task_rows(tasks))) if tasks else ()),
        *_section("rules", _rules(decision.rules)),
        *_section("changes", _changes(report, subject)),
        f'<p class="dim">{escape(report.id)} · {report.created_at:%Y-%m-%d %H:%M} UTC · '
        f"{escape(', '.join(f'{name} {digest[:12]}' for name, digest in report.suites.items()))}</p>",
    ]
    body = "\n".join(parts)
    return (
        f'<!doctype html>\n<html lang="{t("page.language")}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body>\n{body}\n</body></html>\n"
    )


def _why(decision: Decision) -> str:
    """The names of the rules that made the verdict; the table says the rest."""
    failed = [t(f"rule.{rule.rule}") for rule in decision.rules if not rule.passed and rule.rule in decision.reason]
    return t("page.failed", rules=", ".join(failed)) if failed else decision.reason


def _section(name: str, content: str) -> Iterator[str]:
    if content:
        yield f"<h2>{escape(t(f'page.{name}'))}</h2>"
        yield content


def _scores(report: Report) -> str:
    per_byte = len({score.base_id for score in report.scores}) > 1
    head = (t("head.adapter"), t("head.bits") if per_byte else t("head.loss"), t("head.passed"), t("head.score"),
            t("head.time"))  # fmt: skip
    return _table(head, [_score_row(score, per_byte) for score in report.scores])


def _score_row(score: SubjectScore, per_byte: bool) -> tuple[str, ...]:
    loss = score.bits_per_byte if per_byte else score.heldout_loss
    return (
        t(f"subject.{score.subject}"),
        "-" if loss is None else f"{loss:.3f}",
        f"{score.test_cases_passed}/{score.total_test_cases}",
        f"{score.overall_score:.3f}",
        request_seconds(score),
    )


def _figures(report: Report) -> str:
    shown = [(name, form) for name, form in _FIGURES if any(name in score.measures for score in report.scores)]
    if not shown:
        return ""
    rows = [
        (
            t(f"subject.{score.subject}"),
            *(form.format(score.measures[name]) if name in score.measures else "-" for name, form in shown),
        )
        for score in report.scores
    ]
    return _table((t("head.adapter"), *(t(f"figure.{name}") for name, _ in shown)), rows)


def _rules(found: Sequence[RuleResult]) -> str:
    """What failed first, then alarms, then what passed."""
    rules = sorted(found, key=lambda rule: (rule.passed, not rule.alarm))
    rows = [
        (
            outcome(rule),
            t(f"rule.{rule.rule}"),
            "\n".join([rule.observed, *([f"95 %: {rule.interval}"] if rule.interval else [])]),
            rule.required,
        )
        for rule in rules
    ]
    classes = ["alarm" if rule.alarm and rule.passed else _ROW_CLASS[rule.passed] for rule in rules]
    return _table(("", t("page.rule"), t("page.observed"), t("required")), rows, classes)


def _changes(report: Report, subject: str) -> str:
    changes = changed_answers(report, subject)
    if not changes:
        return f'<p class="dim">{escape(t("page.unchanged"))}</p>'
    rows = [("+" if one.better else "−", one.question or one.item, one.before, one.after) for one in changes]
    head = ("", t("head.question"), t(f"subject.{subject}"), t("subject.candidate"))
    return _table(head, rows, ["better" if one.better else "worse" for one in changes], "answers")


def _intervals(report: Report, subject: str) -> Iterator[str]:
    """Where the true differences lie with 95 % confidence, better to the right."""
    seen = compare(report, subject)
    name = t(f"subject.{subject}")
    if seen.loss is not None and seen.loss.clusters > 1:
        yield f"<h2>{escape(t('page.bits' if seen.per_byte else 'page.loss', name=name))}</h2>"
        yield _interval(seen.loss.low, seen.loss.mean, seen.loss.high, "{:+.3f}")
    if seen.cases.asked:
        low, high = seen.cases.interval
        mean = (len(seen.cases.won) - len(seen.cases.lost)) / seen.cases.asked
        yield f"<h2>{escape(t('page.cases', name=name))}</h2>"
        yield _interval(low, mean, high, "{:+.1%}")


def _interval(low: float, mean: float, high: float, form: str) -> str:
    """An interval on a scale with zero in it, as a drawing; both ends are written under it, never over each other."""
    reach = max(abs(low), abs(high), 1e-9) * 1.1

    def x(value: float) -> float:
        return round(_WIDTH / 2 + value / reach * (_WIDTH / 2 - _INSET), 1)

    color = "var(--good)" if low > 0 else "var(--bad)" if high < 0 else "var(--dim)"
    marks = "".join(
        f'<text x="{place}" y="{_HEIGHT - 6}" text-anchor="middle" font-size="17" fill="currentColor">{text}</text>'
        for place, text in _labels(x(low), x(high), form.format(low), form.format(high))
    )
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" role="img" '
        f'aria-label="{form.format(mean)} ({form.format(low)} … {form.format(high)})">'
        f'<line x1="{x(0)}" x2="{x(0)}" y1="2" y2="30" stroke="currentColor" stroke-dasharray="3 3"/>'
        f'<line x1="{x(low)}" x2="{x(high)}" y1="16" y2="16" style="stroke: {color}" stroke-width="4"/>'
        f'<circle cx="{x(mean)}" cy="16" r="6" style="fill: {color}"/>{marks}</svg>'
    )


def _labels(left: float, right: float, low: str, high: str) -> Iterator[tuple[float, str]]:
    """Where the numbers of both ends stand, in the picture and never over each other: apart, or as one where close."""
    if right - left > _LETTER * (len(low) + len(high)) / 2 + _LETTER:
        texts = [(left, low), (right, high)]
    else:
        texts = [((left + right) / 2, f"{low} … {high}")]
    for place, text in texts:
        room = _LETTER * len(text) / 2
        yield round(min(max(place, room), _WIDTH - room), 1), text


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], classes: Sequence[str] = (), kind: str = "") -> str:
    names = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    lines = "".join(
        f'<tr class="{classes[n] if classes else ""}">'
        + "".join(f'<td data-of="{escape(of)}">{escape(cell)}</td>' for of, cell in zip(head, row, strict=True))
        + "</tr>"
        for n, row in enumerate(rows)
    )
    return f'<table class="{kind}"><thead><tr>{names}</tr></thead><tbody>{lines}</tbody></table>'
