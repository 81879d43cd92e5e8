"""The folder that older callers read."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from loraloop.deploy.production import METADATA, Production
from loraloop.errors import StoreError
from loraloop.testing.adapter_files import plain_adapter


@pytest.fixture
def production(tmp_path: Path) -> Production:
    """A production folder that was never written to."""
    return Production(tmp_path / "production", tmp_path / "backups")


def test_only_the_last_two_releases_stay(production: Production, tmp_path: Path) -> None:
    """The folder of the release just replaced stays for its readers, older ones go."""
    for number in range(4):
        production.show(f"v{number}", plain_adapter(tmp_path / f"a{number}", number), {"n": number})
    assert sorted(path.name for path in production.current.parent.iterdir()) == ["current", "v2", "v3"]
    assert production.leads_to("v3")
    assert production.metadata() == {"n": 3}


def test_the_link_survives_moving_the_folder(production: Production, tmp_path: Path) -> None:
    """``current`` is relative, so a production folder copied elsewhere leads to its own files."""
    production.show("v1", plain_adapter(tmp_path / "a"), {})
    moved = production.current.parent.rename(tmp_path / "moved")
    assert (moved / "current" / METADATA).is_file()


def test_links_in_an_adapter_are_not_followed(production: Production, tmp_path: Path) -> None:
    """A link among an adapter's files is left out of the copy."""
    folder = plain_adapter(tmp_path / "a")
    (folder / "passwd").symlink_to("/etc/passwd")
    production.show("v1", folder, {})
    assert not (production.current / "passwd").exists()


def test_a_real_folder_in_the_way_is_an_error_and_stays(production: Production, tmp_path: Path) -> None:
    """Where somebody put a folder at ``current``, nothing of theirs is removed."""
    production.current.mkdir(parents=True)
    (production.current / "theirs").write_text("x")
    with pytest.raises(StoreError, match="current"):
        production.show("v1", plain_adapter(tmp_path / "a"), {})
    assert (production.current / "theirs").read_text() == "x"


@pytest.mark.parametrize("content", ["", "{", "[1]"])
def test_broken_metadata_reads_as_none(production: Production, tmp_path: Path, content: str) -> None:
    """Metadata that is no object says nothing, and no error is raised."""
    production.show("v1", plain_adapter(tmp_path / "a"), {})
    (production.current / METADATA).write_text(content)
    assert production.metadata() == {}


def test_hiding_twice_is_the_same_as_once(production: Production, tmp_path: Path) -> None:
    """After hiding, nothing is current, however often."""
    production.show("v1", plain_adapter(tmp_path / "a"), {})
    production.hide()
    production.hide()
    assert not production.leads_to("v1")
    assert production.metadata() == {}
    assert production.drop_backups(datetime(2026, 3, 1, tzinfo=UTC), 30) == 0


def test_a_sweep_that_fails_does_not_undo_a_release(
    production: Production, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is shown is shown; the folders left over go with the next release."""

    def denied(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(production, "_sweep", denied)
        production.show("v1", plain_adapter(tmp_path / "a"), {})
    assert production.leads_to("v1")
