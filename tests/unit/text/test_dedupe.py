"""Near-duplicates."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loraloop.text.dedupe import NearDuplicates, compact, jaccard, shingles
from loraloop.text.edits import EditIndex, edit_limit, within_edits


def _distance(a: str, b: str) -> int:
    """Plain Levenshtein, the whole table: the reference."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, start=1):
        previous, row[0] = row[0], i
        for j, y in enumerate(b, start=1):
            previous, row[j] = row[j], min(previous + (x != y), row[j] + 1, row[j - 1] + 1)
    return row[-1]


@given(st.text("abc", max_size=12), st.text("abc", max_size=12), st.integers(0, 4))
def test_the_banded_distance_agrees_with_the_whole_table(a, b, limit):
    """The quick edit test says what a plain Levenshtein table says."""
    assert within_edits(a, b, limit) == (_distance(a, b) <= limit)


@pytest.mark.parametrize(
    "other",
    ["오늘 저녁은 뭐 먹을까요?", "오늘저녁은 뭐 먹을까??", "오늘 저녁은 뭐 먹을까 ", "오늘 저녁은 뭐먹을까!"],
)
def test_small_changes_are_found(other):
    """A letter more, spacing or punctuation does not hide a short Korean question."""
    index = NearDuplicates(0.9)
    index.add("a", "오늘 저녁은 뭐 먹을까?")
    assert index.find(other) == ["a"]


@pytest.mark.parametrize("other", ["내일 점심은 뭐 먹을까?", "안녕", "", "오늘 저녁은 어디서 만날까?"])
def test_other_questions_are_not_found(other):
    """Different questions stay different."""
    index = NearDuplicates(0.9)
    index.add("a", "오늘 저녁은 뭐 먹을까?")
    assert index.find(other) == []


def test_very_short_texts_match_only_exactly():
    """Under ten letters one changed letter is another word: 안녕 is not 안경."""
    index = NearDuplicates(0.9)
    index.add("a", "안녕")
    index.add("b", "안경")
    assert index.find("안녕!!") == ["a"]


def test_long_texts_with_a_word_changed_are_found():
    """A long answer with one word changed is a near-duplicate; verified by the exact Jaccard share."""
    rng = random.Random(7)
    words = ["".join(rng.choice("가나다라마바사아자차카타파하") for _ in range(4)) for _ in range(80)]
    changed = [*words[:40], "다른말로", *words[41:]]
    a, b = " ".join(words), " ".join(changed)
    assert jaccard(shingles(compact(a)), shingles(compact(b))) >= 0.9
    index = NearDuplicates(0.9)
    index.add("a", a)
    index.add("other", "딴 이야기")
    assert index.find(b) == ["a"]


@given(st.lists(st.text("abc", min_size=1, max_size=30), max_size=8), st.text("abc", max_size=30))
def test_the_edit_index_misses_nothing(texts, asked):
    """Whatever a full scan finds within the limit, the index proposes too, at the loosest threshold."""
    index = EditIndex(0.84)
    for number, text in enumerate(texts):
        index.add(number, text)
    near = {n for n, t in enumerate(texts) if _distance(t, asked) <= edit_limit(max(len(t), len(asked)), 0.84)}
    assert near <= index.candidates(asked)


def test_every_short_question_changed_within_the_limit_is_found():
    """All of 300 questions of 12 to 47 letters with a tenth of their letters replaced, dropped or added are found."""
    rng = random.Random(11)
    letters = "가나다라마바사아자차카타파하거너더러머버서어저처"
    index = NearDuplicates(0.9)
    texts = ["".join(rng.choice(letters) for _ in range(rng.randint(12, 39))) for _ in range(300)]
    for number, text in enumerate(texts):
        index.add(str(number), text)
    for number, text in enumerate(texts):
        changed = list(text)
        for place in sorted(rng.sample(range(len(text)), len(text) // 10), reverse=True):
            changed[place : place + 1] = rng.choice(["힣", "", "힣" + text[place]])
        close = edit_limit(max(len(changed), len(text)), 0.9) >= len(text) // 10
        assert not close or str(number) in index.find("".join(changed))


def test_long_texts_are_found_by_their_shingles():
    """Of 200 long answers with a twentieth of a sentence rewritten, every one at the threshold is found (seeded)."""
    rng = random.Random(5)
    letters = "가나다라마바사아자차카타파하거너더러머버서어저처고노도로모보"
    index = NearDuplicates(0.84)
    texts = ["".join(rng.choice(letters) for _ in range(rng.randint(48, 200))) for _ in range(200)]
    for number, text in enumerate(texts):
        index.add(str(number), text)
    asked = 0
    for number, text in enumerate(texts):
        start = rng.randrange(len(text) - 5)
        changed = text[:start] + "힣힣" + text[start + 2 :]
        if jaccard(shingles(compact(text)), shingles(compact(changed))) >= 0.84:
            asked += 1
            assert str(number) in index.find(changed)
    assert asked > 100


def test_a_threshold_out_of_range_is_refused():
    """A threshold the index cannot keep is an error, not a silent miss."""
    with pytest.raises(ValueError, match=r"0\.84"):
        NearDuplicates(0.5)
