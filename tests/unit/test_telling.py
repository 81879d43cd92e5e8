"""What is told of long steps, and that it changes nothing of what they yield."""

from __future__ import annotations

import pytest

from loraloop.cli.progress import Lines
from loraloop.telling import counted, under_way


def test_items_come_as_they_are_and_long_ones_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Told every 500 once a second is over, and at the end, never more than there are; what is soon done is not."""
    told: list[tuple[str, int, int]] = []
    seconds = iter([0.0, 0.5, 1.0, 1.5])
    monkeypatch.setattr("loraloop.telling.monotonic", lambda: next(seconds))
    found = list(counted(range(1203), lambda *step, **facts: told.append(step), "read", 1000))
    assert found == list(range(1203))
    assert told == [("read", 500, 1000), ("read", 1000, 1000), ("read", 1000, 1000)]
    monkeypatch.setattr("loraloop.telling.monotonic", lambda: 0.0)
    assert list(counted("ab", lambda *step, **facts: told.append(step), "read", 2)) == ["a", "b"]
    assert len(told) == 3


def test_a_step_of_unknown_length_begins_and_ends() -> None:
    """What fails within is not told to be done."""
    told: list[tuple[str, int, int]] = []
    with under_way(lambda *step, **facts: told.append(step), "collect"):
        assert told == [("collect", 0, 0)]
    assert told[1:] == [("collect", 1, 1)]
    with pytest.raises(ValueError, match="no"), under_way(lambda *step, **facts: told.append(step), "collect"):
        raise ValueError("no")
    assert told[2:] == [("collect", 0, 0)]


def test_a_line_is_not_printed_twice_in_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    """A step that ends twice, as a backup's last small files do, says so once."""
    lines = Lines()
    for _ in range(3):
        lines("verify", 169, 169)
    assert capsys.readouterr().err == "checking (MB): 169/169\n"
