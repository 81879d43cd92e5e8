"""The process of harness tasks: ``python -m loraloop.evaluate.harness_child``, spoken to by ``harness.py`` only."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import EvaluationError
from ..lm.child import child_main


def work(spec: dict[str, Any], say: Callable[..., None]) -> dict[str, Any]:
    """Ask each task of each subject in turn, with its adapter as it will be served."""
    with tempfile.TemporaryDirectory(prefix="loraloop-tasks-") as cache:
        os.environ["HF_DATASETS_CACHE"] = cache  # what a task reads leaves no copy behind
        os.environ["HF_DATASETS_OFFLINE"] = "1"
        os.chdir(spec["tasks"])
        return {"scores": list(_scores(spec, say))}


def _scores(spec: Mapping[str, Any], say: Callable[..., None]) -> Iterator[dict[str, Any]]:
    from lm_eval import simple_evaluate
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    from ..lm.adapter_files import check_adapter
    from ..lm.adapters import adapted
    from ..lm.loader import load_model, load_tokenizer
    from ..lm.probe import DECODING_ROWS, probe

    manager = TaskManager(include_path=spec["tasks"], include_defaults=False)
    names = sorted(manager.all_subtasks)
    if not names:
        raise EvaluationError("no file of the folder is a task", hint="a task names itself: task: my_task")
    folder = Path(spec["base"])
    tokenizer = load_tokenizer(folder)
    chats = bool(getattr(tokenizer, "chat_template", None))
    choice = probe(DECODING_ROWS, dtype=spec["dtype"], device=spec["device"])
    model = load_model(folder, choice.dtype, choice.device)
    for done, subject in enumerate(spec["subjects"]):
        adapter = Path(subject["folder"]) if subject["folder"] else None
        if adapter is not None:
            check_adapter(adapter)
        with adapted(model, adapter):
            found = simple_evaluate(
                model=HFLM(pretrained=model, tokenizer=tokenizer, batch_size=spec["batch_size"]),
                tasks=list(names),
                task_manager=manager,
                apply_chat_template=chats,
                system_instruction=(spec["system_prompt"] or None) if chats else None,
                log_samples=False,
            )
        say("progress", done=done + 1, total=len(spec["subjects"]))
        yield from _rows(subject["name"], found)


def _rows(subject: str, found: Any) -> Iterator[dict[str, Any]]:
    """The figures of one subject, a row each; the harness names them ``metric,filter``."""
    for task, figures in sorted(found["results"].items()):
        for key, value in figures.items():
            metric, comma, filtered = key.partition(",")
            if not comma or metric.endswith("_stderr") or not isinstance(value, int | float):
                continue
            error = figures.get(f"{metric}_stderr,{filtered}")
            yield {
                "subject": subject,
                "task": task,
                "metric": metric if filtered == "none" else f"{metric} ({filtered})",
                "value": float(value),
                "standard_error": float(error) if isinstance(error, int | float) else None,
                "asked": int(found["n-samples"][task]["effective"]),
            }


if __name__ == "__main__":
    child_main(work)
