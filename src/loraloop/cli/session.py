"""What every command shares: the home, the output, the log."""

from __future__ import annotations

import json
import logging
import logging.handlers
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..ports import Progress
from ..types import plain
from .messages import choose_language, t
from .progress import shown_progress

if TYPE_CHECKING:
    from ..wiring import Home

LOG_BYTES = 5_000_000
PLAIN_WIDTH = 240


@dataclass
class Session:
    """The global options of one call.

    Attributes:
        home: folder named with --home; ``None`` for the usual one.
        as_json: whether one JSON object goes to standard output and nothing else.
    """

    home: Path | None = None
    bot: str | None = None
    lang: str | None = None
    verbose: bool = False
    as_json: bool = False

    @contextmanager
    def opened(self, *, urgent: bool = False) -> Iterator[Home]:
        """Open the home; its log file, its language and whatever had to be put right are taken care of.

        Args:
            urgent: whether what has to be put right comes last, after what the command does.
        """
        from ..store.location import checked_name
        from ..tending import tend
        from ..wiring import open_home

        if self.bot is not None:
            checked_name(self.bot, "bot")
        with open_home(self.home, bot=self.bot, tended=not urgent) as home:
            log_to_file(home.folder)
            if self.lang is None:
                choose_language(None if home.settings.language == "en" else home.settings.language)
            self._tell_recovered(home)
            yield home
            if urgent:
                home.recovered = tend(home)
                self._tell_recovered(home)

    def _tell_recovered(self, home: Home) -> None:
        for line in home.recovered:
            self.note(t("recovered", text=line))

    @contextmanager
    def progress(self) -> Iterator[Progress]:
        """A progress display, unless the output is JSON."""
        with shown_progress(quiet=self.as_json) as progress:
            yield progress

    def say(self, text: str) -> None:
        """Print a line of the answer, unless it is JSON."""
        if not self.as_json:
            print(text, flush=True)

    def note(self, text: str) -> None:
        """Print a line beside the answer."""
        print(text, file=sys.stderr)

    def answer(self, value: Mapping[str, Any], *, in_one_line: bool = False) -> None:
        """Print the whole answer as JSON, if that was asked for; at once, for whoever reads along."""
        if self.as_json:
            indent = None if in_one_line else 2
            shows_all = (sys.stdout.encoding or "").lower().startswith("utf")  # elsewhere JSON has escapes of its own
            print(json.dumps(plain(value), ensure_ascii=not shows_all, indent=indent, default=str), flush=True)

    def table(self, rows: list[tuple[str, ...]], head: tuple[str, ...] = ()) -> None:
        """Print rows as a table that fits the terminal, unless the answer is JSON."""
        if self.as_json:
            return
        from rich.console import Console
        from rich.table import Table

        shown = Table(show_header=bool(head), box=None, pad_edge=False)
        for n in range(len(head or rows[0]) if head or rows else 0):
            shown.add_column(head[n] if head else "", overflow="fold")
        for row in rows:
            shown.add_row(*(cell.replace("[", "\\[") for cell in row))
        console = Console(highlight=False)
        if not console.is_terminal:
            console = Console(highlight=False, width=PLAIN_WIDTH)  # a file or a pipe has no edge to fold at
        console.print(shown)


def log_to_file(home: Path) -> None:
    """Write this process's log to ``loraloop.log`` in the home, with the older part kept aside at 5 MB."""
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    path = str(home / "loraloop.log")
    if any(getattr(handler, "baseFilename", None) == path for handler in root.handlers):
        return
    try:
        handler = logging.handlers.RotatingFileHandler(
            path, maxBytes=LOG_BYTES, backupCount=2, encoding="utf-8", errors="backslashreplace"
        )
    except OSError:
        return  # a home that may only be read can still be looked at
    handler.setFormatter(logging.Formatter("%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"))
    handler.setLevel(logging.INFO)
    root.addHandler(handler)


class _WithoutTraceback(logging.Formatter):
    """For a user who made a mistake or met a fault: the traceback is in the log file."""

    def format(self, record: logging.LogRecord) -> str:
        return self.formatMessage(logging.makeLogRecord({**record.__dict__, "message": record.getMessage()}))


def log_to_screen(verbose: bool) -> None:
    """Show warnings, or with ``verbose`` everything, on standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter((logging.Formatter if verbose else _WithoutTraceback)("%(levelname)s %(name)s: %(message)s"))
    handler.setLevel(logging.INFO if verbose else logging.ERROR)
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.INFO if verbose else logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
