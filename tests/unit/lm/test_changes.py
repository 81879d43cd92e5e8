"""Changes step by step: one after another, never longer than they may, and told once."""

import time
from collections.abc import Iterator

from loraloop.errors import EngineError, LoraloopError
from loraloop.lm.changes import Changes


def steps(heard: list[str], name: str, count: int, fails: bool = False) -> Iterator[None]:
    """Some steps of five milliseconds."""
    for number in range(count):
        heard.append(f"{name}{number}")
        time.sleep(0.005)
        yield
    if fails:
        raise EngineError("it cannot be")


def test_changes_are_made_in_turn_and_what_fails_is_told_and_holds_up_nobody() -> None:
    """The order is theirs; the second one's fault is heard by whoever asked for it."""
    heard: list[str] = []
    faults: list[LoraloopError | None] = []
    changes = Changes()
    for name, count, fails in (("a", 2, False), ("b", 1, True), ("c", 1, False)):
        changes.add(steps(heard, name, count, fails), lambda fault, _: faults.append(fault))
    assert len(changes) == 3
    changes.advance(5.0)
    assert heard == ["a0", "a1", "b0", "c0"]
    assert [type(one) for one in faults] == [type(None), EngineError, type(None)]
    assert not len(changes)


def test_no_step_begins_after_its_time() -> None:
    """Of ten steps of five milliseconds a slice of one millisecond takes one, and the next slice goes on from there."""
    heard: list[str] = []
    changes = Changes()
    changes.add(steps(heard, "a", 10), lambda *_: None)
    for taken in (1, 2, 3):
        changes.advance(0.001)
        assert len(heard) == taken


def test_whoever_asked_hears_how_long_the_others_waited_at_once() -> None:
    """All five steps in one slice took 25 ms; one a slice 5 ms; and what came before does not count."""
    heard: list[str] = []
    waits: list[float] = []
    changes = Changes()
    for slice_s in (1.0, 0.0001):
        changes.add(steps(heard, "a", 5), lambda _, longest_s: waits.append(longest_s))
        while len(changes):
            changes.advance(slice_s)
    assert len(waits) == 2
    assert waits[0] >= 0.025
    assert 0.005 <= waits[1] < 0.02
