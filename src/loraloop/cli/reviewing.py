"""loraloop review: answers that wait for a person, one after another, or as JSON."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from ..data.reasons import REASONS
from ..errors import UsageError
from ..types import Waiting
from .messages import korean, t
from .options import AsJson, session_of

if TYPE_CHECKING:
    from ..data.review import ReviewQueue
    from .session import Session

KEYS = {"a": "approve", "e": "edit", "r": "reject", "s": "seen", "n": "next", "q": "quit"}

review = typer.Typer(help="Answers that wait for a person: approve, edit or reject them.", invoke_without_command=True)
Reviewer = Annotated[str, typer.Option("--reviewer", help="Who decides; kept with each decision.")]


@review.callback()
def walk(context: typer.Context, reviewer: Reviewer = "operator") -> None:
    """Show what waits, one answer at a time: approve, edit, reject, next, quit."""
    if context.invoked_subcommand is not None:
        return
    session = session_of(context, False)
    done: dict[str, int] = {}
    with session.opened() as home:
        queue = _queue(home)
        session.say(t("review.keys"))
        for one in queue.all():
            show(session, one)
            decision, text = _asked(session, one)
            if decision == "quit":
                break
            if decision != "next":
                queue.decide(one.id, decision, text=text, reviewer=reviewer)
                done[decision] = done.get(decision, 0) + 1
    told = ", ".join(f"{t('review.' + name)} {count}" for name, count in done.items())
    session.say(t("review.done", told=told or t("review.nothing")))


@review.command("list")
def list_(
    context: typer.Context,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Most answers to list.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List what waits: talk of distress first, then the oldest."""
    session = session_of(context, as_json)
    with session.opened() as home:
        found = _queue(home).waiting(limit)
    for one in found:
        show(session, one)
    if not found:
        session.say(t("review.empty"))
    session.answer({"waiting": [dict(one) for one in found]})


@review.command()
def decide(
    context: typer.Context,
    id: Annotated[str, typer.Argument(help="ID#INDEX of the answer, as review list shows it.")],
    decision: Annotated[str, typer.Argument(help="approve, edit, reject or seen.")],
    text: Annotated[str, typer.Option("--text", help="With edit: the answer as it should have been.")] = "",
    reviewer: Reviewer = "operator",
    as_json: AsJson = False,
) -> None:
    """Decide about one answer."""
    session = session_of(context, as_json)
    if decision == "edit" and not text:
        raise UsageError("an edit needs the better answer", hint="loraloop review decide ID edit --text BETTER")
    with session.opened() as home:
        _queue(home).decide(id, decision, text=text, reviewer=reviewer)
    session.say(t("review.noted", id=id, decision=t(f"review.{decision}")))
    session.answer({"id": id, "decision": decision})


def _queue(home: object) -> ReviewQueue:
    from ..data.review import ReviewQueue
    from ..wiring import Home

    assert isinstance(home, Home)
    return ReviewQueue(home.store, home.bot, home.settings.data)


def show(session: Session, one: Waiting) -> None:
    """Print an answer that waits, with what was said before it."""
    session.say(f"\n{one.id}  {_words(one.reason)}")
    for said in one.prompt:
        session.say(f"  {t('role.' + said.role)}: {said.text}")
    session.say(f"  > {one.answer}")
    for fault in one.faults:
        session.say(f"  ! {_words(fault)}")


def _words(code: str) -> str:
    return REASONS[code][int(korean())] if code in REASONS else code


def _asked(session: Session, one: Waiting) -> tuple[str, str]:
    """The reviewer's decision and, for an edit, the better answer; the end of the input is ``"quit"``."""
    for line in _lines():
        word, _, rest = line.strip().partition(" ")
        decision = next((name for key, name in KEYS.items() if word.lower() in (key, name)), None)
        if decision is None or (one.reason == "distress_disclosure" and decision in ("approve", "edit")):
            session.say(t("review.keys") if decision is None else t("review.distress"))
            continue
        if decision == "edit" and not rest.strip():
            session.say(t("review.better"))
            rest = next(_lines(), "")
            if not rest.strip():
                continue
        return decision, rest.strip()
    return "quit", ""


def _lines() -> Iterator[str]:
    while line := sys.stdin.readline():
        yield line


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(review, name="review", rich_help_panel=None)
