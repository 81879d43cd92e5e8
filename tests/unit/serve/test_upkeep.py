"""What a process that serves for weeks does now and then."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from loraloop.data.exchanges import record_exchange
from loraloop.errors import StoreError
from loraloop.testing.clock import MovedClock
from loraloop.types import message
from loraloop.upkeep import looked_after
from loraloop.wiring import Home, init_home, open_home


def kept(home: Home) -> int:
    """Conversations that are stored."""
    return sum(1 for _ in home.store.conversations.iterate(home.bot))


@pytest.mark.slow
def test_what_is_due_is_done_while_a_gateway_runs(tmp_path: Path) -> None:
    """A talk older than the days it may be kept goes without anybody opening the home anew; without upkeep it stays."""
    init_home(tmp_path / "home", privacy__retention_days=30.0)

    async def scenario(home: Home) -> None:
        async with looked_after(home, 3600):
            await asyncio.sleep(0.3)
            assert kept(home) == 1
        async with looked_after(home, 0.05):
            for _ in range(200):
                await asyncio.sleep(0.05)
                if not kept(home):
                    return
        raise AssertionError("it is still there")

    with open_home(tmp_path / "home") as home:
        clock = MovedClock(datetime.now(UTC) - timedelta(days=31))
        record_exchange(
            home.store, bot=home.bot, messages=[message("user", "Hi")], answer="Hello.", release_id=None,
            consent="granted", session=None, user="kim", secret=home.secret, clock=clock,
        )  # fmt: skip
        yesterday = datetime.now(UTC) - timedelta(hours=25)
        home.store.state.write("privacy:pruned", yesterday.isoformat())  # opening looked today already
        assert kept(home) == 1
        asyncio.run(scenario(home))


@pytest.mark.parametrize(("error", "told"), [
    (StoreError("the database is away"), "the database is away"), (RuntimeError("what a child said"), "RuntimeError"),
])  # fmt: skip
def test_upkeep_that_fails_is_told_and_tried_again(
    home: Home, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception, told: str
) -> None:
    """A database that is away for a moment ends neither the gateway nor the upkeep."""
    tries = []

    def look_after() -> list[str]:
        tries.append(1)
        if len(tries) == 1:
            raise error
        return ["done what was due"]

    monkeypatch.setattr(home.forgetting, "look_after", look_after)

    async def scenario() -> None:
        async with looked_after(home, 0.01), asyncio.timeout(10):
            while len(tries) < 3:
                await asyncio.sleep(0.01)

    with caplog.at_level(logging.INFO, logger="loraloop.upkeep"):
        asyncio.run(scenario())
    assert f"cannot be settled now: {told}\n" in caplog.text
    assert "done what was due" in caplog.text
