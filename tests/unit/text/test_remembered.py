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


def test_the_answer_for_a_short_text_is_remembered_and_for_a_long_one_it_is_not() -> None:
    """Both answers are remembered, and no more texts than may be."""
    known = Remembered(2)
    for text in ("a", "aa"):
        known.put(known.key(text), text == "aa")
    assert [known.get(known.key(text)) for text in ("a", "aa", "aaa")] == [False, True, None]
    known.put(known.key("aaa"), False)
    assert [known.get(known.key(text)) for text in ("a", "aa", "aaa")] == [None, None, False]
    long = "a" * (MOST_CHARS + 1)
    known.put(known.key(long), True)
    assert known.get(known.key(long)) is None
