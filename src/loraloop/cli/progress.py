"""Progress on standard error: bars in a terminal, a line now and then elsewhere, nothing with --json."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from ..ports import Progress
from .messages import t

_LINE_EVERY_S = 5.0


def _said(facts: dict[str, float]) -> str:
    known = {"loss": "{:.3f}", "tokens_per_s": "{:.0f} tokens/s", "conversations": "{:.0f}"}
    words = []
    for name, value in facts.items():
        text = known.get(name, "{:g}").format(value)
        words.append(text if name == "tokens_per_s" else f"{t('fact.' + name)} {text}")
    return ", ".join(words)


class Lines:
    """Progress as plain lines, for logs: at most one in five seconds a stage, and the last, once."""

    def __init__(self) -> None:
        self._shown: dict[str, float] = {}
        self._ended: dict[str, str] = {}

    def __call__(self, stage: str, done: int, total: int, **facts: float) -> None:
        """Hear of progress."""
        now = time.monotonic()
        last = done == total and total > 0
        if last or now - self._shown.get(stage, -_LINE_EVERY_S) >= _LINE_EVERY_S:
            self._shown[stage] = now
            share = f"{done}/{total}" if total else "..."
            line = f"{t('stage.' + stage)}: {share} {_said(facts)}".rstrip()
            if last and self._ended.get(stage) == line:  # the last megabyte may be told part by part
                return
            self._ended[stage] = line if last else ""
            print(line, file=sys.stderr, flush=True)


class Bars:
    """Progress as bars with loss, speed and time left.

    Args:
        progress: a running rich progress display.
    """

    def __init__(self, progress: object) -> None:
        self._progress: object = progress
        self._tasks: dict[str, object] = {}

    def __call__(self, stage: str, done: int, total: int, **facts: float) -> None:
        """Hear of progress; a stage that begins anew gets a new bar."""
        from rich.progress import Progress as RichProgress

        bars = self._progress
        assert isinstance(bars, RichProgress)
        task = self._tasks.get(stage)
        if task is None:
            task = self._tasks[stage] = bars.add_task(t("stage." + stage), total=total or None, said="")
        bars.update(task, completed=done, total=total or None, said=_said(facts))  # type: ignore[arg-type]
        if total and done >= total:
            bars.stop_task(task)  # type: ignore[arg-type]
            del self._tasks[stage]


def silent(stage: str, done: int, total: int, **facts: float) -> None:
    """Hear of progress and say nothing."""


@contextmanager
def shown_progress(quiet: bool = False) -> Iterator[Progress]:
    """Give a ``Progress`` that shows itself where the user is looking.

    Args:
        quiet: show nothing.
    """
    if quiet:
        yield silent
        return
    if not sys.stderr.isatty():
        yield Lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress

    columns = (
        TextColumn("{task.description:<12}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[said]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(compact=True),
    )
    with RichProgress(*columns, console=Console(stderr=True), refresh_per_second=5) as bars:
        yield Bars(bars)
