"""All detectors of personal data, in order of certainty; each family of them is a file of its own.

A detector yields ``(start, end, kind)`` over a text that is already read as ASCII digits (``reading``) and never looks
at another's findings; ``spans`` runs them all and keeps the first claim on a place. Quantifiers are bounded everywhere,
so time is linear in the text, and a detector is asked only where its first sign is seen.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator

from . import personal_money, personal_names, personal_numbers, personal_online, personal_phones, personal_places
from .nearby import Span

Detector = Callable[[str], Iterator[Span]]

_NUMBER = re.compile(r"[0-9oOlI][^0-9]{0,3}[0-9]")
_LONG_NUMBER = re.compile(r"(?:[0-9oOlI][^0-9]{0,6}){7}")
_MESSENGERS = (
    r"카카오톡|카톡|라인|텔레|인스타|디스코드|디코|스냅|위챗|페메|페북|트위터|틱톡|오픈채팅"
    r"|kakao|line|telegram|insta|discord|snap|wechat|tiktok|twitter|whatsapp|roblox|skype|ig\W|#"
)
_SECRETS = (
    r"eyJ|PRIVATE KEY|_|sk-|AKIA|ASIA|AIza|xox|glpat-|pypi-|SG\.|ya29|[0-9]:[A-Za-z]|bearer|basic\s|://"
    r"|비밀번호|비번|패스워드|암호|passw|pwd|api|secret|token|토큰|시크릿"
)
DETECTORS: tuple[tuple[re.Pattern[str], Detector], ...] = (
    (re.compile(_SECRETS, re.IGNORECASE), personal_online.secrets),
    (re.compile(r"@|골뱅이|앳|[(\[{]\s?at?\s?[)\]}]|\sat\s", re.IGNORECASE), personal_online.emails),
    (_LONG_NUMBER, personal_numbers.resident_numbers),
    (_NUMBER, personal_numbers.documents),
    (re.compile(r"[A-Za-z]{2} ?[0-9]{2}[ -]?[0-9A-Za-z]"), personal_money.ibans),
    (_LONG_NUMBER, personal_money.cards),
    (_LONG_NUMBER, personal_phones.phones),
    (re.compile(r"[0-9].{0,5}[.:]|dot|::", re.IGNORECASE), personal_online.ip_addresses),
    (_NUMBER, personal_money.accounts),
    (re.compile(_MESSENGERS, re.IGNORECASE), personal_online.messenger_names),
    (re.compile(r"초|중|고|유치원|어린이집|school|grade|primary|elementary", re.IGNORECASE), personal_places.schools),
    (re.compile(r"[가-힣][^가-힣0-9]{0,6}[0-9]"), personal_places.korean_addresses),
    (re.compile(r"[0-9][A-Za-z]?,?\s[A-Za-z0-9]|box", re.IGNORECASE), personal_places.english_addresses),
    (re.compile("[가-힣]{2}"), personal_names.korean_names),
    (re.compile("[a-z]{2}"), personal_names.english_names),
)  # fmt: skip
"""The first sign that makes a detector worth asking, and the detector. Of two claims on a place the earlier holds."""

_EDGES = " .,-_~·/|*(\n\t"


def spans(text: str) -> list[Span]:
    """Return all findings in ``text`` as ``(start, end, kind)``, none overlapping another.

    Args:
        text: a text whose digits are ASCII and which holds no invisible characters.
    """
    claimed: list[Span] = []
    for sign, detector in DETECTORS:
        if not sign.search(text):
            continue
        for start, end, kind in detector(text):
            while end > start and text[end - 1] in _EDGES:
                end -= 1
            place = bisect_left(claimed, (start, end))
            free = not place or claimed[place - 1][1] <= start
            if start < end and free and (place == len(claimed) or end <= claimed[place][0]):
                claimed.insert(place, (start, end, kind))
    return claimed
