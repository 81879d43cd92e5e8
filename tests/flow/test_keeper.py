"""Exchanges that another process keeps: durable when ``keep`` returns, and nothing silent where that process fails."""

import os
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from loraloop import keeper
from loraloop.archive import HomeArchive
from loraloop.errors import DataError, StoreError
from loraloop.keeper import ApartKeeper
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
def apart(home: Home) -> Iterator[ApartKeeper]:
    """What keeps the exchanges of that bot, whose process ends with it."""
    made = ApartKeeper(home)
    yield made
    made.close()
    assert made._child.poll() is not None


def served(number: int, answer: str = "A warm soup.") -> Served:
    """An answer with its consent."""
    said = ({"role": "user", "content": f"Lunch {number}? My number is 010-1234-5678."},)
    return Served(f"c-{number}", datetime.now(UTC), "live", None, said, answer, consent="granted", user="u-" + "0" * 16)


def test_what_is_kept_is_durable_and_redacted(home: Home, apart: ApartKeeper) -> None:
    """Everything of the answer arrives, in the process that asks, as if it had been kept here."""
    apart.keep([served(1), served(2)])
    assert home.store.conversations.count(home.bot) == 2
    stored = HomeArchive(home.store, home.bot, home.secret).find("c-1")
    assert stored is not None
    ((completion, talk),) = stored.answers
    assert talk is not None
    assert (talk.consent, talk.user, completion.model) == ("granted", "u-" + "0" * 16, "live")
    assert "010" not in talk.messages[0].text
    assert talk.messages[0].text.startswith("Lunch 1?")


def test_an_exchange_that_can_never_be_stored_is_told_from_a_store_that_fails(apart: ApartKeeper) -> None:
    """The first is lost alone and the process goes on; of its words the error says nothing."""
    with pytest.raises(DataError, match="not stored") as told:
        apart.keep([served(1, "secret \ud800 words")])
    assert "secret" not in str(told.value)
    before = apart._child.pid
    apart.keep([served(2)])
    assert apart._child.pid == before


def test_after_the_process_was_killed_the_next_batch_has_a_new_one(home: Home, apart: ApartKeeper) -> None:
    """Whoever was about to be kept is told so; what comes later is kept."""
    apart.keep([served(1)])
    os.kill(apart._child.pid, signal.SIGSTOP)
    os.kill(apart._child.pid, signal.SIGKILL)
    with pytest.raises(StoreError, match="ended"):
        apart.keep([served(2)])
    apart.keep([served(3)])
    archive = HomeArchive(home.store, home.bot, home.secret)
    assert {"c-1", "c-3"} <= {one.answers[0][0].id for one in archive.page(None, 10, False, "")}


@pytest.mark.parametrize("rows", [1, 2000])
def test_a_process_that_stands_still_is_ended_and_told(
    apart: ApartKeeper, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    """Whether it stands before it answers or before it has read all: no request waits for ever."""
    apart.keep([served(0)])
    monkeypatch.setattr(keeper, "LONGEST_S", 0.3)
    os.kill(apart._child.pid, signal.SIGSTOP)
    begin = time.monotonic()
    with pytest.raises(StoreError, match="did not answer"):
        apart.keep([served(n) for n in range(1, rows + 1)])
    assert time.monotonic() - begin < 5
    monkeypatch.undo()
    apart.keep([served(rows + 1)])
