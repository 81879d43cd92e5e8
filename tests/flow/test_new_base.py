"""A home that changes its base: the new line begins beside the adapter that serves, not beside itself alone."""

import math
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Command

from loraloop.homes import SETTINGS_FILE
from loraloop.testing.tiny import tiny_base
from loraloop.types import message
from loraloop.wiring import open_home

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def moved_home(live_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the live home whose settings name another base, of another width and without a chat template."""
    folder = tmp_path_factory.mktemp("moved")
    shutil.copytree(live_home, folder / "home", symlinks=True)
    with open_home(folder / "home") as home:
        shutil.copytree(home.base.folder, folder / "old")
        old = home.settings.base.model
    new = tiny_base(folder / "new", chat=False, seed=7, hidden=48)
    settings = folder / "home" / SETTINGS_FILE
    settings.write_text(settings.read_text().replace(old, str(new)))
    return folder / "home"


@pytest.fixture
def moved(moved_home: Path, tmp_path: Path) -> Path:
    """A copy of it, for one test."""
    shutil.copytree(moved_home, tmp_path / "home", symlinks=True)
    return tmp_path / "home"


def test_the_first_adapter_of_a_new_base_is_judged_beside_the_live_one(moved: Path) -> None:
    """Both are scored on the same rows, each on its own base; losses are compared in bits per byte of the same text."""
    with open_home(moved) as home:
        live = home.store.releases.live(home.bot)
        assert live is not None
        adapter = home.loop.train(home.loop.collect(), "line-two")
        assert adapter.base_id != live.base_id
        report = home.loop.evaluate(adapter)
        assert report.baseline_id == live.adapter_id
        ours, theirs = report.score("candidate"), report.score("live")
        assert ours is not None
        assert theirs is not None
        assert (ours.base_id, theirs.base_id) == (adapter.base_id, live.base_id)
        of = {s: [row for row in report.losses if row.subject == s] for s in ("candidate", "live", "base")}
        keys = {s: [(row.conversation_id, row.size_bytes) for row in rows] for s, rows in of.items()}
        assert keys["candidate"] == keys["live"] == keys["base"]
        assert len(keys["live"]) >= 2
        nats = math.fsum(row.nats for row in of["live"])
        assert theirs.bits_per_byte == pytest.approx(nats / math.log(2) / sum(size for _, size in keys["live"]))
        rule = next(rule for rule in home.loop.gate(report).rules if rule.rule == "held-out loss not worse")
        assert "bits per byte (live)" in rule.required


def test_the_live_release_answers_on_its_own_base_until_another_is_live(moved: Path, command: Command) -> None:
    """What was live before the base changed answers as it did; the base asked for by name is the new one."""
    before = command(moved, "ask", "hello?", "--json")
    assert before.code == 0, before.err
    with open_home(moved) as home:
        from loraloop.speaking import speaker_of

        live = home.store.releases.live(home.bot)
        assert live is not None
        assert live.base_id != home.base.id
        assert speaker_of(home).answer([message("user", "hello?")]).text == before.json["answer"]


def test_where_the_old_base_is_gone_the_new_one_alone_is_compared_and_it_is_said(
    moved: Path, caplog: pytest.LogCaptureFixture, records: Callable[[Path, int, int], Path]
) -> None:
    """No turn fails for a base that was removed; a warning names what could not be compared."""
    with open_home(moved) as home:
        live = home.store.releases.live(home.bot)
        assert live is not None
        gone = Path(str(live.serving["base"]))
        kept = gone.rename(gone.with_name("elsewhere"))
        try:
            with caplog.at_level("WARNING"):
                report = home.loop.evaluate(home.loop.train(home.loop.collect(), "line-two"))
        finally:
            kept.rename(gone)
    assert report.baseline_id is None
    assert any("cannot be compared" in line or "new base alone" in line for line in caplog.messages)
