"""What the demo and the steps show of their results."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from .messages import t
from .telling import request_seconds

if TYPE_CHECKING:
    from ..types import Report, SubjectScore


def score_lines(report: Report) -> Iterator[str]:
    """One line a subject: held-out loss, cases passed, absolute score, time of a single request."""
    for score in report.scores:
        yield "  " + score_line(score)


def score_line(score: SubjectScore) -> str:
    """The totals of one subject in words."""
    loss = f"{score.heldout_loss:.3f}" if score.heldout_loss is not None else "-"
    seconds = f", {request_seconds(score)} a request" if score.avg_response_time else ""
    return (
        f"{score.subject:9} held-out loss {loss}, cases {score.test_cases_passed}/{score.total_test_cases}, "
        f"overall score {score.overall_score:.2f}{seconds}"
    )


def escaped(text: str) -> str:
    """A text as rich prints it literally, on one line."""
    return text.replace("[", "\\[").replace("\n", " ") or "(nothing)"


def summary_tables(summary: dict[str, Any]) -> Iterator[Any]:
    """The tables shown at the end: what was said when, and everything that was made."""
    from rich.table import Table

    said = Table(title="The same questions", show_lines=True)
    said.add_column("moment", no_wrap=True)
    for question in summary["questions"]:
        said.add_column(question, overflow="fold")
    for row in summary["answers"]:
        said.add_row(row["moment"], *(escaped(text) for text in row["answers"]))
    yield said
    made = Table(title="What was made", show_header=False)
    made.add_column(no_wrap=True)
    made.add_column(overflow="fold")
    made.add_row("base", f"{summary['base']['name']} = {summary['base']['id']}")
    for number, turn in enumerate(summary["turns"], 1):
        rows = turn["rows"]
        made.add_section()
        made.add_row(
            f"turn {number}", f"{rows['train']} rows taught, {rows['validation']} stopped, {rows['gate']} judged"
        )
        for key in ("dataset", "adapter", "report", "release"):
            made.add_row(key, str(turn[key] or "none: the gate did not promote"))
        made.add_row("files", turn["adapter_path"])
    made.add_section()
    made.add_row("live now", str(summary["live"]))
    made.add_row("home", summary["home"])
    made.add_row("time", f"{summary['total_seconds']:.0f} s")
    yield made
    yield canary_table(summary["canaries"])


def canary_table(canaries: Sequence[dict[str, Any]]) -> Any:
    """The table of what became of the candidates."""
    from rich.table import Table

    table = Table(title=t("demo.canaries"), show_lines=True)
    for head in ("adapter", "steps", "users", "thumbs", "outcome", "why"):
        table.add_column(t(f"demo.head.{head}"), overflow="fold")
    for one in canaries:
        table.add_row(
            one["adapter"], " → ".join(one["steps"]), f"{one['got_candidate']} / {one['users']}",
            f"{one['thumbs_up']} / {one['got_candidate']}", t(f"experiment.status.{one['status']}"),
            escaped(one["reason"]),
        )  # fmt: skip
    return table
