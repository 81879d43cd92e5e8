"""The search for cycles of garbage: at rest in the block, and as it was before after it."""

import gc

import pytest

from loraloop.collecting import collecting_later


def test_the_search_goes_on_after_the_outermost_block() -> None:
    """It rests in blocks within blocks, and in what is decorated."""
    seen: list[bool] = []

    @collecting_later()
    def inner() -> None:
        seen.append(gc.isenabled())

    assert gc.isenabled()
    with collecting_later():
        inner()
        seen.append(gc.isenabled())
    inner()
    assert seen == [False, False, False]
    assert gc.isenabled()


def test_an_error_does_not_leave_it_at_rest() -> None:
    """Whatever fails in the block, cycles are looked for again."""
    with pytest.raises(ValueError, match="broken"), collecting_later():
        raise ValueError("broken")
    assert gc.isenabled()


def test_who_had_put_it_to_rest_keeps_it_so() -> None:
    """The block does not turn on what somebody turned off."""
    gc.disable()
    try:
        with collecting_later():
            assert not gc.isenabled()
        assert not gc.isenabled()
    finally:
        gc.enable()
