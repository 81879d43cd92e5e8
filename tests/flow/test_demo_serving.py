"""The demo's last act on a tiny base: a gateway of its own, simulated users, two canaries, a table."""

from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from loraloop.cli import demo_serving
from loraloop.cli.demo_tables import canary_table
from loraloop.cli.messages import choose_language
from loraloop.wiring import open_home

pytestmark = pytest.mark.real


def test_one_canary_is_promoted_and_the_other_taken_back(
    two_adapters: Callable[..., Path], loraloop: Callable[..., str]
) -> None:
    """By thumbs alone, in a process that is gone afterwards; the table says so in both languages."""
    guards = {"serve__guard_personal_data": False, "serve__guard_unfit_words": False}
    folder = two_adapters(**demo_serving.SETTINGS, **guards)
    loraloop(folder, "deploy", "first", "--force", "--reason", "test")
    said: list[str] = []
    with open_home(folder) as home:
        second, first = (home.loop.find_adapter(name) for name in ("second", "first"))
        played = demo_serving.ServedDemo(home, ("Hello?", "안녕?"), said.append).play((second, first))
        live = home.store.releases.live(home.bot)
    assert [(one["adapter"], one["status"]) for one in played] == [("second", "promoted"), ("first", "rolled back")]
    assert played[0]["steps"] == ["20%", "50%", "100%"]
    assert live is not None
    assert live.adapter_id == second.id
    assert any("simulated" in line for line in said)
    for language, word in (("en", "rolled back"), ("ko", "후보")):
        choose_language(language)
        shown = StringIO()
        Console(file=shown, width=160).print(canary_table(played))
        assert word in shown.getvalue()
    choose_language("en")
