"""The ledger of tombstones survives crashes and secrets survive rotation."""

import resource
from pathlib import Path

import pytest

from loraloop.errors import StoreError
from loraloop.store.ledger import Ledger
from loraloop.store.secret import home_secrets, rotate_secret


def test_digests_are_appended_once(tmp_path: Path) -> None:
    """What is there is not written again, and only the owner can read it."""
    ledger = Ledger.beside(tmp_path / "home")
    assert ledger.digests() == set()
    ledger.add(["a", "b"])
    ledger.add(["b", "c"])
    assert ledger.digests() == {"a", "b", "c"}
    assert ledger.path == tmp_path / "home.tombstones"
    assert ledger.path.read_text().count('"b"') == 1
    assert ledger.path.stat().st_mode & 0o077 == 0


def test_a_line_cut_off_by_a_crash_costs_nothing_else(tmp_path: Path) -> None:
    """Half a line counts as not written, and what is appended after it is read."""
    ledger = Ledger(tmp_path / "t")
    ledger.add(["a"])
    with ledger.path.open("a") as file:
        file.write('{"dig')
    ledger.add(["b"])
    assert ledger.digests() == {"a", "b"}


def test_a_disk_that_takes_only_a_part_is_told(tmp_path: Path) -> None:
    """Whoever is to be forgotten is not taken for written down while half of their digests fitted."""
    ledger = Ledger(tmp_path / "t")
    ledger.add(["a"])
    most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (ledger.path.stat().st_size + 50, most[1]))
    try:
        with pytest.raises(StoreError):
            ledger.add([f"{number:064x}" for number in range(10)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, most)
    ledger.add(["b"])
    assert ledger.digests() == {"a", "b"}


def test_a_home_has_one_ledger_by_whichever_way_it_is_reached(tmp_path: Path) -> None:
    """From inside of it, by a link, by its name: the ledger stands beside the folder itself."""
    (tmp_path / "home" / "inside").mkdir(parents=True)
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "bot").symlink_to(tmp_path / "home")
    for way in (tmp_path / "home", tmp_path / "home" / "inside" / "..", tmp_path / "links" / "bot"):
        assert Ledger.beside(way).path == tmp_path / "home.tombstones"


def test_a_ledger_that_cannot_be_written_says_what_to_do(tmp_path: Path) -> None:
    """The error names the setting that puts it elsewhere."""
    with pytest.raises(StoreError) as refused:
        Ledger(tmp_path / "no" / "t").add(["a"])
    assert "tombstones" in refused.value.hint


def test_a_new_key_comes_first_and_the_old_ones_stay(tmp_path: Path) -> None:
    """After a rotation the newest key is first, the older ones are kept, and only the owner can read them."""
    path = tmp_path / "secret.key"
    (first,) = home_secrets(path)
    rotate_secret(path)
    new, old = home_secrets(path)
    assert old == first
    assert new != first
    assert path.stat().st_mode & 0o077 == 0


def test_a_damaged_key_is_refused(tmp_path: Path) -> None:
    """An empty or garbled file is no key, and no new one is made in its place."""
    path = tmp_path / "secret.key"
    for text in ("", "zz"):
        path.write_text(text)
        with pytest.raises(StoreError, match="damaged"):
            home_secrets(path)


def test_a_file_of_anything_else_holds_no_tombstones(tmp_path: Path) -> None:
    """Whoever names a wrong file at a restore is told so; bytes that are no text are no reason to fall over."""
    path = tmp_path / "t"
    path.write_bytes(b"\xff\xfe\x00 no ledger\n")
    assert Ledger(path).digests() == set()
    Ledger(path).add(["a"])
    assert Ledger(path).digests() == {"a"}
