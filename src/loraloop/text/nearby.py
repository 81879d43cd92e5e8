r"""What stands around a place in a text: the borders of a value, and the words that say what it is.

Borders are ASCII look-arounds, never ``\b``: between "1111" and "로" there is no word border, and that is how Korean
writes every one of these.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

Span = tuple[int, int, str]
"""``(start, end, kind)``."""

BEFORE = r"(?<![0-9A-Za-z])"
AFTER = r"(?![0-9A-Za-z])"
SEPARATOR = r"[\s.\-_~·,/|*()]{0,3}"
_BEFORE_CHARS = 24
_AFTER_CHARS = 16

_ACCOUNT_WORDS = re.compile(
    r"계좌|입금|송금|이체|통장|농협|수협|신협|은행|카카오뱅크|카뱅|토스뱅크|케이뱅크|새마을금고|우체국|뱅크"
    r"|account|acct|bank|iban|routing",
    re.IGNORECASE,
)
_ORDER_WORDS = re.compile(
    r"주문|송장|운송장|배송|예약|접수|문의번호|영수증|거래번호|상품|바코드|버전|모델명|사업자"
    r"|order|invoice|tracking|receipt|barcode|isbn|version|ver\.?\s?$",
    re.IGNORECASE,
)


def holds_any(text: str, words: Iterable[str]) -> bool:
    """Return whether one of some words stands in a text.

    Example:
        >>> holds_any("내 번호는", ("이름", "번호"))
        True
    """
    for word in words:  # noqa: SIM110  any() takes twice as long over a few words
        if word in text:
            return True
    return False


def last(pattern: re.Pattern[str], text: str) -> int:
    """Return where the last occurrence ends, or -1."""
    return max((match.end() for match in pattern.finditer(text)), default=-1)


def near(pattern: re.Pattern[str], text: str, start: int, end: int) -> bool:
    """Return whether a word of ``pattern`` stands shortly before or after ``text[start:end]``."""
    before, after = text[max(0, start - _BEFORE_CHARS) : start], text[end : end + _AFTER_CHARS]
    return bool(pattern.search(before) or pattern.search(after))


def near_account(text: str, start: int, end: int) -> bool:
    """Return whether a bank or an account is spoken of around a place."""
    return near(_ACCOUNT_WORDS, text, start, end)


def named_order(text: str, start: int) -> bool:
    """Return whether the nearest label before ``start`` says order, parcel or version rather than bank."""
    window = text[max(0, start - 16) : start]
    return last(_ORDER_WORDS, window) > last(_ACCOUNT_WORDS, window)


def digits_of(text: str) -> str:
    """Return the digits of a text, look-alike letters read as the digits they stand for.

    Example:
        >>> digits_of("o1o-1234")
        '0101234'
    """
    return "".join(_LOOK_ALIKE.get(char, char if char.isdecimal() else "") for char in text)


_LOOK_ALIKE = {"o": "0", "O": "0", "l": "1", "I": "1"}
