"""Who may import whom, and what may not happen at import."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

SRC = Path(__file__).parents[2] / "src"
PACKAGE = SRC / "loraloop"
FILES = sorted(PACKAGE.rglob("*.py"))

LEVELS = [
    {"cli", "testing", "__main__"},
    {"archive", "calibration", "engines", "experimenting", "health", "serving", "speaking", "turning", "upkeep"},
    {"homes", "wiring"},
    {"settings", "settings_sources"},
    {"controller", "forgetting", "lineage", "traces"},
    {"data", "train", "evaluate", "deploy", "schedule", "serve"},
    {"lm", "store"},
    {"experiment_store", "ports", "text", "thresholds"},
    {"types", "errors", "events", "experiments", "traffic"},
    {"judgements", "talk"},
    {"record"},
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


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_downwards(path: Path) -> None:
    """A file imports only parts below its own; component folders never import one another."""
    mine = part_of(path)
    if mine == "__init__":
        return
    for module, line, _ in imports(path):
        if not module.startswith("loraloop."):
            assert not module.startswith("training"), f"{path}:{line} imports the older paths"
            continue
        theirs = module.split(".")[1]
        if theirs == mine or theirs == "__version__":
            continue
        assert theirs in LEVEL_OF, f"{path}:{line} imports {module}"
        if mine in COMPONENTS or mine in {"lm", "store"}:
            assert theirs not in LEVELS[LEVEL_OF[mine]], f"{path}:{line}: {mine} imports {theirs}"
        assert LEVEL_OF[mine] <= LEVEL_OF[theirs], f"{path}:{line}: {mine} imports {theirs}, which lies above it"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_libraries_stay_in_their_rooms(path: Path) -> None:
    """Model libraries live in lm and train (and tiny models for tests), SQLAlchemy and Alembic in store."""
    mine = part_of(path)
    for module, line, at_import in imports(path):
        top = module.split(".")[0]
        if top in HEAVY:
            assert mine in {"lm", "train", "testing", "evaluate", "data"}, f"{path}:{line} imports {module}"
            if at_import:
                assert mine in {"lm", "train", "testing"}, f"{path}:{line} imports {module} when it is imported"
        if top in {"sqlalchemy", "alembic"}:
            assert mine == "store", f"{path}:{line} imports {module}"


def test_nothing_heavy_happens_at_import() -> None:
    """``import loraloop`` and the command line load neither torch nor transformers nor SQLAlchemy, within 0.3 s."""
    code = (
        "import sys, time; t = time.perf_counter(); import loraloop, loraloop.cli.main; "
        "s = time.perf_counter() - t; "
        "print(s, sorted({'torch', 'transformers', 'peft', 'sqlalchemy', 'numpy', 'scipy'} & set(sys.modules)))"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": str(SRC)}
        )
        for _ in range(5)
    ]  # the fastest of five: another process may hold the cores
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
