"""Tasks of lm-evaluation-harness from local files, asked of a tiny real model."""

import json
from pathlib import Path

import pytest

from loraloop.errors import UsageError
from loraloop.evaluate.asking import Subject
from loraloop.evaluate.harness import run_tasks
from loraloop.testing.wrappers import random_adapter

pytestmark = pytest.mark.real

TASK = """\
task: meals
dataset_path: json
dataset_kwargs: {data_files: {test: meals.jsonl}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{question}}\\nAnswer:"
doc_to_choice: "{{choices}}"
doc_to_target: "{{answer}}"
metric_list: [{metric: acc}, {metric: acc_norm}]
"""
QUESTIONS = [
    {"question": f"{n}번 질문: 배고플 때는?", "choices": ["김밥을 먹어요", "Run away", "잠을 자요"], "answer": n % 3}
    for n in range(6)
]


@pytest.fixture
def tasks(tmp_path: Path) -> Path:
    """A folder with one multiple-choice task and its questions."""
    folder = tmp_path / "tasks"
    folder.mkdir()
    (folder / "meals.yaml").write_text(TASK, encoding="utf-8")
    lines = "\n".join(json.dumps(question, ensure_ascii=False) for question in QUESTIONS)
    (folder / "meals.jsonl").write_text(lines, encoding="utf-8")
    return folder


def test_tasks_from_local_files_are_asked_of_every_subject(tasks: Path, tiny_base: Path, tmp_path: Path) -> None:
    """Each subject gets every metric of the task over all questions, and a strong adapter changes what is likely."""
    pytest.importorskip("lm_eval")
    adapter = random_adapter(tiny_base, tmp_path / "adapter", strength=0.5)
    subjects = [Subject("candidate", "ad-1", adapter), Subject("base", "base", None)]
    steps: list[tuple[str, int, int]] = []
    found = run_tasks(
        tiny_base, subjects, tasks, dtype="float32", progress=lambda *step, **_: steps.append((step[0], *step[1:]))
    )
    assert [(one.subject, one.task, one.metric, one.asked) for one in found] == [
        (subject, "meals", metric, 6) for subject in ("candidate", "base") for metric in ("acc", "acc_norm")
    ]
    assert all(one.value * 6 == pytest.approx(round(one.value * 6)) for one in found)
    assert all(one.standard_error is not None for one in found)
    assert steps == [("evaluate", 1, 2), ("evaluate", 2, 2)]
    assert sorted(path.name for path in tasks.iterdir()) == ["meals.jsonl", "meals.yaml"]


def test_a_folder_without_a_task_is_refused_before_anything_is_loaded(tmp_path: Path, tiny_base: Path) -> None:
    """An empty folder and one that is not there are named."""
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(UsageError, match="holds no task"):
            run_tasks(tiny_base, [Subject("base", "base", None)], folder)
