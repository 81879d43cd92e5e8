"""What was found out about a text is remembered, the text is not."""

import sys
from collections.abc import Callable

import pytest

from loraloop.data.quality import tells_of_distress
from loraloop.text.redact import findings
from loraloop.text.remembered import MOST_CHARS, Remembered


@pytest.mark.parametrize("look", [findings, tells_of_distress])
def test_no_text_is_kept_by_a_look_at_it(look: Callable[[str], object]) -> None:
    """However short or long: who is forgotten is gone from memory too, and memory does not grow with what is said."""
    for times in (1, MOST_CHARS):
        said = f"Zwetschgenknoedel {look.__name__} " * times
        before = sys.getrefcount(said)
        look(said)
        assert sys.getrefcount(said) == before


def test_a_short_text_is_looked_at_once_and_a_long_one_each_time() -> None:
    """Both answers are remembered, and no more texts than may be."""
    looked: list[int] = []

    def is_even(text: str) -> bool:
        looked.append(len(text))
        return len(text) % 2 == 0

    known = Remembered(2)
    assert [known.of("a" * n, is_even) for n in (1, 2, 1, 2)] == [False, True, False, True]
    assert looked == [1, 2]
    known.of("a" * 3, is_even)
    known.of("a", is_even)
    assert looked == [1, 2, 3, 1]
    for _ in range(2):
        known.of("a" * (MOST_CHARS + 1), is_even)
    assert looked[4:] == [MOST_CHARS + 1] * 2
