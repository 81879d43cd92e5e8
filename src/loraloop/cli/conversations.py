"""Commands about what was said: init, import, data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import UsageError
from ..types import CONSENTS
from . import data_numbers, exit_codes
from .messages import t
from .options import AsJson, session_of
from .telling import shortened

SHOWN_BAD_LINES = 20
SHOWN_KEYS = 8


def init(
    context: typer.Context,
    base: Annotated[
        str, typer.Option("--base", help="Base model: smollm2, gemma, a folder, a .gguf, package:NAME, a hub id.")
    ] = "smollm2",
    language: Annotated[str, typer.Option("--language", help="Language of the bot's users: en or ko.")] = "",
    system_prompt: Annotated[str, typer.Option("--system-prompt", help="Put before every conversation.")] = "",
    as_json: AsJson = False,
) -> None:
    """Make a home: its folder and a commented settings file."""
    from ..homes import make_folder
    from ..lm.bases import find_base
    from ..wiring import home_folder, init_home, open_home

    session = session_of(context, as_json)
    if Path(base).expanduser().exists():
        base = str(Path(base).expanduser().absolute())  # the home must find it from wherever it is opened
    settings: dict[str, Any] = {"base__model": base, "language": language or ("ko" if base == "gemma" else "en")}
    if system_prompt:
        settings["base__system_prompt"] = system_prompt
    if not (home_folder(session.home) / "loraloop.toml").exists():
        make_folder(home_folder(session.home))
        with session.progress() as progress:  # a home without its base would only fail later
            progress("convert", 0, 0)
            find_base(base, home_folder(session.home) / "bases")
    home = init_home(session.home, **settings)
    with open_home(home) as opened:
        _ = opened.secret
    session.say(t("init.done", home=home))
    session.say(t("init.next"))
    session.answer({"home": str(home), "base": base, "language": settings["language"]})


def import_(
    context: typer.Context,
    paths: Annotated[list[str], typer.Argument(help="Files, folders, or package:NAME/PART.", metavar="PATH...")],
    format: Annotated[
        str, typer.Option("--format", help="auto, jsonl (ours), openai, sharegpt, alpaca, records or chatterbot.")
    ] = "auto",
    consent: Annotated[
        str | None, typer.Option("--consent", help="Consent of rows that state none: granted, public, unknown.")
    ] = None,
    reviewed: Annotated[
        bool, typer.Option("--reviewed", help="A person read these answers; they may be learnt.")
    ] = False,
    source: Annotated[str | None, typer.Option("--source", help="Where they come from, for the lineage.")] = None,
    as_json: AsJson = False,
) -> None:
    """Read conversations from files; bad lines are reported by file and number, the good ones are kept."""
    from ..data.formats import ImportOptions
    from ..data.importers import import_files
    from ..data.reasons import REASONS
    from .messages import korean

    session = session_of(context, as_json)
    if consent is not None and consent not in CONSENTS:
        raise UsageError(f"no consent {consent!r}", hint=f"one of {', '.join(CONSENTS)}")
    with session.opened() as home, session.progress() as progress:
        options = ImportOptions(
            bot=home.bot, consent=consent, approved_by="review" if reviewed else None, source=source, secret=home.secret
        )
        done = import_files(paths, format, options, home.store, progress, quality=home.settings.data)
    session.say(t("import.done", new=done.new, known=done.known))
    for code, count in sorted(done.unlearnable.items(), key=lambda item: -item[1]):
        words = REASONS[code][int(korean())] if code in REASONS else code
        session.say("  " + t("import.unlearnable", count=count, reason=words))
    if done.ignored and not as_json:
        named = [f"{shortened(key, 40)} ({count})" for key, count in done.ignored.items()]
        more = ", ..." if len(named) > SHOWN_KEYS else ""
        session.note(t("import.ignored", keys=", ".join(named[:SHOWN_KEYS]) + more))
    if done.bad and not as_json:
        session.note(t("import.bad", count=len(done.bad)))
        for line in done.bad[:SHOWN_BAD_LINES]:
            session.note(f"  {line}")
        if len(done.bad) > SHOWN_BAD_LINES:
            session.note("  " + t("import.more", count=len(done.bad) - SHOWN_BAD_LINES))
    bad = [{"file": line.file, "line": line.line, "reason": line.reason} for line in done.bad]
    told = {"read": done.read, "new": done.new, "known": done.known, "unlearnable": done.unlearnable, "bad": bad,
            "ignored": done.ignored}  # fmt: skip
    session.answer(told)
    if done.bad:
        raise typer.Exit(exit_codes.SOME_BAD)


data = typer.Typer(help="What is stored, what would be learnt, and why the rest would not.", no_args_is_help=True)


@data.command()
def explain(
    context: typer.Context,
    id: Annotated[str, typer.Argument(help="Conversation id, or ID#INDEX for one answer of it.")],
    as_json: AsJson = False,
) -> None:
    """Tell what became of a conversation: learnt, held out, or left out and why; and what its answers score."""
    from ..data.explain import explain_drop
    from .messages import korean

    session = session_of(context, as_json)
    with session.opened() as home:
        said = explain_drop(home.store, home.bot, id, language="ko" if korean() else "en")
        scores = data_numbers.scores_of(home, id)
    session.say(said)
    for key, score in scores.items():
        session.say(data_numbers.score_line(key, score))
    session.answer({"id": id, "lines": said.splitlines(), "scores": {key: dict(one) for key, one in scores.items()}})


@data.command()
def export(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="The .jsonl to write; one that is there is replaced with --force.")],
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write all conversations, redacted as they are stored, as JSONL that import reads back."""
    from ..data.export import export_conversations

    session = session_of(context, as_json)
    if file.exists() and not force:
        raise UsageError(f"{file} exists", hint="name another file, or add --force")
    with session.opened() as home, session.progress() as progress:
        count = export_conversations(home.store, home.bot, file, progress)
    session.say(t("data.exported", count=count, path=file))
    session.answer({"conversations": count, "path": str(file)})


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    data_numbers.add_to(data)
    app.command()(init)
    app.command("import")(import_)
    app.add_typer(data, name="data", rich_help_panel=None)
