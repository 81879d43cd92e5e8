"""``loraloop``: the commands put together, and the one place where errors become words and exit codes."""

from __future__ import annotations

import copy
import io
import json
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from typer.main import get_command_name
from typer.models import CommandInfo

from .. import __version__
from ..errors import LoraloopError, UsageError
from . import (
    conversations,
    experimenting,
    gating,
    jobs,
    keeping,
    looking,
    privacy,
    reviewing,
    scheduling,
    service,
    serving,
    steps,
    talking,
)
from .exit_codes import BUG, INTERRUPTED, MEANINGS, USAGE, exit_code
from .messages import LANGUAGES, choose_language, t
from .session import Session, log_to_screen

log = logging.getLogger(__name__)

EPILOG = "Exit codes: " + "; ".join(f"{code} {meaning}" for code, meaning in MEANINGS.items()) + "."

_WITH_VALUE = frozenset({"--home", "--bot", "--lang"})
"""Options before the command that are followed by a value."""

app = typer.Typer(
    name="loraloop",
    help="Turn a chatbot's own conversations into better LoRA adapters for it, and never release a worse one.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _version(asked: bool) -> None:
    if asked:
        print(f"loraloop {__version__}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    home: Annotated[
        Path | None, typer.Option("--home", envvar="LORALOOP_HOME", help="Home folder [default: ./.loraloop].")
    ] = None,
    bot: Annotated[
        str | None, typer.Option("--bot", help="Which bot of the home; the settings' one if left out.")
    ] = None,
    lang: Annotated[str | None, typer.Option("--lang", help="Language of the messages: en or ko.")] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show the log, and tracebacks of faults.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Options that come before the command."""
    context.obj = Session(home, bot, lang, verbose)
    if lang is not None and lang not in LANGUAGES:
        raise UsageError(f"no messages in {lang!r}", hint=f"--lang {' or '.join(LANGUAGES)}")
    choose_language(lang)
    log_to_screen(verbose)


for module in (
    conversations,
    steps,
    scheduling,
    jobs,
    gating,
    experimenting,
    serving,
    service,
    talking,
    reviewing,
    looking,
    privacy,
    keeping,
):
    module.add_to(app)


def command_in(arguments: Sequence[str]) -> str:
    """The name of the command that arguments ask for; empty where they ask for none.

    Example:
        >>> command_in(["--home", "h", "-v", "rollback", "base"]), command_in(["--help"])
        ('rollback', '')
    """
    left = iter(arguments)
    for argument in left:
        if argument in _WITH_VALUE:
            next(left, None)
        elif not argument.startswith("-"):
            return argument
    return ""


def with_only(command: str) -> typer.Typer:
    """The application with one of its commands, or all where it has none of that name.

    Typer makes every command that it holds before it runs one, which takes longer than a rollback does.
    """
    only = copy.copy(app)
    only.registered_commands = [c for c in app.registered_commands if _name_of(c) == command]
    only.registered_groups = [g for g in app.registered_groups if g.name == command]
    return only if only.registered_commands or only.registered_groups else app


def _name_of(command: CommandInfo) -> str:
    return command.name or get_command_name(getattr(command.callback, "__name__", ""))


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and end the process with its exit code."""
    for name in ("HF_HUB_DISABLE_TELEMETRY", "DO_NOT_TRACK"):
        os.environ.setdefault(name, "1")
    given = list(sys.argv[1:] if arguments is None else arguments)
    _bear_any_text()
    as_json, verbose = "--json" in given, "--verbose" in given or "-v" in given
    try:
        code = with_only(command_in(given))(given, prog_name="loraloop", standalone_mode=False)
    except LoraloopError as error:
        log.info("%s", error, exc_info=True)
        _tell(str(error), error.hint, exit_code(error), as_json)
        code = exit_code(error)
    except (KeyboardInterrupt, typer.Abort):
        print(t("interrupted"), file=sys.stderr)
        code = INTERRUPTED
    except (BrokenPipeError, SystemExit) as error:  # whoever read the output has gone; that is no error
        if isinstance(error, SystemExit) and not isinstance(error.__context__, BrokenPipeError):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except Exception as error:
        code = _unforeseen(error, as_json, verbose)
    sys.exit(code if isinstance(code, int) else 0)


def _bear_any_text() -> None:
    """Let no letter that a terminal cannot show, and no byte that is not UTF-8, end a command."""
    for stream, errors in ((sys.stdin, "surrogateescape"), (sys.stdout, "backslashreplace")):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=errors)


def _unforeseen(error: Exception, as_json: bool, verbose: bool) -> int:
    shown = getattr(error, "format_message", None)
    if callable(shown):  # the command line itself is wrong: an unknown option, a missing argument
        context = getattr(error, "ctx", None)
        path = context.command_path if context is not None else "loraloop"
        _tell(str(shown()), f"{path} --help", USAGE, as_json)
        return USAGE
    log.warning("a fault of this program", exc_info=True)
    if verbose:
        raise error
    if isinstance(error, ModuleNotFoundError) and not (error.name or "loraloop").startswith("loraloop"):
        _tell(t("no_package", name=error.name), "pip install 'loraloop[demo]'", USAGE, as_json)
        return USAGE
    _tell(t("bug", text=f"{type(error).__name__}: {error}", log="loraloop.log"), "--verbose", BUG, as_json)
    return BUG


def _tell(text: str, hint: str, code: int, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"error": text, "hint": hint, "exit_code": code}, ensure_ascii=False))
        return
    print(t("error", text=text), file=sys.stderr)
    if hint and hint not in text:
        print(t("hint", text=hint), file=sys.stderr)
