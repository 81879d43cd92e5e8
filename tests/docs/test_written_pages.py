"""What is written by hand names only what exists."""

import ast
import importlib
import importlib.util
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from loraloop.cli.main import app

ROOT = Path(__file__).parents[2]
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_SPAN = re.compile(r"`([^`\n]+)`")
_NAMED_TEST = re.compile(r"(tests/[\w/]+\.py)::(\w+)")
REQUIRED = ("README", "ARCHITECTURE", "CONTRIBUTING", "CHANGELOG", "SECURITY", "docs/log", "docs/glossary",
            "docs/tutorial", "docs/how-to/import-conversations", "docs/how-to/write-a-suite", "docs/how-to/roll-back",
            "docs/how-to/old-interface", "docs/how-to/use-your-own-model")  # fmt: skip


def slug(heading: str) -> str:
    """A heading as its anchor."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def test_every_promised_page_is_there(pages: dict[str, Any]) -> None:
    """No page that people and messages are sent to is missing."""
    assert {f"{name}.md" for name in REQUIRED} <= set(pages)


def test_every_relative_link_leads_somewhere(pages: dict[str, Any]) -> None:
    """A link to a file or to a heading of a file finds it."""
    for page in pages.values():
        for target in _LINK.findall(page.prose):
            if re.match(r"[a-z]+:", target):
                continue
            file, _, anchor = target.partition("#")
            path = page.folder / file if file else ROOT / page.name
            assert path.exists(), f"{page.name} links to {target}"
            if anchor:
                headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
                assert anchor in map(slug, headings), f"{page.name} links to {target}"


def commands_in(page: Any) -> Iterator[list[str]]:
    """Every ``loraloop ...`` that a page shows in a shell block or between backticks, as words."""
    shown = [line for block in page.blocks_of("sh") for line in block.splitlines()]
    shown += _SPAN.findall(page.prose)
    for line in shown:
        for part in re.split(r"&&|;|\|", line):
            words = shlex.split(part, comments=True, posix=True)
            if len(words) > 1 and Path(words[0]).name == "loraloop":
                yield words[1:]


def fault(words: list[str], group: Any) -> str:
    """What is wrong with a command line, or nothing: an unknown command, option or number of arguments."""
    options = {word: param for param in group.params for word in param.opts} | {"--help": None, "-h": None}
    rest = list(words)
    arguments = []
    while rest:
        word = rest.pop(0)
        if word.startswith("-") and word != "-":
            name, _, given = word.partition("=")
            if name not in options:
                return f"no option {name}"
            takes = options[name] is not None and not options[name].is_flag
            if takes and not given and not rest:
                return f"{name} without a value"
            if takes and not given:
                rest.pop(0)
        elif hasattr(group, "commands"):
            if word not in group.commands and getattr(group, "unless_named", "") in group.commands:
                return fault([word, *rest], group.commands[group.unless_named])
            return fault(rest, group.commands[word]) if word in group.commands else f"no command {word}"
        else:
            arguments.append(word)
    most = [param for param in getattr(group, "params", ()) if not param.opts[0].startswith("-")]
    endless = any(param.nargs == -1 for param in most)
    return "" if endless or len(arguments) <= len(most) else f"too many arguments: {arguments}"


def test_every_command_that_a_page_shows_is_one(pages: dict[str, Any]) -> None:
    """Each ``loraloop`` line names a real command, with options it has."""
    top = typer.main.get_command(app)
    shown = [(page.name, words) for page in pages.values() for words in commands_in(page)]
    assert len(shown) > 50
    assert [(name, words, said) for name, words in shown if (said := fault(words, top))] == []


def test_a_wrong_command_would_be_noticed() -> None:
    """The check refuses a command, an option and an argument that are not there."""
    top = typer.main.get_command(app)
    assert fault(["--home", "x", "data", "explain", "cv-1", "--json"], top) == ""
    assert fault(["fly"], top) == "no command fly"
    assert fault(["turn", "--fast"], top) == "no option --fast"
    assert fault(["rollback", "1", "2"], top) == "too many arguments: ['1', '2']"
    assert fault(["--home"], top) == "--home without a value"


def test_every_word_of_make_is_one(pages: dict[str, Any]) -> None:
    """Each ``make WORD`` that a page names stands in the Makefile."""
    known = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for page in pages.values():
        shown = [line for block in page.blocks_of("sh") for line in block.splitlines()] + _SPAN.findall(page.prose)
        named = {word for line in shown for word in re.findall(r"^make ([a-z]+)", line)}
        assert named <= known, f"{page.name}: {named - known}"


@pytest.mark.slow
def test_every_test_that_a_page_names_exists(pages: dict[str, Any]) -> None:
    """An invariant names a test function that is there."""
    for page in pages.values():
        for file, name in _NAMED_TEST.findall(page.text):
            assert (ROOT / file).is_file(), f"{page.name} names {file}"
            tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
            assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}, (
                f"{page.name} names {file}::{name}"
            )


def test_every_invariant_names_its_test(pages: dict[str, Any]) -> None:
    """What ``ARCHITECTURE.md`` says there is not, a test holds."""
    section = pages["ARCHITECTURE.md"].prose.partition("## What holds\n")[2].partition("\n## ")[0]
    said = section.split("\n- ")[1:]
    assert len(said) > 15
    assert [line for line in said if not _NAMED_TEST.search(line)] == []


def test_the_order_of_imports_is_the_checked_one(pages: dict[str, Any]) -> None:
    """``ARCHITECTURE.md`` draws the levels that the test of imports enforces."""
    spec = importlib.util.spec_from_file_location("imports", ROOT / "tests" / "architecture" / "test_imports.py")
    assert spec is not None
    assert spec.loader is not None
    checked = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(checked)
    drawn = pages["ARCHITECTURE.md"].text.partition("## Direction of imports")[2].partition("```text\n")[2]
    levels = [set(line.split(", ")) for line in drawn.partition("```")[0].splitlines()]
    there = {checked.part_of(path) for path in checked.FILES}
    assert levels == [level & there for level in checked.LEVELS]


def test_every_example_in_python_compiles_and_names_what_exists(pages: dict[str, Any]) -> None:
    """Examples parse, and what they import from this package, or reach by its name, is there."""
    for page in pages.values():
        for source in page.blocks_of("python"):
            tree = ast.parse(source, page.name)
            for module, name in _imported(tree):
                assert hasattr(importlib.import_module(module), name), f"{page.name}: {module}.{name}"


def _imported(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.module, alias.name) for alias in node.names)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "loraloop":
            yield "loraloop", node.attr


def test_the_python_example_uses_what_a_home_and_a_turn_have(pages: dict[str, Any]) -> None:
    """The names in the README's five lines are names of the objects they are asked of."""
    import loraloop
    from loraloop.types import Decision

    (source,) = pages["README.md"].blocks_of("python")
    assert "home.loop.turn()" in source
    assert callable(loraloop.Loop.turn)
    assert "loop" in vars(loraloop.Home)
    assert "decision" in loraloop.TurnResult.__dataclass_fields__
    assert {"verdict", "reason"} <= set(Decision.__dataclass_fields__)


def test_the_older_example_calls_what_the_older_trainer_has(pages: dict[str, Any]) -> None:
    """Every call on ``trainer`` in the page about the older interface is a method of it."""
    from training.lora_trainer_refactored import NaviyamLoRATrainerRefactored

    (source,) = pages["docs/how-to/old-interface.md"].blocks_of("python")
    called = set(re.findall(r"\btrainer\.(\w+)\(", source))
    assert len(called) >= 6
    assert [name for name in called if not callable(getattr(NaviyamLoRATrainerRefactored, name, None))] == []
    for module in re.findall(r"^\| `(training\.\w+)` ", pages["docs/how-to/old-interface.md"].text, re.MULTILINE):
        assert importlib.util.find_spec(module) is not None, module  # importing the oldest one warns


def test_the_example_suite_is_a_suite(pages: dict[str, Any]) -> None:
    """The suite that the page shows is read as one, and the example conversation is JSON."""
    from loraloop.evaluate.suites import parse_suite

    (source,) = pages["docs/how-to/write-a-suite.md"].blocks_of("json")
    assert len(parse_suite(json.loads(source), "example").items) == 3
    for block in pages["README.md"].blocks_of("json"):
        assert "messages" in json.loads(block)


def test_the_glossary_has_twenty_lines(pages: dict[str, Any]) -> None:
    """A word list that grows is a word list nobody reads."""
    lines = [line for line in pages["docs/glossary.md"].text.splitlines() if line.startswith("- ")]
    assert len(lines) == 20
