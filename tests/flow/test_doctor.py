"""Doctor finds what is wrong, and ``--repair`` mends what can be mended without losing anything."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from loraloop.store.database import Database
from loraloop.wiring import open_home

pytestmark = pytest.mark.real

Command = Callable[..., Any]
GONE = 4_194_305
"""A process id above the largest there can be."""


def spoil(home: Path) -> Path:
    """Cut a byte off the live adapter's weights."""
    weights = next((home / "objects").glob("*/adapter_model.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-1])
    return weights


def repaired(command: Command, home: Path) -> list[str]:
    """What a repair says that it did; nothing may be wrong after it."""
    said = command(home, "doctor", "--repair", "--json")
    assert said.code == 0, said
    again = command(home, "doctor", "--repair", "--json").json
    assert again["whole"]
    assert again["repaired"] == []
    return [one["what"] for one in said.json["repaired"]]


def test_a_whole_home_needs_no_repair_and_tells_its_versions(a_home: Path, command: Command) -> None:
    """Nothing is done, and the facts that a helper asks for first are there."""
    said = command(a_home, "doctor", "--repair", "--json").json
    assert said["whole"]
    assert said["repaired"] == []
    assert {"database", "schema", "writable", "unfinished", "versions", "disk"} <= set(said["checks"])
    assert said["facts"]["revision"]
    assert said["facts"]["free_bytes"] > 0
    assert "nothing to mend" in command(a_home, "doctor", "--repair").out


@pytest.mark.fault(25)
def test_a_damaged_live_adapter_is_made_whole_from_its_copy(a_home: Path, command: Command) -> None:
    """The production folder holds the same bytes, so nobody has to go back; the damaged files are kept aside."""
    whole = next((a_home / "objects").glob("*/adapter_model.safetensors")).read_bytes()
    weights = spoil(a_home)
    assert command(a_home, "doctor").code == 1
    assert repaired(command, a_home) == ["healed"]
    assert weights.read_bytes() == whole
    assert command(a_home, "status", "--json").json["live"]["adapter_name"] == "first"


@pytest.mark.fault(33)
def test_without_a_whole_copy_the_newest_whole_release_serves(a_home: Path, command: Command) -> None:
    """Where the copy is damaged too, the base takes over, the adapter is set aside, and both are said."""
    spoil(a_home)
    for copy in {path.resolve() for path in a_home.glob("production/*/*/adapter_model.safetensors")}:
        copy.write_bytes(copy.read_bytes()[:-1])
    assert repaired(command, a_home) == ["went_back", "set_aside", "dangling"]
    live = command(a_home, "status", "--json").json["live"]
    assert (live["adapter_id"], live["actor"]) == (None, "doctor")
    assert list((a_home / "damaged").iterdir())
    assert command(a_home, "ask", "hello").code == 0


def test_a_copy_that_lies_is_not_believed(a_home: Path, command: Command) -> None:
    """A copy whose manifest was made to fit other weights has another digest, so it heals nothing."""
    import json

    from loraloop.store.durable import file_digest

    spoil(a_home)
    for folder in {path.resolve().parent for path in a_home.glob("production/*/*/adapter_model.safetensors")}:
        weights = folder / "adapter_model.safetensors"
        raw = bytearray(weights.read_bytes())
        raw[-1] ^= 1
        weights.write_bytes(raw)
        manifest = json.loads((folder / "manifest.json").read_text())
        manifest["files"][weights.name]["sha256"] = file_digest(weights)
        (folder / "manifest.json").write_text(json.dumps(manifest))
    assert "healed" not in repaired(command, a_home)


def test_the_key_is_closed_to_others(a_home: Path, command: Command) -> None:
    """Only its owner can read it afterwards."""
    (a_home / "secret.key").chmod(0o644)
    assert command(a_home, "doctor").code == 1
    assert repaired(command, a_home) == ["key"]
    assert (a_home / "secret.key").stat().st_mode & 0o777 == 0o600


def test_only_what_cut_off_writes_left_is_removed(a_home: Path, command: Command) -> None:
    """Files of dead processes go, those of living ones, new ones and a person's own stay."""
    old = time.time() - 7200
    dead = [
        a_home / "production" / "default" / f".v1.{GONE}",
        a_home / "adapters" / "default" / f".first.{GONE}.link",
        a_home.parent / f".{a_home.name}.restoring-{GONE}-0123abcd",
        a_home / "receipts" / ".er-1.json.abcd1234",
        a_home / ".loraloop.toml.abcd1234",
        a_home / "backups" / "default" / ".v1-20260101-000000-000000",
    ]
    alive = [
        a_home / "production" / "default" / f".v2.{os.getpid()}",
        a_home / "receipts" / ".er-2.json.abcd1234",
        a_home / ".env.template",
        a_home / ".git",
    ]
    for path in [*dead, *alive]:
        path.mkdir(parents=True)
        if path.name not in {".er-2.json.abcd1234"}:
            os.utime(path, (old, old))
    assert command(a_home, "doctor").code == 1
    assert repaired(command, a_home) == ["leftover"] * len(dead)
    assert [path for path in dead if path.exists()] == []
    assert [path for path in alive if not path.exists()] == []


def test_lost_names_lead_to_their_adapters_again(a_home: Path, command: Command) -> None:
    """A name that was removed comes back, one that leads nowhere goes."""
    (a_home / "adapters" / "default" / "first").unlink()
    (a_home / "adapters" / "default" / "nowhere").symlink_to("../../objects/none")
    assert repaired(command, a_home) == ["dangling", "name"]
    assert (a_home / "adapters" / "default" / "first" / "adapter_config.json").is_file()


def test_doctor_tells_another_revision_of_the_tables(a_home: Path) -> None:
    """A database whose tables another version changed while the home was open is told."""
    from loraloop.health import examine

    with open_home(a_home) as home:
        other = Database(f"sqlite:///{a_home / 'loraloop.db'}")
        with other.write() as connection:
            connection.execute(sa.text("UPDATE alembic_version SET version_num = '0001'"))
        other.close()
        (line,) = examine(home)["schema"]
    assert "revision 0001" in line


def test_a_repair_speaks_korean_too(a_home: Path, command: Command) -> None:
    """What was done is said in the language that was asked for."""
    (a_home / "secret.key").chmod(0o644)
    assert "고침" in command(a_home, "--lang", "ko", "doctor", "--repair").out
