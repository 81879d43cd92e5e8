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

from . import personal_money, personal_names, personal_numbers, personal_online, personal_phones, personal_places
from .nearby import Span

Detector = Callable[[str], Iterator[Span]]


@dataclass(frozen=True, slots=True)
class Sign:
    """What must be seen in a text for a detector to be worth asking.

    Attributes:
        pattern: must be found. ``None``: nothing more than the words.
        words: small letters; one of them stands in every text with the sign, unless a digit does. Looked for first,
            for that costs a tenth. Empty: there is no such word, or a digit is needed.
        or_digit: whether a digit may stand in place of a word.
    """

    pattern: re.Pattern[str] | None
    words: tuple[str, ...] = ()
    or_digit: bool = True

    def seen(self, text: str, small: str | None, has_digit: bool) -> bool:
        """Return whether it is there; ``small`` is the text in small letters, ``None`` where that says too little."""
        if not (has_digit and self.or_digit) and small is not None:
            for word in self.words:
                if word in small:
                    break
            else:
                return False
        return self.pattern is None or self.pattern.search(text) is not None


_PLAIN = re.compile("[\x00-\x7f가-힣]*")
_DIGIT = re.compile("[0-9]")
_NUMBER = Sign(re.compile(r"[0-9oOlI][^0-9]{0,3}[0-9]"))
_LONG = re.compile(r"(?:[0-9oOlI][^0-9]{0,6}){7}")
_LONG_NUMBER = Sign(_LONG)
_MESSENGERS = (
    r"카카오톡|카톡|라인|텔레|인스타|디스코드|디코|스냅|위챗|페메|페북|트위터|틱톡|오픈채팅"
    r"|kakao|line|telegram|insta|discord|snap|wechat|tiktok|twitter|whatsapp|roblox|skype|ig\W|#"
)
_SECRETS = (
    r"eyJ|PRIVATE KEY|_|sk-|AKIA|ASIA|AIza|xox|glpat-|pypi-|SG\.|ya29|[0-9]:[A-Za-z]|bearer|basic\s|://"
    r"|비밀번호|비번|패스워드|암호|passw|pwd|api|secret|token|토큰|시크릿"
)
_SECRET_WORDS = tuple(word.replace("\\", "").removesuffix("s") if word.startswith("basic") else word.replace("\\", "")
                      for word in _SECRETS.lower().split("|") if not word.startswith("[0-9]"))  # fmt: skip
_MESSENGER_WORDS = tuple(word.removesuffix("\\w") for word in _MESSENGERS.lower().split("|"))
DETECTORS: tuple[tuple[Sign, Detector], ...] = (
    (Sign(re.compile(_SECRETS, re.IGNORECASE), _SECRET_WORDS), personal_online.secrets),
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
    (Sign(_LONG, ("o",)), personal_phones.phones),
    (Sign(re.compile(r"[0-9].{0,5}[.:]|dot|::", re.IGNORECASE), ("dot", "::")), personal_online.ip_addresses),
    (_NUMBER, personal_money.accounts),
    (Sign(re.compile(_MESSENGERS, re.IGNORECASE), _MESSENGER_WORDS, or_digit=False), personal_online.messenger_names),
    (
        Sign(re.compile(r"초|중|고|유치원|어린이집|school|grade|primary|elementary", re.IGNORECASE)),
        personal_places.schools,
    ),
    (Sign(re.compile(r"[가-힣][^가-힣0-9]{0,6}[0-9]")), personal_places.korean_addresses),
    (
        Sign(re.compile(r"[0-9][A-Za-z]?,?\s[A-Za-z0-9]|box", re.IGNORECASE), ("box",)),
        personal_places.english_addresses,
    ),
    (Sign(re.compile("[가-힣]{2}"), ("",)), personal_names.korean_names),
    (Sign(re.compile("[a-z]{2}"), ("",)), personal_names.english_names),
)  # fmt: skip
"""The first sign that makes a detector worth asking, and the detector. Of two claims on a place the earlier holds."""

_EDGES = " .,-_~·/|*(\n\t"


def spans(text: str) -> list[Span]:
    """Return all findings in ``text`` as ``(start, end, kind)``, none overlapping another.

    Args:
        text: a text whose digits are ASCII and which holds no invisible characters.
    """
    claimed: list[Span] = []
    small = text.lower() if _PLAIN.fullmatch(text) else None
    has_digit = _DIGIT.search(text) is not None
    for sign, detector in DETECTORS:
        if not sign.seen(text, small, has_digit):
            continue
        for start, end, kind in detector(text):
            while end > start and text[end - 1] in _EDGES:
                end -= 1
            place = bisect_left(claimed, (start, end))
            free = not place or claimed[place - 1][1] <= start
            if start < end and free and (place == len(claimed) or end <= claimed[place][0]):
                claimed.insert(place, (start, end, kind))
    return claimed
