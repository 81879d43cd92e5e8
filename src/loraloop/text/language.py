"""Which language a text is in, by the script of its letters.

Not covered: telling languages of one script apart (Spanish is ``"en"`` here). The only decisions that rest on this are
which suite applies and whether an answer is in the bot's language, and both need Korean against English.
"""

from __future__ import annotations

import unicodedata
from typing import Literal

Language = Literal["ko", "en", "mixed", "other"]

KOREAN_FRAC = 0.3
"""Share of Hangul among Hangul and Latin letters from which a text is Korean: Korean chat is full of Latin names."""
MIXED_FRAC = 0.1
"""Share of Hangul under which a text is English."""


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
    counts = {"hangul": 0, "latin": 0, "other": 0}
    for char in text:
        if unicodedata.category(char)[0] == "L":
            counts[_script(char)] += 1
    known = counts["hangul"] + counts["latin"]
    if known == 0 or counts["other"] > known:
        return "other"
    hangul_frac = counts["hangul"] / known
    if hangul_frac >= KOREAN_FRAC:
        return "ko"
    return "en" if hangul_frac < MIXED_FRAC else "mixed"
