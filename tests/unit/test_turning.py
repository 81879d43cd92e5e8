"""One home's turns, by hand from Python and by its schedule, are one at a time and count together."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from loraloop.controller import Loop
from loraloop.errors import StoreBusy
from loraloop.testing.clock import MovedClock
from loraloop.testing.parts import CannedParts
from loraloop.turning import scheduled, turning
from loraloop.types import Conversation, message, utc
from loraloop.wiring import Home, init_home, open_home


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Home]:
    """An open home whose base is never loaded."""
    init_home(tmp_path / "home", base__model=str(tmp_path / "no-base"), schedule__min_samples_for_training=5)
    with open_home(tmp_path / "home") as opened:
        yield opened


def add(home: Home, begin: int, count: int) -> None:
    """Store conversations."""
    at = utc("2026-03-01T12:00:00")
    assert at is not None
    said = (message("user", "hello"), message("assistant", "hi", "review"))
    ids = [f"cv-{number:016x}" for number in range(begin, begin + count)]
    home.store.conversations.add([Conversation(one, home.bot, said, at, "chat", "granted") for one in ids])


def turned(home: Home) -> Loop:
    """The home's loop over parts that compute nothing."""
    folder = home.folder / "canned"
    canned = CannedParts(home.store, home.artifacts, folder, MovedClock(), bot=home.bot, turning=home.turn_lock.held)
    return Loop(canned.parts(), home.store, home.artifacts, bot=home.bot)


def says(home: Home, trigger: str) -> str:
    """What a trigger of a fresh scheduler says."""
    return next(reading.reason for reading in home.scheduler.explain() if reading.trigger == trigger)


@pytest.mark.fault(48)
def test_a_turn_from_python_is_refused_while_another_is_under_way(bare: Home) -> None:
    """``home.loop.turn()`` and ``train()`` hold the bot's turn: the second is told at once, and nothing was done."""
    with open_home(bare.folder) as other, turning(other):
        for step in (bare.loop.turn, lambda: bare.loop.train(None)):  # type: ignore[arg-type]
            with pytest.raises(StoreBusy, match="being turned already"):
                step()
    assert bare.store.datasets.list(bare.bot) == []
    assert bare.store.events.tail(bare.bot) == []


def test_a_scheduled_run_holds_the_turn_from_its_first_step_to_its_last(bare: Home) -> None:
    """While somebody turns the loop by hand a run of the schedule does nothing and is tried again later."""
    add(bare, 0, 9)
    scheduler = scheduled(bare)
    with open_home(bare.folder) as other, turning(other):
        outcome = scheduler.run_due()
    assert outcome is not None
    assert (outcome.status, "being turned" in outcome.reason) == ("failed", True)
    assert bare.store.datasets.list(bare.bot) == []
    assert scheduler.get_scheduler_status()["queue"]["pending_jobs"] == 1


def test_a_turn_by_hand_moves_what_the_schedule_counts_from(bare: Home) -> None:
    """After a turn by hand only conversations that came since are new, for a scheduler that runs and for the next."""
    add(bare, 0, 9)
    running = bare.scheduler
    assert says(bare, "rows").startswith("9 new rows")
    turned(bare).turn()
    assert running.explain()[0].fires is False
    assert says(bare, "rows").startswith("0 new rows")
    assert "0.0 h ago" in says(bare, "interval")
    add(bare, 100, 6)
    assert says(bare, "rows").startswith("6 new rows")
    with open_home(bare.folder) as again:
        assert says(again, "rows").startswith("6 new rows")
        assert again.scheduler.get_scheduler_status()["statistics"]["total_training_runs"] == 0


def test_a_turn_of_one_bot_moves_nothing_of_another(bare: Home) -> None:
    """Each bot's schedule counts from that bot's own turns."""
    with open_home(bare.folder, bot="other") as other:
        add(other, 0, 7)
        add(bare, 50, 7)
        turned(bare).turn()
        assert says(other, "rows").startswith("7 new rows")
