"""Commands that talk with the bot: ask, chat, feedback."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import ConversationTooLong, UsageError
from ..types import Message, message
from .messages import korean, t
from .options import AsJson, session_of

if TYPE_CHECKING:
    from ..lm.speaker import Spoken
    from ..types import Conversation
    from ..wiring import Home
    from .session import Session

Consent = Annotated[str, typer.Option("--consent", help="granted lets what is said be learnt from; unknown does not.")]
Subject = Annotated[str, typer.Option("--with", help="Who answers: live, base, or an adapter's name or id.")]


def ask(
    context: typer.Context,
    question: Annotated[str, typer.Argument(help="What to ask; '-' reads standard input.")],
    subject: Subject = "live",
    consent: Consent = "unknown",
    user: Annotated[str | None, typer.Option("--user", help="Who asks; only a pseudonym is kept.")] = None,
    as_json: AsJson = False,
) -> None:
    """Ask one question and record the exchange; its id goes to loraloop feedback."""
    from ..speaking import speaker_of

    session = session_of(context, as_json)
    text = sys.stdin.read() if question == "-" else question
    if not text.strip():
        raise UsageError("the question is empty", hint='loraloop ask "Hello?"')
    if not _is_utf8(text):
        raise UsageError("the question is not UTF-8", hint="save or send it as UTF-8")
    with session.opened() as home:
        asked = [message("user", text)]
        spoken = speaker_of(home, subject).answer(asked)
        kept = home.record(asked, spoken.text, consent=consent, user=user, subject=subject)
    session.say(spoken.text)
    session.note(f"{kept.id} {t('chat.speed', seconds=f'{spoken.seconds:.1f}')}")
    session.answer(_told(kept, spoken))


def feedback(
    context: typer.Context,
    id: Annotated[str, typer.Argument(help="Id of the exchange, as loraloop ask and chat print it.")],
    good: Annotated[bool, typer.Option("--good", help="The answer was good.")] = False,
    bad: Annotated[bool, typer.Option("--bad", help="The answer was bad.")] = False,
    fix: Annotated[str, typer.Option("--fix", help="What the answer should have been.")] = "",
    comment: Annotated[str, typer.Option("--comment", help="Anything else.")] = "",
    actor: Annotated[str, typer.Option("--actor", help="Who says so.")] = "operator",
    as_json: AsJson = False,
) -> None:
    """Judge an answer: good, bad, or how it should have been."""
    session = session_of(context, as_json)
    given = {"thumb_up": good, "thumb_down": bad, "correction": fix, "comment": comment}
    kinds = [kind for kind, value in given.items() if value]
    if len(kinds) != 1:
        raise UsageError("say one thing about the answer", hint="--good, --bad, --fix TEXT or --comment TEXT")
    with session.opened() as home:
        told = _judge(home, session, id, kinds[0], text=fix or comment, actor=actor)
    session.answer(told)


def chat(
    context: typer.Context, subject: Subject = "live", consent: Consent = "unknown",
    user: Annotated[str | None, typer.Option("--user", help="Who talks; only a pseudonym is kept.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line for each answer.")] = False,
) -> None:  # fmt: skip
    """Talk with the bot in the terminal; every answer can be judged and corrected."""
    from ..speaking import speaker_of

    session = session_of(context, as_json)
    with session.opened() as home:
        speaker = speaker_of(home, subject)
        session.note(t("chat.hello", name=subject))
        if consent not in ("granted", "public"):
            session.note(t("chat.consent"))
        said: list[Message] = []
        last, judge = "", home.pseudonyms(user)[0] if user else _whoami()
        for line in _lines("> " if sys.stdin.isatty() and not as_json else ""):
            word, _, rest = line.partition(" ")
            if word == "/quit":
                return
            if word in ("/good", "/bad", "/fix"):
                kind = {"/good": "thumb_up", "/bad": "thumb_down", "/fix": "correction"}[word]
                if not last:
                    session.note(t("chat.nothing"))
                    continue
                try:
                    _judge(home, session, last, kind, text=rest.strip(), actor=judge)
                except UsageError as error:
                    session.note(t("error", text=error))
                continue
            if word.startswith("/") or not _is_utf8(line):  # a mistyped correction is not something to be said
                session.note(t("chat.unknown"))
                continue
            said.append(message("user", line))
            try:
                spoken = speaker.answer(said)
            except ConversationTooLong as error:
                said.pop()
                session.note(t("error", text=error))
                continue
            kept = home.record(said, spoken.text, consent=consent, user=user, subject=subject)
            said.append(message("assistant", spoken.text))
            last = kept.id
            session.say(spoken.text)
            session.note(f"{last} {t('chat.speed', seconds=f'{spoken.seconds:.1f}')}")
            session.answer(_told(kept, spoken), in_one_line=True)


def _told(kept: Conversation, spoken: Spoken) -> dict[str, object]:
    return {"id": kept.id, "answer": spoken.text, "seconds": spoken.seconds, "release": kept.release_id}


def _lines(prompt: str) -> Iterator[str]:
    """What is typed, line by line, until the end of the input; empty lines are skipped."""
    while True:
        try:
            line = input(prompt).strip()
        except EOFError:
            return
        if line:
            yield line


def _judge(home: Home, session: Session, id: str, kind: str, *, text: str, actor: str) -> dict[str, object]:
    from ..data.exchanges import give_feedback, why_not_learnt
    from ..data.reasons import REASONS

    given = give_feedback(home.store, id, kind, text=text, actor=actor)
    reason = why_not_learnt(home.store, id, given.message_index, home.settings.data)
    tell = session.note if session.as_json else session.say
    if reason is None:
        tell(t("feedback.done", id=id))
    else:
        words = REASONS[reason][int(korean())] if reason in REASONS else reason
        tell(t("feedback.noted", id=id, reason=words))
    return {"id": id, "kind": kind, "message_index": given.message_index, "not_learnt_because": reason}


def _is_utf8(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)


def _whoami() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "operator"


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (ask, chat, feedback):
        app.command()(command)
