"""Which test proves what happens when a fault comes: rows by number, and the tests marked ``pytest.mark.fault(N)``."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

ROWS: dict[int, tuple[str, str]] = {
    55: ("fifty swaps while answers are being given", "none fails, each is wholly of one release"),
    56: ("a stream is open during a swap", "it ends on the release it began with"),
    57: ("an adapter is loaded again under a name that was used", "refused; a name is used once"),
    58: ("the engine loads other weights, or none, and says it did", "not proven: the release before stays"),
    59: ("the engine dies or starts again", "503 meanwhile, not ready, then what is live again"),
    60: ("an answer is slow or never ends", "cut in time, its place freed, marked, never learnt from"),
    61: ("a client leaves in the middle of a stream", "the engine stops within 2 s; the answer is marked"),
    62: ("five hundred sockets that dawdle", "closed at the deadline; others are served"),
    63: ("what was said cannot be stored", "strict: 503; best effort: served and counted"),
    64: ("a canary without users or opinions", "held, then ended undecided; never promoted"),
    65: ("a canary that is worse, or whose answers fail", "taken back"),
    66: ("two equal releases, looked at after every user", "at most 5 % false verdicts"),
    67: ("users of one arm get lost", "no verdict, and said why"),
    68: ("the share of a canary grows", "nobody moves back"),
    69: ("a third automatic rollback in a day", "everything automatic is frozen, and it is told"),
    70: ("a rollback while a promotion is committed", "one of them gets through"),
    71: ("what is served is not what the database says", "noticed, told, and served as it should be"),
    72: ("SIGTERM under load", "no answer that began is cut before the deadline"),
}
"""Number -> fault, and what happens then."""


def marked() -> dict[int, list[str]]:
    """Return the tests of each fault, as ``path::name``."""
    found: dict[int, list[str]] = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for number, name in _marks(path):
            found.setdefault(number, []).append(f"{path.relative_to(ROOT)}::{name}")
    return found


def page(note: str) -> str:
    """Return the page that names the tests of each fault."""
    tests = marked()
    lines = ["# Faults and their tests", "", note, "| | when | then | proven by |", "| --- | --- | --- | --- |"]
    for number, (fault, then) in ROWS.items():
        names = "<br>".join(f"`{name}`" for name in tests.get(number, ()))
        lines.append(f"| {number} | {fault} | {then} | {names} |")
    return "\n".join(lines) + "\n"


def _marks(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef):
            for mark in node.decorator_list:
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.fault":
                    for number in mark.args:
                        if isinstance(number, ast.Constant) and isinstance(number.value, int):
                            yield number.value, node.name
