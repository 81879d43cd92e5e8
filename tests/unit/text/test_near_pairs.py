"""Near-duplicates between two lists, found all together: the very pairs that the index finds one by one."""

import random

import pytest

from loraloop.text.dedupe import NearDuplicates
from loraloop.text.near_pairs import near_pairs

LETTERS = "가나다라마바사아자차카타파하abcdefgh"


def changed(text: str, drawn: random.Random) -> str:
    """A text with up to three letters changed, put in or taken out."""
    letters = list(text)
    for _ in range(drawn.randrange(4)):
        place = drawn.randrange(len(letters))
        letters[place : place + drawn.randrange(2)] = drawn.choices(LETTERS, k=drawn.randrange(2))
        letters = letters or ["x"]
    return "".join(letters)


@pytest.mark.slow
@pytest.mark.parametrize("threshold", [0.84, 0.9, 0.97])
def test_the_pairs_are_those_of_the_index(threshold: float) -> None:
    """Of texts of 1 to 120 letters, short beside long, with few and many changes."""
    drawn = random.Random(7)
    many = list(dict.fromkeys("".join(drawn.choices(LETTERS, k=drawn.randrange(1, 121))) for _ in range(500)))
    few = list(dict.fromkeys(changed(drawn.choice(many), drawn) for _ in range(400)))
    index = NearDuplicates(threshold)
    for place, text in enumerate(few):
        index.add(str(place), text)
    expected = {(n, int(m)) for n, text in enumerate(many) for m in index.find(text) if few[int(m)] != text}
    assert expected
    assert set(near_pairs(many, few, threshold)) == expected


def test_equal_texts_are_no_pair_and_nothing_is_near_at_one() -> None:
    """Whoever asks for pairs that are equal has them already; at a threshold of 1 there is no other."""
    assert near_pairs(["abc", "abd"], ["abc"], 0.9) == []
    assert near_pairs(["오늘저녁은뭐먹을까"], ["오늘저녁은뭐먹을까요"], 1.0) == []
    assert near_pairs([], ["abc"], 0.9) == []
