"""Only the command that is asked for is made; nobody notices but by the time it takes."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from loraloop.cli.main import app, command_in, main, with_only
from loraloop.homes import init_home

NAMES = [*(c.name or c.callback.__name__.replace("_", "-") for c in app.registered_commands if c.callback),
         *(str(g.name) for g in app.registered_groups)]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_command_alone_is_the_command_among_all(name: str) -> None:
    """Each command's help is the same, whether the others were made or not."""
    one, all_ = (CliRunner().invoke(chosen, [name, "--help"]) for chosen in (with_only(name), app))
    assert one.exit_code == 0
    assert one.output == all_.output


def test_what_is_no_command_meets_the_whole_application() -> None:
    """A wrong name is told from the right ones, and the help lists every command."""
    assert with_only(command_in(["rolback"])) is app
    assert with_only(command_in(["--home", "h", "--help"])) is app
    assert command_in(["-v", "--lang", "ko", "--home=h", "rollback", "base"]) == "rollback"


def test_a_rollback_imports_little(tmp_path: Path) -> None:
    """Users wait for it: no model library, no migrations, no redaction, no second command."""
    home = init_home(tmp_path / "home")
    code = (
        "import sys\nfrom loraloop.cli.main import main\n"
        "try:\n    main(['--home', sys.argv[1], 'rollback'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'transformers', 'numpy', 'alembic', 'fastapi', 'loraloop.text.personal'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    run = [sys.executable, "-c", code, str(home)]
    subprocess.run(run, capture_output=True, text=True, check=True)  # the first makes the database
    done = subprocess.run(run, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stdout
    assert "nothing was ever deployed" in done.stderr


def test_a_missing_package_is_named_and_is_no_fault_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever installed only half is told which package is not there and what installs it; no traceback."""
    home = init_home(tmp_path / "home")
    monkeypatch.setitem(sys.modules, "fastapi", None)
    monkeypatch.delitem(sys.modules, "loraloop.serving", raising=False)
    monkeypatch.delitem(sys.modules, "loraloop.serve.server", raising=False)
    monkeypatch.delitem(sys.modules, "loraloop.serve.door", raising=False)
    with pytest.raises(SystemExit) as ended:
        main(["--home", str(home), "serve"])
    told = capsys.readouterr().err
    assert ended.value.code == 2
    assert "fastapi is not installed" in told
    assert "pip install" in told
    assert "Traceback" not in told
