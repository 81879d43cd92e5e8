"""A rollback comes first; what else is due in the home comes after it."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from loraloop.cli.main import main
from loraloop.deploy.adoption import adopt
from loraloop.homes import init_home
from loraloop.testing.adapter_files import plain_adapter
from loraloop.types import Decision
from loraloop.wiring import open_home


def test_a_rollback_from_an_overdue_trial_goes_back_one_release(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The home is not put right first, which would go back by itself and let the command go back once more."""
    folder = init_home(tmp_path / "home", deploy__trial_hours=0.0000001)
    with open_home(folder) as home:
        for number in (1, 2):
            plain_adapter(tmp_path / f"a{number}", number)
            adapter = adopt(f"a{number}", tmp_path, home.artifacts, home.store, bot=home.bot, now=datetime.now(UTC))
            decision = Decision(f"dc-{number}", home.bot, adapter.id, "promote", datetime.now(UTC), "loop")
            home.deployer.release(decision, adapter, method="auto")
            home.deployer.confirm() if number == 1 else None
    with pytest.raises(SystemExit) as ended:
        main(["--home", str(folder), "rollback"])
    assert ended.value.code == 0
    assert "went back from a2 to a1" in capsys.readouterr().out
    with open_home(folder) as home:
        live = home.store.releases.live(home.bot)
        assert live is not None
        assert (live.adapter_name, home.recovered) == ("a1", ())
