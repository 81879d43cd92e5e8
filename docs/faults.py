"""The faults this program must bear, by number, and for each the tests that prove it, or why none does."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

ROWS: dict[int, str] = {
    1: "the gateway is killed between answer and commit",
    2: "a capture is killed at each system call that writes",
    3: "power is lost after an acknowledgement",
    4: "SQLite holds the WAL-reset bug",
    5: "three processes write and checkpoint together",
    6: "a transaction begins as a read and writes later",
    7: "an outsider locks the database",
    8: "the disk is full at a commit",
    9: "fsync fails",
    10: "the home is read-only",
    11: "the database or its log is gone",
    12: "bytes of the database are flipped",
    13: "a migration is killed midway",
    14: "the tables are newer than the program",
    15: "connections of the PostgreSQL server are killed",
    16: "the PostgreSQL server has no connection left, or deadlocks",
    17: "a backup is taken during writes and restored",
    18: "the same exchange is captured twice",
    19: "publishing is killed at each system call that writes",
    20: "a rename or data that were not synced are lost",
    21: "killed after the switch and before it is confirmed",
    22: "two deploy at once",
    23: "weights cut off at each of 64 lengths",
    24: "a header that lies, or numbers that are none",
    25: "one flipped bit in the weights",
    26: "the manifest and the files differ",
    27: "links and devices among an adapter's files",
    28: "clean-up while a release needs the files",
    29: "the disk fills up while publishing",
    30: "staging lies on another disk",
    31: "an object store answers late, twice or not at all",
    32: "an object store without compare-and-swap",
    33: "the target of a rollback is damaged",
    34: "an older release is replayed over a newer one",
    35: "a worker is killed in the middle of a job",
    36: "a worker stops past its lease and goes on",
    37: "a job runs out of memory or kills its process, again and again",
    38: "a job kills the worker as soon as it begins",
    39: "a step hangs while its process lives",
    40: "a checkpoint is killed at each system call that writes",
    41: "the newest checkpoint is damaged",
    42: "a resumed training equals an unbroken one",
    43: "resumed with other data, settings or base",
    44: "a pickle lies in a checkpoint",
    45: "the loss is no number",
    46: "there is nothing to learn",
    47: "cancelled at each phase",
    48: "two schedulers, or two turns, at once",
    49: "the clock jumps; summer time",
    50: "moments missed while the machine was off",
    51: "a judge that is away, talks nonsense or is talked to",
    52: "the disk fills up while training",
    53: "a child outlives its parent",
    54: "settings with typos",
    55: "fifty swaps while answers are being given",
    56: "a stream is open during a swap",
    57: "an adapter is loaded again under a name that was used",
    58: "the engine loads other weights, or none, and says it did",
    59: "the engine dies or starts again",
    60: "an answer is slow or never ends",
    61: "a client leaves in the middle of a stream",
    62: "five hundred sockets that dawdle",
    63: "what was said cannot be stored",
    64: "a canary without users or opinions",
    65: "a canary that is worse, or whose answers fail",
    66: "two equal releases, looked at after every user",
    67: "users of one arm get lost",
    68: "the share of a canary grows",
    69: "a third automatic rollback in a day",
    70: "a rollback while a promotion is committed",
    71: "what is served is not what the database says",
    72: "SIGTERM under load",
}
"""What goes wrong. Rows 73 to 110 (web, model files, data) have their tests in their own parts."""

REASONS: dict[int, str] = {
    16: "not automated: a process holds at most 8 connections and writes by one at a time",
    31: "does not apply: adapters are kept in a folder; there is no object store to publish to",
    32: "does not apply, as 31",
}
"""Rows without a test of their own, and why."""


def tests_by_row() -> dict[int, list[str]]:
    """Row -> every test marked with it, as ``FILE::NAME``, sorted."""
    found: dict[int, list[str]] = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for row, name in _marks(path):
            found.setdefault(row, []).append(f"{path.relative_to(ROOT)}::{name}")
    return {row: sorted(tests) for row, tests in sorted(found.items())}


def page(note: str) -> str:
    """Return the page of faults."""
    by_row = tests_by_row()
    automated = sum(row in by_row for row in ROWS)
    about = (
        f"{automated} of these {len(ROWS)} faults are provoked by tests run for every change; the others say why "
        "not. A test names its row by `@pytest.mark.fault(N)`."
    )
    lines = ["# Faults", "", note, about, "", "| | what goes wrong | proved by |", "|---|---|---|"]
    for row, said in ROWS.items():
        proved = "<br>".join(f"`{test}`" for test in by_row.get(row, ())) or REASONS.get(row, "")
        lines.append(f"| {row} | {said} | {proved} |")
    return "\n".join(lines) + "\n"


def _marks(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        for mark in node.decorator_list if isinstance(node, ast.FunctionDef) else ():
            if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.fault":
                for number in mark.args:
                    yield int(ast.literal_eval(number)), node.name  # type: ignore[union-attr]
