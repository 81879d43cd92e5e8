"""Every error has an exit code and a hint; every message has both languages; every setting is explained and read."""

import ast
import inspect
import pickle
import re
from pathlib import Path

import pytest

from loraloop import errors
from loraloop.cli import exit_codes, messages
from loraloop.settings import Settings, explain

SRC = Path(__file__).parents[2] / "src"
ERRORS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.LoraloopError)]


@pytest.mark.parametrize("kind", [kind for kind in ERRORS if kind is not errors.LoraloopError])
def test_every_error_has_an_exit_code_a_hint_and_survives_pickling(kind: type[errors.LoraloopError]) -> None:
    """No error reaches a user without a number and a way on."""
    error = kind("something", hint="do this")
    code = exit_codes.exit_code(error)
    assert code in exit_codes.MEANINGS
    assert code != exit_codes.BUG
    assert kind.hint
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.hint) == (kind, "something", "do this")


def test_the_tree_in_the_docstring_names_every_error() -> None:
    """The drawing is the code."""
    assert all(kind.__name__ in (errors.__doc__ or "") for kind in ERRORS)


def test_every_message_that_is_said_stands_in_the_catalogue_in_both_languages() -> None:
    """No key without words, no words without a use, and the same gaps to fill in both languages."""
    said = set()
    dynamic = set()
    for path in (SRC / "loraloop" / "cli").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "t" and node.args:
                key = node.args[0]
                if isinstance(key, ast.Constant):
                    said.add(key.value)
                elif isinstance(key, ast.JoinedStr) and isinstance(key.values[0], ast.Constant):
                    dynamic.add(str(key.values[0].value))
                elif isinstance(key, ast.BinOp) and isinstance(key.left, ast.Constant):
                    dynamic.add(str(key.left.value))
    assert said <= set(messages.CATALOGUE), said - set(messages.CATALOGUE)
    unused = {key for key in messages.CATALOGUE if key not in said and not key.startswith(tuple(dynamic))}
    assert not unused
    for key, (english, korean) in messages.CATALOGUE.items():
        assert set(re.findall(r"{(\w+)}", english)) == set(re.findall(r"{(\w+)}", korean)), key
        assert korean != english or key == "required", key


def test_every_setting_says_what_it_means_and_is_read_somewhere(tmp_path: Path) -> None:
    """A setting without a meaning cannot be set, and one that nothing reads is a lie."""
    sources = "\n".join(
        path.read_text() for path in SRC.rglob("*.py") if path.name not in {"config.py"} or "def " in path.read_text()
    )
    read = {*re.findall(r"\.(\w+)\b", sources), *re.findall(r"[\"'](\w+)(?=[\"'])", sources)}
    for one in explain(tmp_path, Settings()):
        assert one.meaning, one.key
        assert one.key.rpartition(".")[2] in read, f"{one.key} is never read"
