"""A suite that asks what was taught is no test: a whole turn with a planted duplicate."""

import json
import shutil
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
    shutil.rmtree(home)
