"""Measures of one answer."""

import math
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loraloop.evaluate.metrics import (
    bits_per_byte,
    calculate_keyword_score,
    calculate_response_quality,
    chrf,
    distinct_n,
    item_passed,
    keyword_score,
    language_match,
    length_drift,
    perplexity,
    repetition,
    rouge_l,
    similarity,
)
from loraloop.evaluate.suites import SuiteItem
from loraloop.types import message

KOREAN = "김밥 두 줄을 추천해요. 따뜻한 국수도 좋아요!"
ENGLISH = "I would take the noodle soup today, it is warm and cheap."
texts = st.text(max_size=80)
words = st.lists(st.sampled_from(["밥", "국수", "good", "Rice", "좋아요", "a"]), max_size=12).map(" ".join)


def item(**checks: tuple[str, ...]) -> SuiteItem:
    """An item that asks for these words."""
    return SuiteItem("001", (message("user", "?"),), **checks)


@given(texts, texts)
def test_every_measure_is_a_share(answer: str, reference: str) -> None:
    """Whatever the answer, no measure leaves 0..1."""
    for measure in (calculate_response_quality, repetition, language_match):
        assert 0.0 <= measure(answer) <= 1.0
    for compare in (rouge_l, similarity):
        assert 0.0 <= compare(answer, reference) <= 1.0
    assert 0.0 <= calculate_keyword_score(answer, [reference]) <= 1.0


@given(texts | words)
def test_identical_texts_have_a_rouge_of_one(text: str) -> None:
    """A text compared with itself scores 1.0, in any script."""
    assert rouge_l(text, text) == 1.0


@given(words, words)
def test_rouge_does_not_care_who_is_the_reference(one: str, other: str) -> None:
    """The F1 of two texts is the same both ways."""
    assert rouge_l(one, other) == pytest.approx(rouge_l(other, one))


def test_korean_rouge_counts_the_words_in_common_in_order() -> None:
    """Korean words count as words: two of three in order, against three, are an F1 of two thirds."""
    assert rouge_l(KOREAN, KOREAN) == 1.0
    assert rouge_l("오늘 김밥 먹자", "오늘 국수 먹자") == pytest.approx(2 / 3)
    assert rouge_l("먹자 김밥 오늘", "오늘 김밥 먹자") == pytest.approx(1 / 3)
    assert rouge_l("김밥", "") == 0.0


def test_chrf_of_identical_korean_is_one() -> None:
    """The character F-score knows Korean and gives nothing to a text in another script."""
    pytest.importorskip("sacrebleu")
    assert chrf(KOREAN, KOREAN) == pytest.approx(1.0)
    assert chrf(ENGLISH, KOREAN) < 0.1


@pytest.mark.parametrize("text", [KOREAN, ENGLISH, "네, 좋아요!", "😀 Great, thanks!"])
@given(times=st.integers(2, 12))
def test_repeating_an_answer_never_pays(text: str, times: int) -> None:
    """Saying the same again lowers the quality, however often and however cheerful."""
    again = " ".join([text] * times)
    assert calculate_response_quality(again) < calculate_response_quality(text)
    assert calculate_response_quality(again) <= 0.75


@pytest.mark.parametrize("more", [" Great! Wonderful! Amazing!", " 최고예요! 정말 행복해요!", " ^^ ♡"])
def test_cheerfulness_and_length_earn_nothing(more: str) -> None:
    """A clean short answer already has the full quality; what is added cannot raise it."""
    assert calculate_response_quality("네, 좋아요.") == 1.0
    assert calculate_response_quality(f"네, 좋아요.{more}") <= 1.0


@given(st.text(max_size=4))
def test_under_five_characters_there_is_no_quality(text: str) -> None:
    """An answer of under 5 characters has quality 0.0 in the older interface."""
    folded = unicodedata.normalize("NFKC", text).strip()
    assert calculate_response_quality(text) == 0.0 or len(folded) >= 5


@pytest.mark.parametrize(
    "broken",
    [
        f"{KOREAN}<|im_end|>",
        f"Hello {{name}}, {ENGLISH}",
        f"user: hello\nassistant: {ENGLISH}",
        f"{ENGLISH[:-1]} and",
        "!!!!! ????? .....",
        "배고파배고파배고파배고파배고파배고파",
    ],
)
def test_a_broken_answer_has_less_quality(broken: str) -> None:
    """Control tokens, templates, leaked roles, cut sentences and loops all cost."""
    assert calculate_response_quality(broken) < 0.9


def test_quality_counts_the_expected_script() -> None:
    """An English answer to a Korean question is no good one, nor the other way round; a few Latin words are fine."""
    assert calculate_response_quality(ENGLISH, "ko") == 0.0
    assert calculate_response_quality(KOREAN, "en") == 0.0
    assert calculate_response_quality("BHC 치킨이 좋아요.", "ko") == 1.0
    assert calculate_response_quality(unicodedata.normalize("NFD", KOREAN), "ko") == 1.0


def test_language_match_is_the_share_of_letters() -> None:
    """Half Korean is full for Korean, letters decide, and no letters match nothing."""
    assert language_match("김밥 ab", "ko") == 1.0
    assert language_match("밥 abc", "ko") == 0.5
    assert language_match("밥 abc", "en") == 0.75
    assert language_match("日本語です", "ko") == language_match("12 !?", "en") == 0.0


@given(st.lists(st.sampled_from(["밥", "Rice", "ok"]), max_size=5), texts)
def test_a_keyword_is_found_whatever_its_case_and_composition(wanted: list[str], around: str) -> None:
    """All keywords in an answer give 1.0, upper-case or decomposed; none expected gives 1.0 too."""
    answer = unicodedata.normalize("NFD", " ".join(wanted).upper()) + " " + around
    assert calculate_keyword_score(answer, wanted) == 1.0


@pytest.mark.parametrize(
    ("answer", "word", "found"),
    [
        ("This is it", "hi", False),
        ("Hi!", "hi", True),
        ("ＨＩ there", "hi", True),
        ("pleased to", "pleas", True),
        ("unpleasant", "pleas", False),
        ("김밥이요", "김밥", True),
        ("hi있어요", "hi", True),
        ("", "김밥", False),
    ],
)
def test_where_a_keyword_may_stand(answer: str, word: str, found: bool) -> None:
    """Korean words may stand anywhere, Latin ones where a word begins, and up to three letters as a whole word."""
    assert calculate_keyword_score(answer, [word]) == float(found)


def test_an_item_weighs_its_wishes_and_forbids() -> None:
    """``any_of`` is one wish, each of ``all_of`` another; a forbidden word ends it."""
    wants = item(any_of=("rice", "soup"), all_of=("warm",), forbidden=("beer",))
    assert keyword_score("warm rice and soup", wants) == 1.0
    assert keyword_score("rice", wants) == keyword_score("warm", wants) == 0.5
    assert keyword_score("warm rice with beer", wants) == 0.0
    assert keyword_score("anything", item()) == 1.0


def test_a_short_right_answer_passes_and_a_loop_never_does() -> None:
    """A bare year is an answer; the right word said over and over, or no word at all, is none."""
    assert item_passed("1945", item(any_of=("1945",)))
    assert not item_passed("rice " * 20, item(any_of=("rice",)))
    assert not item_passed("...", item())
    assert not item_passed("soup", item(any_of=("rice",)))


def test_repetition_tells_a_loop_from_a_text() -> None:
    """A loop repeats itself nearly wholly, a sentence not at all, and empty text not either."""
    assert repetition("밥 좋아 " * 10) > 0.8
    assert repetition(ENGLISH) == repetition("") == 0.0


def test_distinct_n_falls_with_sameness() -> None:
    """Two equal answers have half the distinct bigrams of two different ones, and none have none."""
    assert distinct_n(["a b", "a b"]) == 0.5
    assert distinct_n(["a b", "c d"]) == 1.0
    assert distinct_n(["a"]) == 0.0


@given(st.floats(0, 1e9))
@pytest.mark.slow
def test_loss_becomes_perplexity_and_bits(nats: float) -> None:
    """Perplexity is finite and at least one, bits are nats over ln 2, and zero bytes have none."""
    assert 1.0 <= perplexity(nats) < math.inf
    assert bits_per_byte(nats, 10) == pytest.approx(nats / math.log(2) / 10)
    assert bits_per_byte(nats, 0) is None


def test_length_drift_is_the_logarithm_of_the_ratio_of_means() -> None:
    """Twice as long and half as long are equally far from none, and silence has no ratio."""
    assert length_drift(["밥 " * 4, ""], ["밥 "] * 2) == pytest.approx(math.log(2))
    assert length_drift(["a"], ["aa"]) == pytest.approx(-math.log(2))
    assert length_drift(["a"], ["b"]) == 0.0
    assert length_drift(["a"], [""]) is None
    assert length_drift([], []) is None
