"""``make docs``: the pages of ``docs/reference`` and the tree in ``ARCHITECTURE.md``, written from the code.

Nothing here depends on the machine, the environment or a home, so a fresh run of the same code gives the same bytes.
"""

from __future__ import annotations

import ast
import importlib.util
import inspect
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any, get_args

import typer

from loraloop import errors
from loraloop.cli.exit_codes import MEANINGS, exit_code
from loraloop.cli.main import app
from loraloop.settings import Settings, explain, toml_text

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "docs" / "reference"
NOTE = "<!-- Written by `make docs` from the code; edit the code. -->\n"
TREE_BEGIN, TREE_END = "<!-- tree: written by `make docs` -->\n```text\n", "```\n<!-- /tree -->"
TYPES = {str: "text", int: "whole number", float: "number", Path: "path"}


def pages() -> dict[str, str]:
    """Return the reference pages: file name -> text."""
    return {
        "cli.md": cli_page(),
        "settings.md": settings_page(),
        "errors.md": errors_page(),
        "korean-pairs.md": korean_pairs_page(),
        "faults.md": _loaded("docs/faults.py").page(NOTE),
    }


def commands() -> dict[str, Any]:
    """Return every command as a user types it (``data stats``) -> its command object, in the order of ``--help``."""
    return dict(_walk(typer.main.get_command(app), ""))


def error_classes() -> list[type[errors.LoraloopError]]:
    """Return every error, parents before children, in the order of the source."""
    found = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.LoraloopError)]
    return sorted(found, key=lambda kind: inspect.getsourcelines(kind)[1])


def cli_page() -> str:
    """Return the page of commands."""
    top = typer.main.get_command(app)
    lines = ["# Commands", "", NOTE, f"{app.info.help}", "", "## Options before the command", ""]
    lines += [_parameter(param) for param in top.params]
    for name, command in commands().items():
        lines += ["", f"## `loraloop {name}`", "", " ".join(str(command.help).split()), ""]
        lines += [_parameter(param) for param in command.params]
    lines += ["", "## Exit codes", "", *(f"- `{code}`: {meaning}" for code, meaning in MEANINGS.items())]
    return "\n".join(lines) + "\n"


def settings_page() -> str:
    """Return the page of settings."""
    intro = (
        "A setting is looked up in this order, the first that gives one wins: an argument, a variable, "
        "`loraloop.toml`, the default.\nThe variable of `train.epochs` is `LORALOOP_TRAIN__EPOCHS`. A key that is no "
        "setting is refused, with the nearest one named."
    )
    lines = ["# Settings", "", NOTE, intro]
    section: str | None = None
    for one in explain(ROOT / "no-home", Settings()):
        head, _, name = one.key.rpartition(".")
        if head != section:
            section = head
            about = (Settings.model_fields[head].description or "") if head else "Written before any section."
            lines += ["", f"## `[{head}]`" if head else "## At the top", "", about, ""]
        default = f"`{toml_text(one.default)}`" if one.default is not None else "nothing"
        meaning = " ".join(one.meaning.split())
        lines.append(f"- `{name}` ({_plain_kind(one.kind)}; default {default}): {meaning}")
    return "\n".join(lines) + "\n"


def errors_page() -> str:
    """Return the page of errors."""
    drawing = inspect.cleandoc(errors.__doc__ or "").partition("\n\n")[2]
    tree, _, rest = drawing.partition("\n\n")
    lines = [
        "# Errors",
        "",
        NOTE,
        "```text",
        inspect.cleandoc(tree).replace("``", ""),
        "```",
        "",
        rest.replace("``", "`"),
        "",
    ]
    for kind in error_classes():
        also = [base.__name__ for base in kind.__bases__ if not issubclass(base, errors.LoraloopError)]
        said = " ".join(inspect.cleandoc(kind.__doc__ or "").split()).replace("``", "`")
        lines += [f"## `{kind.__name__}`", "", said, ""]
        if kind is not errors.LoraloopError:
            lines.append(f"- exit code `{exit_code(kind())}`: {MEANINGS[exit_code(kind())]}")
            if also and also != ["Exception"]:
                lines.append(f"- is also a `{'`, `'.join(also)}`")
        lines += [f"- hint: {kind.hint}", ""]
    return "\n".join(lines).rstrip() + "\n"


def korean_pairs_page() -> str:
    """Return the page of Korean answers that metrics rank, with the pairs that each gets wrong."""
    table = _loaded("tests/unit/evaluate/test_korean_pairs.py")
    wrong = {name: table.wrong(metric) for name, metric in table.METRICS.items()}
    about = (
        f"{len(table.PAIRS)} pairs of Korean answers, the better one first as a Korean reader ranks them, and which "
        "metrics do not: they rank the other first, or cannot tell the two apart. A test pins every failure."
    )
    lines = [
        "# Korean pairs",
        "",
        NOTE,
        about,
        "",
        "| metric | ranks the better one first | fails on |",
        "|---|---|---|",
    ]
    for name, prompts in wrong.items():
        numbers = [str(n) for n, pair in enumerate(table.PAIRS, 1) if pair["prompt"] in prompts]
        lines.append(f"| {name} | {len(table.PAIRS) - len(prompts)} of {len(table.PAIRS)} | {', '.join(numbers)} |")
    lines += ["", "| | question | reference | better | worse |", "|---|---|---|---|---|"]
    for number, pair in enumerate(table.PAIRS, 1):
        cells = (_cell(pair[key]) for key in ("prompt", "reference", "better", "worse"))
        lines.append(f"| {number} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _loaded(path: str) -> Any:
    """A file of this checkout as a module."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def tree() -> str:
    """Return the tree of ``src``: a folder or file a line, each with the first line of its docstring."""
    return "".join(f"{line}\n" for package in ("loraloop", "training") for line in _tree(ROOT / "src" / package, 0))


def with_tree(text: str) -> str:
    """Return the text of ``ARCHITECTURE.md`` with the tree of now in the place of the one it holds."""
    before, _, rest = text.partition(TREE_BEGIN)
    _, _, after = rest.partition(TREE_END)
    return f"{before}{TREE_BEGIN}{tree()}{TREE_END}{after}"


def _walk(group: Any, above: str) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _walk(command, f"{above}{name} ")
        else:
            yield f"{above}{name}", command


def _parameter(param: Any) -> str:
    annotation = param.type_descriptor.annotation
    several = bool(get_args(annotation))
    kind = TYPES.get(get_args(annotation)[0] if several else annotation, "")
    is_option = param.opts[0].startswith("-")
    facts = [f"{kind}, one or more" if several else kind] if kind else []
    if not is_option and not param.required:
        facts.append("may be left out")
    if is_option and param.default not in (None, False, ""):
        facts.append(f"default `{param.opts[0] if param.default is True else param.default}`")
    if param.envvar:
        facts.append(f"or the variable `{param.envvar}`")
    shown = ", ".join(f"`{word}`" for word in param.opts) if is_option else f"`{_argument(param)}`"
    shown += "".join(f" / `{word}`" for word in param.secondary_opts)
    said = f" ({'; '.join(facts)})" if facts else ""
    return f"- {shown}{said}: {param.help or 'Show this message and exit.'}"


def _argument(param: Any) -> str:
    return str(param.metavar or param.name.upper())


def _cell(text: str) -> str:
    """A text as a cell of a table shows it."""
    return escape(text, quote=False).replace("\n", " ⏎ ").replace("|", "&#124;").replace("[", "&#91;")


def _plain_kind(kind: str) -> str:
    """A setting's kind without doubled words, as one reads it in a sentence."""
    return kind.replace(" | ", " or ")


def _tree(folder: Path, depth: int) -> Iterator[str]:
    yield _branch(f"{folder.name}/", depth, folder / "__init__.py")
    inner = [path for path in sorted(folder.iterdir()) if path.name not in ("__init__.py", "__pycache__", "py.typed")]
    for path in [path for path in inner if path.suffix == ".py"]:
        yield _branch(path.name, depth + 1, path)
    for path in [path for path in inner if path.is_dir()]:
        if any(path.rglob("*.py")):
            yield from _tree(path, depth + 1)
        elif any(path.iterdir()):
            yield f"{'  ' * (depth + 1)}{path.name}/"


def _branch(name: str, depth: int, source: Path) -> str:
    said = (ast.get_docstring(ast.parse(source.read_text("utf-8"))) or "").partition("\n")[0] if source.exists() else ""
    return f"{'  ' * depth + name:<30} {said.replace('``', '').rstrip('.')}".rstrip()


def main() -> None:
    """Write the pages and the tree."""
    REFERENCE.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (REFERENCE / name).write_text(text, encoding="utf-8")
    architecture = ROOT / "ARCHITECTURE.md"
    architecture.write_text(with_tree(architecture.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
