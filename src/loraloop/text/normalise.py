"""Normal forms of text: one to store, one to compare.

``clean`` is what is stored: same reading, no invisible characters. ``match_key`` is what is compared: two texts that a
person would call the same sentence have the same key. Split keys rest on ``match_key``, so its results are pinned by
tests and must never change.
"""

from __future__ import annotations

import re
import unicodedata

_ODD_SPACES = re.compile(r"[^\S\n\t ]")
_BLANK_LINES = re.compile(r"\n{3,}")
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\U000e0000-\U000e0fff]"
)
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_DECIMAL = re.compile(r"\d")
_CLEAN = re.compile("(?:[!-~가-힣]+(?: +[!-~가-힣]+)*)?")
"""A line of plain letters, signs and single spaces: nothing is to be cleaned."""
_PLAIN = re.compile("[\x00-\x7f가-힣]*")
_PLAIN_WORDS = re.compile("[0-9a-z가-힣]+")
_DASHES = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\u2043", "-"))


class _Words(dict[int, int]):
    """Letters, marks and numbers as they are, anything else a space; filled as characters are met."""

    def __missing__(self, code: int) -> int:
        self[code] = code if unicodedata.category(chr(code))[0] in "LNM" else ord(" ")
        return self[code]


_WORDS = _Words()


def strip_invisible(text: str) -> str:
    r"""Return ``text`` without zero-width, bidirectional, variation-selector and filler characters.

    They hide personal data and duplicates from every later rule. Emoji sequences fall apart into their parts, which
    loses a skin tone or a joined family and no meaning a chatbot learns from.

    Example:
        >>> strip_invisible("01\u200b0")
        '010'
    """
    return _INVISIBLE.sub("", text)


def clean(text: str) -> str:
    r"""Return ``text`` as it is stored: NFC, no invisible or control characters, ``\n`` line ends, no blank borders.

    Indentation stays: answers hold code.

    Example:
        >>> clean("  밥\u200b 먹었어? \r\n  응 ")
        '밥 먹었어?\n  응'
    """
    if _CLEAN.fullmatch(text):
        return text
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = _CONTROL.sub("", strip_invisible(unicodedata.normalize("NFC", text)))
    text = "\n".join(line.rstrip() for line in _ODD_SPACES.sub(" ", text).split("\n"))
    # Taking characters out can bring a base and its accent together, so compose once more.
    return unicodedata.normalize("NFC", _BLANK_LINES.sub("\n\n", text).strip())


def printable(text: str) -> str:
    r"""Return ``text`` with every control character and half surrogate shown as U+FFFD, for no database keeps all.

    A model may answer with any bytes; unlike ``clean`` nothing disappears, so the answer is judged as it was.

    Example:
        >>> printable("a\x00b") == "a\ufffdb"
        True
    """
    return _SURROGATE.sub("\ufffd", _CONTROL.sub("\ufffd", text))


def ascii_digits(text: str) -> str:
    r"""Return ``text`` in NFKC with every decimal digit of any script, and every dash, in ASCII.

    Example:
        >>> ascii_digits("\uff10\uff11\uff10\uff0d\u0663")
        '010-3'
    """
    folded = unicodedata.normalize("NFKC", text).translate(_DASHES)
    return folded if folded.isascii() else _DECIMAL.sub(lambda digit: str(unicodedata.decimal(digit[0])), folded)


def match_key(text: str) -> str:
    """Return the form in which two texts count as the same: NFKC, case-folded, letters, digits and single spaces.

    Punctuation and symbols go, unless nothing else would be left (so that ``"?"`` and ``"!"`` stay apart).

    Example:
        >>> match_key("  AI가 뭐지?? ") == match_key("ai가 뭐지")
        True
    """
    if _PLAIN.fullmatch(text):  # nothing there that any normal form changes
        small = text.lower()
        return " ".join(_PLAIN_WORDS.findall(small)) or " ".join(small.split())
    folded = unicodedata.normalize("NFKC", strip_invisible(ascii_digits(text)).casefold())
    return " ".join(folded.translate(_WORDS).split()) or " ".join(folded.split())
