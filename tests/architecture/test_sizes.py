"""Sizes that keep every concept in one head, and words where people look for them."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("test_*.py"))

OLD_FACADES = {"NaviyamLoRATrainerRefactored", "NaviyamLoRATrainer", "LoRADataManager", "LoRADeploymentManager",
               "LoRAScheduler", "LoRAEvaluator", "NotAClass"}  # fmt: skip
"""Classes whose methods the older interface names."""
MOST_LINES, MOST_FUNCTION_LINES, MOST_METHODS, MOST_POSITIONAL = 300, 50, 8, 5
VAGUE = {"utils", "helpers", "common", "base", "misc", "util", "helper"}


def shown(path: Path) -> str:
    """A path as a reader knows it."""
    return str(path.relative_to(ROOT))


def test_a_file_is_short_and_named_for_its_concept() -> None:
    """No file is over 300 lines or named for nothing."""
    assert [shown(path) for path in SOURCES if len(path.read_text().splitlines()) > MOST_LINES] == []
    assert [shown(path) for path in SOURCES if path.stem in VAGUE] == []
    deep = [path for path in SOURCES if len(path.relative_to(ROOT / "src").parts) > 3]
    assert [shown(path) for path in deep if "migrations" not in path.parts] == []


def test_functions_and_classes_are_small() -> None:
    """Functions have at most 50 lines of code, classes 8 public methods, calls 5 positional parameters."""
    assert [fault for path in SOURCES for fault in _too_large(path)] == []


def _too_large(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            begin = node.body[1].lineno if ast.get_docstring(node) and len(node.body) > 1 else node.lineno
            limit = 80 if "step" in node.name else MOST_FUNCTION_LINES
            if (node.end_lineno or 0) - begin >= limit:
                yield f"{shown(path)}:{node.lineno} {node.name} is too long"
            positional = [a.arg for a in node.args.args if a.arg not in ("self", "cls")]
            is_command = any(a.arg == "context" for a in node.args.args)  # the command line passes these by name
            old = node.name in {"evaluate_adapter_performance", "apply", "forward"}
            if len(positional) > MOST_POSITIONAL and not is_command and not old:
                yield f"{shown(path)}:{node.lineno} {node.name}({', '.join(positional)})"
        if isinstance(node, ast.ClassDef) and node.name not in OLD_FACADES:
            public = [f.name for f in node.body if isinstance(f, ast.FunctionDef) and not f.name.startswith("_")
                      and not any(_is_property(d) for d in f.decorator_list)]  # fmt: skip
            if len(public) > MOST_METHODS:
                yield f"{shown(path)}:{node.lineno} {node.name} has {public}"


def _is_property(decorator: ast.expr) -> bool:
    return isinstance(decorator, ast.Name) and decorator.id in {"property", "cached_property"}


def test_every_test_says_in_one_sentence_what_holds() -> None:
    """The docstring of a test is the behaviour it proves."""
    silent = [
        f"{shown(path)}:{node.lineno} {node.name}"
        for path in TESTS
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
        and not (ast.get_docstring(node) or "").strip()
    ]  # fmt: skip
    assert silent == []


def test_what_lies_in_real_is_real() -> None:
    """No file of that folder can be left out of both halves of the tests."""
    files = sorted((ROOT / "tests" / "real").glob("test_*.py"))
    assert files
    assert [shown(path) for path in files if "pytest.mark.real" not in path.read_text()] == []


def test_no_fast_test_trains_or_evaluates_in_a_process() -> None:
    """Such a process does not start: the test that asks for it fails and is told to be marked as real."""
    for module in ("loraloop.train.child", "loraloop.evaluate.child"):
        with pytest.raises(AssertionError, match="mark it with"):
            subprocess.Popen([sys.executable, "-P", "-m", module], stdin=subprocess.DEVNULL)


def test_no_test_skips_without_a_word_and_mocks_are_rare() -> None:
    """At most one mock in ten tests: parts are handed in, not patched."""
    mocks = tests = 0
    for path in TESTS:
        text = path.read_text()
        mocks += text.count("Mock(") + text.count("mock.patch")
        tests += text.count("def test_")
    assert mocks <= tests / 10
