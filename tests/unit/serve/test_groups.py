"""Device and address groups: kept as pseudonyms where the settings ask for it, and never as addresses."""

from pathlib import Path

import pytest

from loraloop.data.export import to_row
from loraloop.data.formats import ImportOptions, from_jsonl
from loraloop.serve.grouping import group_of
from loraloop.testing.gateway_client import GatewayClient as Client


@pytest.mark.parametrize(
    ("by", "headers", "kept"),
    [("", {}, False), ("address", {}, True), ("header", {}, False), ("header", {"X-Client-Group": "tablet 7"}, True)],
)
def test_a_group_is_kept_only_where_the_settings_ask_for_it(
    client: Client, tmp_path: Path, by: str, headers: dict[str, str], kept: bool
) -> None:
    """A keyed digest goes with the conversation; the address and the device's name stand nowhere in the database."""
    client.open(consent="granted", group=by)
    client.chat("What is for lunch?", user="kim", headers=headers)
    (talk,) = client.talks()
    assert (talk.group is not None) == kept
    assert talk.group is None or talk.group.startswith("u-")
    client.store.close()
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"127.0.0.1" not in written
    assert b"tablet 7" not in written


def test_one_household_is_one_group_and_two_are_two() -> None:
    """IPv6 addresses of one network are one group, IPv4 addresses each their own."""

    def group(address: str) -> str | None:
        return group_of({"type": "http", "client": (address, 1)}, "address", lambda name: f"u({name})")

    assert group("2001:db8:1:2::1") == group("2001:db8:1:2:ffff::9") != group("2001:db8:1:3::1")
    assert group("203.0.113.7") == group("::ffff:203.0.113.7") != group("203.0.113.8")
    assert group_of({"type": "http"}, "address", str) is None


def test_a_group_survives_an_export(client: Client) -> None:
    """What is exported and read back is the same conversation, its group included."""
    client.open(consent="granted", group="address")
    client.chat("What is for lunch?", user="kim")
    (talk,) = client.talks()
    row = to_row(talk)
    assert from_jsonl(row, ImportOptions(bot=talk.bot)) == [talk]
    assert from_jsonl({**row, "schema_version": None}, ImportOptions(bot=talk.bot))[0].group is None
