"""Tasks of lm-evaluation-harness from local files, asked of the same subjects: general ability beside the bot's own.

They are shown and decide nothing: the gate rests on the bot's own rows and suites. Needs ``loraloop[bench]``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import EvaluationError, UsageError
from ..lm.child import run_child
from ..ports import Progress
from ..types import Record
from .questions import Subject

if TYPE_CHECKING:
    from ..lm.yielding import Yielding


@dataclass(frozen=True, slots=True)
class TaskScore(Record):
    """What one subject reached in one task.

    Attributes:
        metric: as the task names it (``"acc"``). value: its mean over the task's questions.
        standard_error: of that mean; ``None`` where the metric has none.
        asked: number of questions.
    """

    subject: str
    task: str
    metric: str
    value: float
    standard_error: float | None
    asked: int


def run_tasks(
    base: Path,
    subjects: Sequence[Subject],
    folder: Path,
    *,
    system_prompt: str = "",
    dtype: str = "auto",
    device: str = "auto",
    batch_size: int = 16,
    progress: Progress | None = None,
    yielding: Yielding | None = None,
) -> list[TaskScore]:
    """Ask every task of a folder of every subject, in a child process that loads the base once.

    Args:
        base: dense folder of the base. subjects: whom to ask, their adapters as they are served.
        folder: holds task files (``*.yaml``); relative data files count from there. Task files are configuration of
            lm-evaluation-harness and may name Python functions beside them, so use only those you would run.
        system_prompt: put before each question, where the base has a chat template.
        yielding: makes the process give way to users; ``None`` lets it run at a low priority.

    Raises:
        UsageError: the extra is not installed, or the folder holds no task. EvaluationError: a task cannot be run.
    """
    if find_spec("lm_eval") is None:
        raise UsageError("tasks need lm-evaluation-harness", hint="pip install 'loraloop[bench]'")
    folder = folder.expanduser().absolute()
    if not any(folder.glob("**/*.yaml")):
        raise UsageError(f"{folder} holds no task", hint="a task is a YAML file; see docs/how-to/metrics.md")
    spec = {
        "base": str(base.absolute()),
        "tasks": str(folder),
        "subjects": [{"name": s.name, "folder": str(s.folder.absolute()) if s.folder else None} for s in subjects],
        "system_prompt": system_prompt,
        "dtype": dtype,
        "device": device,
        "batch_size": batch_size,
    }

    def hear(fact: Mapping[str, Any]) -> None:
        if fact["kind"] == "progress" and progress is not None:
            progress("evaluate", fact["done"], fact["total"])

    found = run_child("loraloop.evaluate.harness_child", spec, hear, died=EvaluationError, yielding=yielding)
    return [TaskScore(**score) for score in found["scores"]]
