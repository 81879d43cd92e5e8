r"""Takes personal data out of text before it is stored.

Covered, by shape (and date, checksum or a word nearby where the shape alone would hit prices, dates and order numbers):
e-mail, resident and foreigner numbers, phones, cards, bank accounts, passports, driver licences, IP addresses, API
keys, tokens and passwords, also written with full-width digits, zero-width characters, spaces, dots or Hangul numerals.
Not covered: names, addresses, schools, nicknames. Nationwide service numbers (1577-0199, 1388, 080-...) stay: they are
nobody's, and an answer to a child in distress needs them.

Borders are ASCII look-arounds, never ``\b``: between "1111" and "로" there is no word border, and that is how Korean
writes every one of these.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .normalise import strip_invisible
from .personal import spans

TAG = re.compile(r"\[(?:EMAIL|RRN|PHONE|CARD|ACCOUNT|PASSPORT|LICENCE|IP|SECRET)\]")
"""What stands in a redacted text where personal data stood."""
_PLAIN = re.compile("[\x00-\x7f가-힣]*")
"""A text that is read as it is written."""


@dataclass(frozen=True, slots=True)
class Redaction:
    """A text without personal data.

    Attributes:
        text: NFC, each finding replaced by its tag (``"[PHONE]"``).
        found: the kind of each finding in the order of the text, lower case (``"phone"``); empty if there was none.
    """

    text: str
    found: tuple[str, ...]


def _reading(text: str) -> tuple[str, Sequence[int]]:
    """The text as a reader sees it (ASCII digits, no invisible characters) and where each character came from."""
    if _PLAIN.fullmatch(text):
        return text, range(len(text))
    view: list[str] = []
    origin: list[int] = []
    for place, char in enumerate(text):
        if ord(char) < 128 or 0xAC00 <= ord(char) <= 0xD7A3:
            seen = char
        elif unicodedata.category(char) == "Pd" or char == "\u2212":
            seen = "-"
        else:
            seen = strip_invisible(unicodedata.normalize("NFKC", char))
            seen = "".join(str(unicodedata.decimal(one, one)) for one in seen)
        view.append(seen)
        origin.extend([place] * len(seen))
    return "".join(view), origin


def _once(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield findings as ``(start, end, kind)`` in ``text``, not overlapping, in order."""
    view, origin = _reading(text)
    taken = 0
    for start, end, kind in sorted(spans(view)):
        begin, stop = origin[start], origin[end - 1] + 1
        if begin >= taken:
            yield begin, stop, kind
            taken = stop


def findings(text: str) -> list[tuple[int, int, str]]:
    """Return where personal data stands in ``text``: ``(start, end, kind)``, in order, none overlapping another.

    Example:
        >>> findings("내 번호는 010-1234-5678이야")
        [(6, 19, 'phone')]
    """
    return list(_once(text))


def redact(text: str) -> Redaction:
    """Return ``text`` with personal data replaced by tags.

    Runs until nothing more is found, so redacting twice changes nothing.

    Args:
        text: any string.

    Returns:
        The redacted text and what was found.

    Example:
        >>> redact("내 번호는 010-1234-5678이야").text
        '내 번호는 [PHONE]이야'
        >>> redact("12,000원, 2026-11-24").found
        ()
    """
    text = unicodedata.normalize("NFC", text)
    found: list[str] = []
    while findings := list(_once(text)):
        pieces: list[str] = []
        last = 0
        for start, end, kind in findings:
            pieces += [text[last:start], f"[{kind.upper()}]"]
            last = end
            found.append(kind)
        text = "".join([*pieces, text[last:]])
    return Redaction(text=text, found=tuple(found))
