"""Exchanges that another process keeps: durable when ``keep`` returns, and nothing silent where that process fails."""

import os
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from loraloop import keeper
from loraloop.errors import DataError, StoreError
from loraloop.keeper import ApartArchive
from loraloop.testing.tiny import tiny_base
from loraloop.traffic import Served
from loraloop.wiring import Home, init_home, open_home

pytestmark = pytest.mark.slow


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A home with a bot."""
    init_home(tmp_path / "home", base__model=str(tiny_base(tmp_path / "base")))
    with open_home(tmp_path / "home") as opened:
        yield opened


@pytest.fixture
def archive(home: Home) -> Iterator[ApartArchive]:
    """The archive of that bot, whose other process ends with it."""
    made = ApartArchive(home)
    yield made
    made.close()
    assert made._child.poll() is not None


def served(number: int, answer: str = "A warm soup.") -> Served:
    """An answer with its consent."""
    said = ({"role": "user", "content": f"Lunch {number}? My number is 010-1234-5678."},)
    return Served(f"c-{number}", datetime.now(UTC), "live", None, said, answer, consent="granted", user="u-" + "0" * 16)


def test_what_is_kept_is_durable_and_redacted(home: Home, archive: ApartArchive) -> None:
    """Everything of the answer arrives, in the process that asks, as if it had been kept here."""
    archive.keep([served(1), served(2)])
    assert home.store.conversations.count(home.bot) == 2
    stored = archive.find("c-1")
    assert stored is not None
    ((completion, talk),) = stored.answers
    assert talk is not None
    assert (talk.consent, talk.user, completion.model) == ("granted", "u-" + "0" * 16, "live")
    assert "010" not in talk.messages[0].text
    assert talk.messages[0].text.startswith("Lunch 1?")


def test_an_exchange_that_can_never_be_stored_is_told_from_a_store_that_fails(archive: ApartArchive) -> None:
    """The first is lost alone and the process goes on; of its words the error says nothing."""
    with pytest.raises(DataError, match="not stored") as told:
        archive.keep([served(1, "secret \ud800 words")])
    assert "secret" not in str(told.value)
    before = archive._child.pid
    archive.keep([served(2)])
    assert archive._child.pid == before


def test_after_the_process_was_killed_the_next_batch_has_a_new_one(home: Home, archive: ApartArchive) -> None:
    """Whoever was about to be kept is told so; what comes later is kept."""
    archive.keep([served(1)])
    os.kill(archive._child.pid, signal.SIGSTOP)
    os.kill(archive._child.pid, signal.SIGKILL)
    with pytest.raises(StoreError, match="ended"):
        archive.keep([served(2)])
    archive.keep([served(3)])
    assert {"c-1", "c-3"} <= {one.answers[0][0].id for one in archive.page(None, 10, False, "")}


@pytest.mark.parametrize("rows", [1, 2000])
def test_a_process_that_stands_still_is_ended_and_told(
    archive: ApartArchive, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    """Whether it stands before it answers or before it has read all: no request waits for ever."""
    archive.keep([served(0)])
    monkeypatch.setattr(keeper, "LONGEST_S", 0.3)
    os.kill(archive._child.pid, signal.SIGSTOP)
    begin = time.monotonic()
    with pytest.raises(StoreError, match="did not answer"):
        archive.keep([served(n) for n in range(1, rows + 1)])
    assert time.monotonic() - begin < 5
    monkeypatch.undo()
    archive.keep([served(rows + 1)])
