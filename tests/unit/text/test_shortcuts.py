"""Every shortcut gives what the long way gives: quick looks before a pattern, tables in place of normal forms."""

import re
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loraloop.data import quality
from loraloop.text import faults, language, normalise, personal, personal_names, reading
from loraloop.text.compacting import compact_all, compact_codes
from loraloop.text.dedupe import compact, shingles
from loraloop.text.edits import EditIndex, edit_limit, within_edits
from loraloop.text.redact import plain_view, spelt_views
from loraloop.text.sketches import sketches, sketches_of

PIECES = [
    "010-1234-5678",
    "o1o",
    "oooooooo",
    "lo",
    "lO1",
    "공일공",
    "일이삼사오육칠",
    "five five five",
    "Oh zero one two three four",
    "zero one oh one two three four 5 six seven eight",
    "내 이름은 ",
    "김민준",
    "박지우입니다",
    "저는 ",
    "이라고 합니다",
    "씨",
    "선생님",
    "친구 ",
    "담임: ",
    "my name is ",
    "Tom Hill",
    "tom",
    "I'm ",
    "This is ",
    "Mr. ",
    "Dear ",
    "N: ",
    "a@b.co",
    " at ",
    "(at)",
    "골뱅이",
    "dot",
    "::1",
    "1.2.3.4",
    "카톡 ",
    "ig: ",
    "line id ",
    "kakao",
    "password is x1yz",
    "비번 ",
    "sk-",
    "basic ",
    "://",
    "token",
    "PO Box 12",
    "12 Oak Street",
    "서울시 강남구 테헤란로 12",
    "한빛초 3학년 2반",
    "GB82 WEST 1234 5698 7654 32",
    "4111 1111 1111 1111",
    "ı",
    "ſ",
    "K",
    "İ",
    "é",
    "\u200b",
    "１２",
    " ",
    "\n",
    "  ",
    ".",
    ",",
    "?",
    "!",
    "??",
    "`",
    "```",
    "[PHONE]",
    "[",
    "{",
    "{name}",
    "<unk>",
    "User:",
    "lorem ipsum",
    "○○님",
    "OO씨",
    "http://x.kr",
    "www.a.com",
    "naver.com",
    "3.5 점",
    "e.g",
    "DM me on ",
    "@abcd",
    "오픈채팅",
    "왜냐하면",
    " 예를 들어",
    " 그리고.",
    "(",
    "『",
    " of the many things that there are to be said",
    "because",
    "네 네 네 네 네",
    "좋아. 좋아. 좋아요.",
    "좋아요",
    "\\uac00\\uac01",
    "&#44032;",
    "占쏙옙",
    "\ufffd",
    "??? ??",
    ":)",
    "ㅋㅋㅋ",
    "먹었어?",
    "hello",
    "“”",
    "…",
    "一",
    "ü",
]
TEXT = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=2)), max_size=9).map("".join)
NEVER = re.compile("(?!)")


NUMBER = st.text("0123456789oOlI+()[]-. ·~/|,_*:ax점가\n", max_size=40)
"""What numbers are made of, and what stands between their digits."""


@pytest.mark.slow
@settings(max_examples=600)
@given(text=st.one_of(TEXT, NUMBER))
def test_personal_data_is_found_as_if_every_pattern_were_asked(text: str) -> None:
    """Words and digits that are looked for first never hide anything from a detector, nor does the sign of phones."""

    def long_way(text: str) -> list[personal.Detector]:
        asked = personal.personal_phones.phones
        return [one for sign, one in personal.DETECTORS if one is asked or sign.pattern.search(text)]

    view = plain_view(text)
    quick = [(one.text, personal.spans(one.text)) for one in (view, *spelt_views(view))]
    with (
        patch.object(personal, "_worth_asking", long_way),
        patch.object(personal_names, "_KOREAN", tuple(((), pattern) for _, pattern in personal_names._KOREAN)),
        patch.object(personal_names, "_ENGLISH", tuple((("",), pattern) for _, pattern in personal_names._ENGLISH)),
        patch.object(reading, "_may_spell", lambda text: True),
    ):
        assert quick == [(one.text, personal.spans(one.text)) for one in (view, *spelt_views(view))]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("olo ooooooooo", "phone"),
        ("02 - 345 - 6789", "phone"),
        ("+82 (0)10 · 1234 · 5678", "phone"),
        ("a@b.co", "email"),
        ("비번 abc1", "secret"),
        ("카톡 아이디 tomhill", "messenger"),
        ("카톡에서 12345 검색", "messenger"),
        ("Bearer abcdefghijklmnopqrst", "secret"),
        ("담임 김민준", "name"),
        ("저는 박지우입니다", "name"),
        ("PO Box 12", "address"),
    ],
)
def test_a_detector_is_asked_where_one_script_or_no_digit_stands(text: str, kind: str) -> None:
    """What holds only Hangul, only Latin letters, or letters in place of digits is still looked at."""
    assert [found[2] for found in personal.spans(text)] == [kind]


@pytest.mark.slow
@settings(max_examples=400)
@given(text=TEXT)
def test_faults_are_found_as_if_every_pattern_were_asked(text: str) -> None:
    """Signs that are looked for first never hide a lost encoding, a template, a link or an end that was cut off."""
    assert faults.encoding_damage(text) == bool(faults._MOJIBAKE.search(text) or faults._QUESTION_MARKS.search(text))
    with (
        patch.object(faults, "_CUT_KOREAN_WORDS", ""),
        patch.object(faults, "_OPENER", re.compile("")),
        patch.object(faults, "_MAY_SMILE", re.compile("")),
    ):
        long_way = faults.cut_short(text)
    assert faults.cut_short(text) == long_way
    without_code = faults._CODE.sub(" ", text)
    assert faults.unfilled_template(text) == bool(faults._TEMPLATE.search(faults.TAG.sub("", without_code)))
    if not faults.TAG.search(text):
        leads = faults._LINK.search(without_code) or faults._CONTACT.search(without_code)
        assert faults.contact_details(text) == bool(leads)


@pytest.mark.slow
@settings(max_examples=400)
@given(
    text=st.one_of(TEXT, st.text("가나", max_size=40), st.text("abcd", max_size=40)),
    most_frac=st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.9, 1.0]),
)
def test_repetition_is_seen_as_if_every_shingle_were_counted(text: str, most_frac: float) -> None:
    """The first shingles of a text never clear one that repeats itself."""
    total = max(1, len(text) - 4)
    assert quality.repeated_frac(text) == 1.0 - len(shingles(text)) / total
    assert quality.repeats_itself(text, most_frac) == (quality.repeated_frac(text) > most_frac)


@pytest.mark.slow
@settings(max_examples=300)
@given(text=TEXT)
def test_normal_forms_and_languages_are_those_of_the_long_way(text: str) -> None:
    """A text of plain letters is cleaned, compared and told as any other text is."""
    quick = (normalise.clean(text), normalise.match_key(text), language.language(text))
    with (
        patch.object(normalise, "_PLAIN", NEVER),
        patch.object(normalise, "_CLEAN", NEVER),
        patch.object(language, "_PLAIN", NEVER),
    ):
        assert quick == (normalise.clean(text), normalise.match_key(text), language.language(text))


@pytest.mark.slow
@settings(max_examples=200)
@given(texts=st.lists(TEXT, max_size=8))
def test_many_texts_are_compacted_and_sketched_as_each_alone(texts: list[str]) -> None:
    """A table says what becomes of plain letters; texts with any other are told and left to the long way."""
    codes, lengths, odd = compact_codes(texts)
    forms = [compact(text) for text, is_odd in zip(texts, odd, strict=True) if not is_odd]
    assert [len(form) for form in forms] == lengths.tolist()
    assert "".join(forms) == "".join(map(chr, codes))
    assert list(compact_all(texts)) == [compact(text) for text in texts]
    assert np.array_equal(sketches_of(texts), sketches([compact(text) for text in texts]))


def test_plain_and_odd_texts_are_compacted_in_their_order() -> None:
    """Each gets its own form, whatever stands before it, over more texts than are compacted at once."""
    texts = ["오늘 뭐 먹지?", "...", "Ａ café", "", "What is it, then?"] * 1000
    assert list(compact_all(texts)) == [compact(text) for text in texts]


def test_plain_texts_are_none_of_the_odd_ones() -> None:
    """The shortcut is taken for what children write most, or it would be none."""
    _, _, odd = compact_codes(["오늘 뭐 먹지?", "What is it, then?", "ㅋㅋ", "...", "café"])
    assert odd.tolist() == [False, False, True, True, True]


LETTERS = st.text("가나다ab", max_size=45)


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(texts=st.lists(LETTERS, max_size=12), query=LETTERS, similarity=st.sampled_from([0.84, 0.9, 0.95, 1.0]))
def test_the_index_of_edits_misses_no_text(texts: list[str], query: str, similarity: float) -> None:
    """Whatever a scan of all texts finds within the limit is among the candidates."""
    index = EditIndex(similarity)
    for key, text in enumerate(texts):
        if text:
            index.add(key, text)
    found = index.candidates(query)
    for key, text in enumerate(texts):
        if text and query and within_edits(text, query, edit_limit(max(len(text), len(query)), similarity)):
            assert key in found, (text, query)


@pytest.mark.parametrize("edits", range(1, 7))
def test_the_index_of_edits_finds_a_text_with_edits_anywhere(edits: int) -> None:
    """Edits spread, heaped up at one end, letters added and taken out: all within the limit are found."""
    import random

    drawn = random.Random(edits)
    for _ in range(300):
        text = "".join(drawn.choices("가나다라마바사아자차", k=drawn.randint(edits * 6, 45)))
        other = list(text)
        for _ in range(edits):
            place = drawn.choice([0, len(other) - 1, drawn.randrange(len(other))])
            kind = drawn.randrange(3)
            other[place : place + (kind != 0)] = [] if kind == 2 else [drawn.choice("abc")]
        query = "".join(other)
        if within_edits(text, query, edit_limit(max(len(text), len(query)), 0.84)):
            index = EditIndex(0.84)
            index.add(1, text)
            assert index.candidates(query) == {1}, (text, query)
