"""Beside a whole evaluation: a suite that asks what was taught is no test, and tasks of a folder are told."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Command

from loraloop.data.formats import ImportOptions
from loraloop.data.importers import import_files
from loraloop.wiring import init_home, open_home

pytestmark = pytest.mark.real


@pytest.fixture
def taught_home(tmp_path: Path, tiny_base: Path, records: Callable[[Path, int, int], Path]) -> tuple[Path, Path, str]:
    """A home with one trained adapter, the file of its suite, and a question that taught it."""
    suite = tmp_path / "suite.json"
    suite.write_text('{"items": [{"prompt": "what is the third planet of our sun"}]}')
    init_home(
        tmp_path / "home", base__model=str(tiny_base), evaluate__suites=[str(suite)], base__max_new_tokens=4,
        train__epochs=1, train__min_steps=1,
    )  # fmt: skip
    with open_home(tmp_path / "home") as home:
        options = ImportOptions(bot=home.bot, secret=home.secret, consent="granted", approved_by="review")
        import_files([str(records(tmp_path / "one.jsonl", 0, 40))], "auto", options, home.store)
        dataset = home.loop.collect()
        home.loop.train(dataset, "first")
        question = next(iter(home.data.taught(dataset.id))).asked
    return tmp_path / "home", suite, question


TASK = """\
task: planets
dataset_path: json
dataset_kwargs: {data_files: {test: planets.json}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{question}}"
doc_to_choice: "{{choices}}"
doc_to_target: "{{answer}}"
metric_list: [{metric: acc}]
"""


def test_tasks_of_a_folder_are_told_on_the_page_and_in_json_and_decide_nothing(
    taught_home: tuple[Path, Path, str], command: Command, tmp_path: Path
) -> None:
    """Candidate and base have a figure each beside the report, which is kept without them."""
    pytest.importorskip("lm_eval")
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "planets.yaml").write_text(TASK)
    (tmp_path / "tasks" / "planets.json").write_text('[{"question": "a?", "choices": ["b", "c"], "answer": 0}]')
    page = tmp_path / "page.html"
    said = command(
        taught_home[0], "evaluate", "first", "--tasks", str(tmp_path / "tasks"), "--html", str(page), "--json"
    )
    assert [(one["subject"], one["task"], one["asked"]) for one in said.json["tasks"]] == [
        ("candidate", "planets", 1), ("base", "planets", 1),
    ]  # fmt: skip
    assert "planets acc" in page.read_text(encoding="utf-8")
    with open_home(taught_home[0]) as home:
        (kept,) = home.store.reports.list(home.bot)
    assert "tasks" not in kept


def test_a_planted_duplicate_is_refused_by_name_and_an_emptied_suite_makes_the_evaluation_invalid(
    taught_home: tuple[Path, Path, str], command: Command
) -> None:
    """The item is named with its training row and is not asked; where nothing else is left, no verdict comes of it."""
    home, suite, question = taught_home
    planted = {"id": "planted", "prompt": question.upper().replace("?", " ?!")}
    suite.write_text(json.dumps({"items": [{"id": "fresh", "prompt": "what is the third planet"}, planted]}))
    report = command(home, "evaluate", "first", "--json").json
    assert [(one["suite"], one["item"]) for one in report["refused"]] == [("suite", "planted")]
    assert report["refused"][0]["row"].startswith("cv-")
    assert {item["item"] for item in report["items"]} == {"fresh"}
    assert report["valid"]
    said = command(home, "evaluate", "first")
    assert "planted" in said.out
    suite.write_text(json.dumps({"items": [planted]}))
    said = command(home, "evaluate", "first")
    assert "inconclusive" in said.out
    assert "nothing of it is a test" in said.out
