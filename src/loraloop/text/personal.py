"""All detectors of personal data, in order of certainty; each family of them is a file of its own.

A detector yields ``(start, end, kind)`` over a text that is already read as ASCII digits (``reading``) and never looks
at another's findings; ``spans`` runs them all and keeps the first claim on a place. Quantifiers are bounded everywhere,
so time is linear in the text, and a detector is asked only where its first sign is seen.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Literal

from . import personal_money, personal_names, personal_numbers, personal_online, personal_phones, personal_places
from .nearby import Span, holds_any

Detector = Callable[[str], Iterator[Span]]


@dataclass(frozen=True, slots=True)
class Sign:
    """What must be seen in a text for a detector to be worth asking.

    Attributes:
        pattern: must be found. ``None``: nothing more than the words.
        words: small letters; one of them stands in every text with the sign, unless a digit does. Looked for first,
            for that costs a tenth. Empty: there is no such word, or a digit is needed.
        or_digit: whether a digit may stand in place of a word.
        letters: without one of these nothing is found; to Latin letters digits count, too.
    """

    pattern: re.Pattern[str] | None
    words: tuple[str, ...] = ()
    or_digit: bool = True
    letters: Literal["", "latin", "hangul"] = ""


_PLAIN = re.compile("[\x00-\x7f가-힣]*")
_DIGIT = re.compile("[0-9]")
_LATIN = re.compile("[A-Za-z]")
_NUMBER = Sign(re.compile(r"[0-9oOlI][^0-9]{0,3}[0-9]"))
_LONG_NUMBER = Sign(re.compile(r"[0-9oOlI](?:[^0-9]{0,6}[0-9oOlI]){6}"))
_SEPARATED = re.compile(r"[0-9oOlI](?:[^0-9A-Za-z가-힣]{0,6}[0-9oOlI]){6}")
"""In a telephone number nothing but signs and spaces stands between two digits."""
_MESSENGERS = (
    r"카카오톡|카톡|라인|텔레|인스타|디스코드|디코|스냅|위챗|페메|페북|트위터|틱톡|오픈채팅"
    r"|kakao|line|telegram|insta|discord|snap|wechat|tiktok|twitter|whatsapp|roblox|skype|ig\W|#"
)
_SECRETS = r"eyJ|PRIVATE KEY|_|sk-|AKIA|ASIA|AIza|xox|glpat-|pypi-|SG\.|bearer|basic|://"
_SECRETS_WITH_DIGITS = r"ya29|[0-9]:[A-Za-z]|비밀번호|비번|패스워드|암호|passw|pwd|api|secret|token|토큰|시크릿"
_SECRET_WORDS = tuple(_SECRETS.lower().replace("\\", "").split("|"))
_MESSENGER_WORDS = tuple(word.removesuffix("\\w") for word in _MESSENGERS.lower().split("|"))
DETECTORS: tuple[tuple[Sign, Detector], ...] = (
    (Sign(re.compile(f"{_SECRETS}|{_SECRETS_WITH_DIGITS}", re.IGNORECASE), _SECRET_WORDS), personal_online.secrets),
    (
        Sign(
            re.compile(r"@|골뱅이|앳|[(\[{]\s?at?\s?[)\]}]|\sat\s", re.IGNORECASE),
            ("@", "골뱅이", "앳", "at", "(", "[", "{"), or_digit=False,
        ),
        personal_online.emails,
    ),
    (_LONG_NUMBER, personal_numbers.resident_numbers),
    (_NUMBER, personal_numbers.documents),
    (Sign(re.compile(r"[A-Za-z]{2} ?[0-9]{2}[ -]?[0-9A-Za-z]")), personal_money.ibans),
    (_LONG_NUMBER, personal_money.cards),
    (Sign(_SEPARATED, ("o",)), personal_phones.phones),
    (Sign(re.compile(r"[0-9].{0,5}[.:]|dot|::", re.IGNORECASE), ("dot", "::")), personal_online.ip_addresses),
    (_NUMBER, personal_money.accounts),
    (
        Sign(re.compile(_MESSENGERS, re.IGNORECASE), _MESSENGER_WORDS, or_digit=False, letters="latin"),
        personal_online.messenger_names,
    ),
    (
        Sign(re.compile(r"초|중|고|유치원|어린이집|school|grade|primary|elementary", re.IGNORECASE)),
        personal_places.schools,
    ),
    (Sign(re.compile(r"[가-힣][^가-힣0-9]{0,6}[0-9]")), personal_places.korean_addresses),
    (Sign(re.compile(r"[0-9][A-Za-z]?,?\s[A-Za-z0-9]|box", re.IGNORECASE)), personal_places.english_addresses),
    (Sign(re.compile("[가-힣]{2}"), ("",), letters="hangul"), personal_names.korean_names),
    (Sign(re.compile("[a-z]{2}"), ("",), letters="latin"), personal_names.english_names),
)  # fmt: skip
"""The first sign that makes a detector worth asking, and the detector. Of two claims on a place the earlier holds."""

_EDGES = " .,-_~·/|*(\n\t"


def spans(text: str) -> list[Span]:
    """Return all findings in ``text`` as ``(start, end, kind)``, none overlapping another.

    Args:
        text: a text whose digits are ASCII and which holds no invisible characters.
    """
    claimed: list[Span] = []
    for detector in _worth_asking(text):
        for start, end, kind in detector(text):
            while end > start and text[end - 1] in _EDGES:
                end -= 1
            place = bisect_left(claimed, (start, end))
            free = not place or claimed[place - 1][1] <= start
            if start < end and free and (place == len(claimed) or end <= claimed[place][0]):
                claimed.insert(place, (start, end, kind))
    return claimed


def _worth_asking(text: str) -> Iterator[Detector]:
    """Yield the detectors whose sign is seen in a text, in their order."""
    small = ""
    if _PLAIN.fullmatch(text):
        small = text.lower()
        kinds = (_DIGIT.search(text) is not None, _LATIN.search(text) is not None, not text.isascii())
        signs = _signs_in_plain(*kinds)
    else:  # letters in other forms may stand for those of a word
        signs = _PATTERNS
    for words, pattern, detector in signs:
        if (not words or holds_any(small, words)) and (pattern is None or pattern.search(text)):
            yield detector


_Look = tuple[tuple[str, ...], re.Pattern[str] | None, Detector]
"""Words to look for first (empty: none has to be there), a pattern that must be found, and the detector."""
_PATTERNS: tuple[_Look, ...] = tuple(((), sign.pattern, detector) for sign, detector in DETECTORS)


@cache
def _signs_in_plain(has_digit: bool, has_latin: bool, has_hangul: bool) -> tuple[_Look, ...]:
    """What to look for in a text of ASCII and Hangul: no word in letters that it lacks, no number without a digit."""
    found: list[_Look] = []
    there = {"": True, "latin": has_latin or has_digit, "hangul": has_hangul}
    for sign, detector in DETECTORS:
        if not there[sign.letters]:
            continue
        if has_digit and sign.or_digit:
            found.append(((), sign.pattern, detector))
            continue
        words = tuple(
            word for word in sign.words if (has_latin or not _LATIN.search(word)) and (has_hangul or word.isascii())
        )
        if words:
            found.append((words, sign.pattern, detector))
    return tuple(found)
