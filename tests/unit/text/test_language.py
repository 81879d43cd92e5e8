"""Language by script."""

import pytest

from loraloop.text.language import language


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("안녕하세요", "ko"),
        ("ㅋㅋㅋ", "ko"),
        ("ㅠㅠ 배고파 pizza", "ko"),
        ("AI가 뭐지?", "ko"),
        ("What is artificial intelligence?", "en"),
        ("ＨＥＬＬＯ", "en"),
        ("I like 떡볶이 very much today", "mixed"),
        ("the word 밥 means cooked rice and a meal in general", "en"),
        ("こんにちは", "other"),
        ("12,000", "other"),
        ("", "other"),
        ("😀", "other"),
    ],
)
def test_language_of_chat(text, expected):
    """Korean chat with Latin names is Korean; a Korean word in an English sentence does not make it Korean."""
    assert language(text) == expected
