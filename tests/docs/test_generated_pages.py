"""What is generated is what the code says now."""

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any

import pytest

from loraloop.settings import Settings, explain

ROOT = Path(__file__).parents[2]
STALE = "is not what the code says; run: make docs"


@pytest.fixture(scope="module")
def fresh(generate: ModuleType) -> Mapping[str, str]:
    """The pages as they are generated now, made once."""
    made: dict[str, str] = generate.pages()
    return MappingProxyType(made)


@pytest.mark.parametrize("name", ["cli.md", "settings.md", "errors.md", "korean-pairs.md"])
def test_a_reference_page_equals_a_fresh_generation(name: str, fresh: Mapping[str, str]) -> None:
    """No reference page says what the code no longer says."""
    assert (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8") == fresh[name], f"{name} {STALE}"


def test_the_folder_holds_the_generated_pages_alone(fresh: Mapping[str, str]) -> None:
    """Nothing in the reference is written by hand, and nothing is left of a page that is no longer made."""
    assert {path.name for path in (ROOT / "docs" / "reference").iterdir()} == set(fresh)


@pytest.mark.slow
def test_generating_does_not_depend_on_the_environment(
    generate: ModuleType, fresh: Mapping[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Another folder, other settings and a narrow terminal give the same bytes."""
    first = dict(fresh), generate.tree()
    monkeypatch.chdir(tmp_path)
    for name, value in {"LORALOOP_TRAIN__EPOCHS": "9", "LORALOOP_HOME": "elsewhere", "COLUMNS": "20"}.items():
        monkeypatch.setitem(os.environ, name, value)
    assert (generate.pages(), generate.tree()) == first


def test_every_command_and_option_is_documented(generate: ModuleType, fresh: Mapping[str, str]) -> None:
    """Each command has a section with each of its options and arguments, and each has a meaning."""
    page = fresh["cli.md"]
    for name, command in generate.commands().items():
        _, _, section = page.partition(f"## `loraloop {name}`\n")
        section = section.partition("\n## ")[0]
        assert command.help, name
        for param in command.params:
            shown = _shown(param)
            lines = [line for line in section.splitlines() if line.startswith(f"- `{shown}`")]
            assert len(lines) == 1, f"{name} {shown}"
            assert lines[0].rpartition(": ")[2].strip(), f"{name} {shown} has no meaning"


def _shown(param: Any) -> str:
    return str(param.opts[0] if param.opts[0].startswith("-") else param.metavar or param.name.upper())


def test_every_setting_is_documented(fresh: Mapping[str, str], tmp_path: Path) -> None:
    """Each setting stands under its section with its meaning."""
    page = fresh["settings.md"]
    for one in explain(tmp_path, Settings()):
        head, _, name = one.key.rpartition(".")
        section = page.partition(f"## `[{head}]`\n" if head else "## At the top\n")[2].partition("\n## ")[0]
        line = next((line for line in section.splitlines() if line.startswith(f"- `{name}` ")), "")
        assert " ".join(one.meaning.split()) in line, one.key


def test_every_error_is_documented(generate: ModuleType, fresh: Mapping[str, str]) -> None:
    """Each error has a section with its exit code and its hint."""
    page = fresh["errors.md"]
    kinds = generate.error_classes()
    assert len(kinds) > 10
    for kind in kinds:
        section = page.partition(f"## `{kind.__name__}`\n")[2].partition("\n## ")[0]
        assert f"- hint: {kind.hint}" in section, kind.__name__
        assert kind.__name__ == "LoraloopError" or "- exit code `" in section, kind.__name__


@pytest.mark.slow
def test_the_tree_in_the_architecture_equals_the_code(generate: ModuleType) -> None:
    """Every file of ``src`` stands in ``ARCHITECTURE.md`` with the first line of its docstring, and no other."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    assert generate.TREE_BEGIN in text
    assert generate.with_tree(text) == text, f"ARCHITECTURE.md {STALE}"
    tree = generate.tree()
    for path in (ROOT / "src").rglob("*.py"):
        assert path.name == "__init__.py" or f"{path.name} " in tree, path.name
