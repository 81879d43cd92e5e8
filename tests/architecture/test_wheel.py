"""The wheel stands on its own: built, installed into an empty environment, and used there."""

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

pytestmark = pytest.mark.real

ROOT = Path(__file__).parents[2]
EXTRAS = {"train", "eval", "demo", "dev", "bench", "postgres", "serve"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder), str(ROOT))
    (built,) = folder.glob("loraloop-*.whl")
    return built


@pytest.fixture(scope="module")
def elsewhere(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``bin`` folder of a new environment with the wheel in it; what it depends on is lent by this one."""
    folder = tmp_path_factory.mktemp("elsewhere")
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    site = Path(run(str(python), "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])").strip())
    alone = ["--no-deps", "--ignore-installed"]  # or pip takes the package under test out of this environment
    run(sys.executable, "-m", "pip", "install", "-q", *alone, "--prefix", str(folder), str(wheel))
    assert (site / "loraloop").is_dir()
    (site / "lent.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return python.parent


def run(*command: str, **options: object) -> str:
    """Run a command to its end; returns what it printed."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "LORALOOP"))}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, **options)  # type: ignore[call-overload]
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    return str(done.stdout)


def test_the_wheel_holds_both_packages_their_data_and_the_licence(wheel: Path) -> None:
    """Types, suites, migrations and the licence travel; tests and the demo's homes do not."""
    names = set(zipfile.ZipFile(wheel).namelist())
    for wanted in ("loraloop/py.typed", "training/py.typed", "training/lora_trainer_refactored.py"):
        assert wanted in names
    for folder in ("loraloop/evaluate/suite_files/", "loraloop/store/migrations/versions/"):
        inside = {str(path.relative_to(ROOT / "src")) for path in (ROOT / "src" / folder).rglob("*") if path.is_file()}
        inside = {name for name in inside if "__pycache__" not in name}
        assert inside
        assert inside <= names
    assert any(name.endswith("dist-info/licenses/LICENSE") for name in names)
    assert {name.split("/")[0].split("-")[0] for name in names} == {"loraloop", "training"}
    described = zipfile.ZipFile(wheel).read(next(n for n in names if n.endswith("dist-info/METADATA"))).decode()
    assert "License-Expression: Apache-2.0" in described
    assert {
        line.removeprefix("Provides-Extra: ") for line in described.splitlines() if "Provides-Extra" in line
    } == EXTRAS


def test_an_installed_wheel_makes_a_home_and_imports_conversations(
    elsewhere: Path, tmp_path: Path, tiny_base: Path
) -> None:
    """Away from the checkout, the command and both packages work: suites load, the database is made, rows go in."""
    loraloop = str(elsewhere / "loraloop")
    assert metadata.version("loraloop") in run(loraloop, "--version", cwd=tmp_path)
    where = "import loraloop, training.lora_trainer_refactored as old; print(loraloop.__file__); print(old.__file__)"
    for line in run(str(elsewhere / "python"), "-c", where, cwd=tmp_path).splitlines():
        assert Path(line).is_relative_to(elsewhere.parent)
    suites = "from loraloop.evaluate.suites import load_suite as s; print(len(s('ko_meals').items), "
    suites += "len(s('en_small_talk').items))"
    korean, english = map(int, run(str(elsewhere / "python"), "-c", suites, cwd=tmp_path).split())
    assert korean >= 60
    assert english >= 20
    (tmp_path / "said.jsonl").write_text(
        json.dumps({"messages": [{"role": "user", "content": "hi there"}, {"role": "assistant", "content": "Hello!"}]})
    )
    run(loraloop, "--home", "home", "init", "--base", str(tiny_base), cwd=tmp_path)
    told = json.loads(run(loraloop, "--home", "home", "import", "said.jsonl", "--json", cwd=tmp_path))
    assert told["new"] == 1
    assert json.loads(run(loraloop, "--home", "home", "doctor", "--json", cwd=tmp_path))["whole"] is True
