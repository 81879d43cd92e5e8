"""Who may import whom, and what may not happen at import."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

SRC = Path(__file__).parents[2] / "src"
PACKAGE = SRC / "loraloop"
FILES = sorted(PACKAGE.rglob("*.py"))

LEVELS = [
    {"cli", "testing", "__main__"},
    {
        "archive",
        "backups",
        "calibration",
        "engines",
        "experimenting",
        "health",
        "job_board",
        "job_running",
        "keeper",
        "mending",
        "restoring",
        "serving",
        "speaking",
        "turning",
        "upkeep",
    },
    {"homes", "live_base", "tending", "wiring"},
    {"settings", "settings_sources"},
    {"controller", "forgetting", "lineage", "meanwhile", "old_datasets", "stages", "traces", "turns"},
    {"data", "train", "evaluate", "deploy", "schedule", "serve"},
    {"lm", "store"},
    {"experiment_store", "job_store", "ports", "prepared_store", "signature_store", "telling", "text", "thresholds"},
    {
        "collecting",
        "types",
        "errors",
        "events",
        "experiments",
        "failpoints",
        "jobs",
        "processes",
        "serving_sign",
        "steady",
        "traffic",
    },
    {"dataset_rows", "judgements", "talk"},
    {"packed", "record"},
]
"""Each part may import from its own level, if it is no component, and from those below."""
LEVEL_OF = {part: number for number, parts in enumerate(LEVELS) for part in parts}
COMPONENTS = LEVELS[5]
HEAVY = {"torch", "transformers", "peft", "trl", "datasets"}


def part_of(path: Path) -> str:
    """The folder or module of the package in which a file lies."""
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


@cache
def imports(path: Path) -> list[tuple[str, int, bool]]:
    """Every import of a file: (absolute module, line, whether it happens when the file is imported)."""
    tree = ast.parse(path.read_text())
    here = ("loraloop", *path.relative_to(PACKAGE).with_suffix("").parts)
    lazy = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        or (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test))
        for inner in ast.walk(node)
    }
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno, node not in lazy) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            package = here[:-1]
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, *(node.module or "").split(".")]).strip(".")
            names = [f"{module}.{alias.name}" for alias in node.names] if module == "loraloop" else [module]
            found += [(name, node.lineno, node not in lazy) for name in names]
    return found


def test_every_part_has_its_level() -> None:
    """A new folder or module must be given a place in the order before it can be used."""
    assert {part_of(path) for path in FILES} - {"__init__"} <= set(LEVEL_OF)


def test_imports_point_downwards() -> None:
    """A file imports only parts below its own; component folders never import one another."""
    assert [fault for path in FILES for fault in _upward(path)] == []


def _upward(path: Path) -> Iterator[str]:
    mine = part_of(path)
    for module, line, _ in imports(path) if mine != "__init__" else ():
        where = f"{path.relative_to(PACKAGE)}:{line}"
        if not module.startswith("loraloop."):
            if module.startswith("training"):
                yield f"{where} imports the older paths"
            continue
        theirs = module.split(".")[1]
        if theirs in (mine, "__version__"):
            continue
        if theirs not in LEVEL_OF:
            yield f"{where} imports {module}, which has no level"
        elif LEVEL_OF[mine] > LEVEL_OF[theirs]:
            yield f"{where}: {mine} imports {theirs}, which lies above it"
        elif mine in COMPONENTS | {"lm", "store"} and theirs in LEVELS[LEVEL_OF[mine]]:
            yield f"{where}: {mine} imports {theirs}"


def test_libraries_stay_in_their_rooms() -> None:
    """Model libraries live in lm and train (and tiny models for tests), SQLAlchemy and Alembic in store."""
    assert [fault for path in FILES for fault in _astray(path)] == []


def _astray(path: Path) -> Iterator[str]:
    mine = part_of(path)
    for module, line, at_import in imports(path):
        top = module.split(".")[0]
        where = f"{path.relative_to(PACKAGE)}:{line}"
        if top in HEAVY and mine not in {"lm", "train", "testing", "evaluate", "data"}:
            yield f"{where} imports {module}"
        if top in HEAVY and at_import and mine not in {"lm", "train", "testing"}:
            yield f"{where} imports {module} when it is imported"
        if top in {"sqlalchemy", "alembic"} and mine != "store":
            yield f"{where} imports {module}"


def test_nothing_heavy_happens_at_import() -> None:
    """``import loraloop`` and the command line load neither torch nor transformers nor SQLAlchemy, in 0.3 s of CPU."""
    code = (
        "import sys, time; t = time.process_time(); import loraloop, loraloop.cli.main; "
        "s = time.process_time() - t; "
        "print(s, sorted({'torch', 'transformers', 'peft', 'sqlalchemy', 'numpy', 'scipy'} & set(sys.modules)))"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": str(SRC)}
        )
        for _ in range(5)
    ]  # the fastest of five, and processor time: other processes may hold the cores
    assert all(run.stdout.split(" ", 1)[1].strip() == "[]" for run in runs), runs[0].stdout
    assert min(float(run.stdout.split()[0]) for run in runs) < 0.3


def test_there_is_no_import_cycle() -> None:
    """Files that import one another when they are imported would depend on who comes first."""
    graph: dict[str, set[str]] = {}
    names = {".".join(("loraloop", *path.relative_to(PACKAGE).with_suffix("").parts)) for path in FILES}
    for path in FILES:
        name = ".".join(("loraloop", *path.relative_to(PACKAGE).with_suffix("").parts))
        graph[name] = {module for module, _, at_import in imports(path) if at_import and module in names}
    done: set[str] = set()

    def walk(name: str, above: tuple[str, ...]) -> None:
        assert name not in above, " -> ".join((*above, name))
        if name not in done:
            for inner in sorted(graph.get(name, ())):
                walk(inner, (*above, name))
            done.add(name)

    for name in sorted(graph):
        walk(name, ())
