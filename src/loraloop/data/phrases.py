"""Phrases of apologies and errors, Korean and English, case-folded.

Lists, not classifiers: they are read by people, changed by people, and each drop can be explained by one line.
"""

from __future__ import annotations

ERROR_PHRASES: tuple[str, ...] = (
    "죄송합니다",
    "죄송해요",
    "오류가 발생",
    "에러가 발생",
    "문제가 발생",
    "다시 시도해",
    "잠시 후 다시",
    "이해하지 못했",
    "이해할 수 없",
    "처리할 수 없",
    "답변할 수 없",
    "답변을 생성할 수 없",
    "서비스 이용이 불가",
    "i'm sorry",
    "i am sorry",
    "i apologize",
    "i apologise",
    "an error occurred",
    "error occurred",
    "something went wrong",
    "please try again",
    "try again later",
    "i didn't understand",
    "i did not understand",
    "i cannot answer",
    "as an ai language model",
    "internal server error",
    "traceback (most recent call last)",
)
"""An apology or an error in place of an answer: learnt, it becomes the easiest answer to everything."""
