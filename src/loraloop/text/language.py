"""Which language a text is in, by the script of its letters.

Not covered: telling languages of one script apart (Spanish is ``"en"`` here). The only decisions that rest on this are
which suite applies and whether an answer is in the bot's language, and both need Korean against English.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

Language = Literal["ko", "en", "mixed", "other"]

KOREAN_FRAC = 0.3
"""Share of Hangul among Hangul and Latin letters from which a text is Korean: Korean chat is full of Latin names."""
MIXED_FRAC = 0.1
"""Share of Hangul under which a text is English."""

_PLAIN = re.compile("[\x00-\x7f가-힣]*")
"""A text in which every character outside of ASCII is a whole Hangul syllable: most are, and they are counted fast."""
_NO_LETTERS = bytes(code for code in range(128) if not chr(code).isalpha())


def _script(char: str) -> str:
    code = ord(char)
    if 0xAC00 <= code <= 0xD7A3 or 0x1100 <= code <= 0x11FF or 0x3130 <= code <= 0x318F or 0xA960 <= code <= 0xA97F:
        return "hangul"
    if code < 0x250 or 0x1E00 <= code <= 0x1EFF or 0xFF21 <= code <= 0xFF5A:
        return "latin"
    return "other"


def language(text: str) -> Language:
    """Return ``"ko"``, ``"en"``, ``"mixed"`` or ``"other"`` (no letters, or mostly another script).

    Example:
        >>> language("ㅋㅋㅋ"), language("what is AI?"), language("AI가 뭐지?"), language("元気?")
        ('ko', 'en', 'ko', 'other')
    """
    if _PLAIN.fullmatch(text):
        latin = len(text.encode("ascii", "ignore").translate(None, _NO_LETTERS))
        return _of(len(text) - len(text.encode("ascii", "ignore")), latin, 0)
    counts = {"hangul": 0, "latin": 0, "other": 0}
    for char in text:
        if unicodedata.category(char)[0] == "L":
            counts[_script(char)] += 1
    return _of(counts["hangul"], counts["latin"], counts["other"])


def _of(hangul: int, latin: int, other: int) -> Language:
    """The language of so many letters."""
    known = hangul + latin
    if known == 0 or other > known:
        return "other"
    hangul_frac = hangul / known
    if hangul_frac >= KOREAN_FRAC:
        return "ko"
    return "en" if hangul_frac < MIXED_FRAC else "mixed"
