"""What commands say about the values they made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

from . import exit_codes
from .messages import korean, t

if TYPE_CHECKING:
    from ..calibration import Calibration
    from ..evaluate.harness import TaskScore
    from ..types import Adapter as TrainedAdapter
    from ..types import Dataset, Decision, Release, Report, RuleResult, SubjectScore
    from .session import Session

_NAMED = 10


def request_seconds(score: SubjectScore) -> str:
    """Seconds a single request took this subject, or a dash where it was not timed."""
    return f"{score.avg_response_time:.2f} s" if score.avg_response_time else "-"


def exit_by(decision: Decision) -> None:
    """End with exit code 1 unless the verdict is promote."""
    if decision.verdict != "promote":
        raise typer.Exit(exit_codes.NO)


def without_rows(value: Any) -> Any:
    """A value as plain data, a dataset by its counts: rows are thousands of ids."""
    if value is None or "rows" not in value:
        return value
    counts = {name: len(value.split(name)) for name in ("train", "validation", "gate")}
    return {**{key: value[key] for key in value if key != "rows"}, "rows": counts}


def tell_dataset(session: Session, dataset: Dataset) -> None:
    """One line on a dataset."""
    counts = {name: len(dataset.split(name)) for name in ("train", "validation", "gate")}
    session.say(t("dataset.made", id=dataset.id, **counts))


def tell_adapter(session: Session, adapter: TrainedAdapter) -> None:
    """One line on an adapter."""
    facts = adapter.metrics
    loss = f"{facts['eval_loss']:.3f}" if facts.get("eval_loss") is not None else "-"
    seconds = f"{facts.get('training_seconds', 0):.0f}"
    tokens = f"{facts.get('tokens', 0):,}"
    session.say(t("adapter.made", name=adapter.name, id=adapter.id, tokens=tokens, seconds=seconds, loss=loss))


def tell_report(session: Session, report: Report) -> None:
    """A line for each subject, and the answers that changed most."""
    from .demo_tables import score_lines

    for line in score_lines(report):
        session.say(line)
    for line in report_notes(report):
        session.say(line)
    tell_changes(session, report)


def report_notes(report: Report) -> list[str]:
    """What was not asked and not measured; empty where nothing is missing."""
    names = [f"{one.suite}/{one.item} = {one.row}" for one in report.refused]
    more = [] if len(names) <= _NAMED else [f"... (+{len(names) - _NAMED})"]
    refused = [t("report.refused", count=len(names), names=", ".join([*names[:_NAMED], *more]))] if names else []
    return refused + [t("report.missing", text=text) for text in report.missing]


def task_rows(scores: Sequence[TaskScore]) -> list[tuple[str, ...]]:
    """A row for each task and metric: its name, how much was asked, and each subject's figure."""
    subjects = list(dict.fromkeys(score.subject for score in scores))
    found: dict[tuple[str, str, int], dict[str, str]] = {}
    for one in scores:
        error = "" if one.standard_error is None else f" ± {one.standard_error:.3f}"
        found.setdefault((one.task, one.metric, one.asked), {})[one.subject] = f"{one.value:.3f}{error}"
    return [
        (f"{task} {metric}", str(asked), *(of.get(s, "-") for s in subjects))
        for (task, metric, asked), of in found.items()
    ]


def task_head(scores: Sequence[TaskScore]) -> tuple[str, ...]:
    """The head of that table."""
    subjects = dict.fromkeys(score.subject for score in scores)
    return (t("head.task"), t("head.asked"), *(t(f"subject.{subject}") for subject in subjects))


def tell_tasks(session: Session, scores: Sequence[TaskScore]) -> None:
    """The figures of harness tasks, where any were asked."""
    if scores:
        session.table(task_rows(scores), task_head(scores))


def outcome(rule: RuleResult) -> str:
    """Whether a rule passed, or passed with an alarm."""
    return t("failed") if not rule.passed else t("alarm") if rule.alarm else t("passed")


def tell_changes(session: Session, report: Report) -> None:
    """The answers that changed most, before and after, beside the live adapter or else the base."""
    from ..evaluate.comparison import changed_answers

    subject = "live" if report.score("live") is not None else "base"
    changes = changed_answers(report, subject)
    if changes:
        session.table(
            [
                ("+" if one.better else "-", one.question or one.item, shortened(one.before), shortened(one.after))
                for one in changes
            ],
            ("", t("head.question"), t(f"subject.{subject}"), t("subject.candidate")),
        )


def shortened(text: str, most: int = 160) -> str:
    """A text that is not longer than a table's cell bears."""
    return text if len(text) <= most else text[: most - 1] + "…"


def tell_decision(session: Session, decision: Decision, measured: Calibration | None) -> None:
    """A line for each rule, the verdict, and how often such verdicts err here, as far as it was measured."""
    for rule in decision.rules:
        session.say(f"  {outcome(rule)} {_named(rule)}: {rule.observed} ({t('required')}: {rule.required})")
    failed = ", ".join(_named(rule) for rule in decision.rules if not rule.passed and rule.rule in decision.reason)
    session.say(t(f"verdict.{decision.verdict}", reason=failed if korean() and failed else decision.reason))
    session.say(calibration_line(measured) if measured else t("calibration.none"))


def _named(rule: RuleResult) -> str:
    return t(f"rule.{rule.rule}") if korean() else rule.rule


def calibration_line(found: Calibration) -> str:
    """What was measured, in one line; a zero with its number of trials."""
    return t(
        "calibration.told", promoted=found.promoted, runs=found.runs, frac=f"{found.resampled_frac:.1%}",
        resampled=f"{found.resampled:,}", at=found.at[:10],
    )  # fmt: skip


def tell_release(session: Session, release: Release | None) -> None:
    """What is live now."""
    if release is None:
        session.say(t("release.kept"))
        return
    session.say(t("release.live", version=release.version, name=release.adapter_name, id=release.id))
    if release.status == "on_trial" and release.trial_ends_at is not None:
        session.say(t("release.trial", until=f"{release.trial_ends_at:%Y-%m-%d %H:%M}"))
