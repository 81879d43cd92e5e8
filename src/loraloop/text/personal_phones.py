"""Telephone numbers: Korean ones by their numbering plan, others as libphonenumber knows them.

Nationwide service numbers (1577-0199, 1388, 080-...) stay: they are nobody's, and an answer to a child in distress
needs them.

Source: 전기통신번호관리세칙 (Korean numbering plan): 010, 011, 016-019 mobile, 02 and 03x-06x areas, 070 internet
telephony, 050x personal; phonenumbers (a port of libphonenumber) for the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from .nearby import SEPARATOR as SEP
from .nearby import Span, digits_of, named_order

_D = "[0-9oO]"
_PREFIX = rf"(?:(?:\+|00{SEP})?[(]?8{SEP}2{SEP}(?:\(?0\)?{SEP})?|[0oO]{SEP})"
_MOBILE = re.compile(rf"(?<![0-9A-Za-z+]){_PREFIX}[1lI]{SEP}[016789oO](?:{SEP}{_D}){{7,8}}(?![0-9])")
_LANDLINE = re.compile(
    rf"(?<![0-9A-Za-z+])[(]?{_PREFIX}(?:2|[3-6]{SEP}[1-5]|7{SEP}0|5{SEP}0{SEP}[2-8])[)]?{SEP}"
    rf"[2-9](?:{SEP}[0-9]){{6,7}}(?![0-9])"
)
_GLUED = re.compile("[0-9]+")
_NANP = re.compile(
    r"(?<![0-9A-Za-z\-])(?:\+?1[ .\-]{0,3})?(?:\([2-9][0-9]{2}\)[ .\-]{0,2}|[2-9][0-9]{2}[ .\-]{1,3})[2-9][0-9]{2}"
    r"[ .\-]{1,3}[0-9]{4}(?:\s?(?:x|ext\.?|extension)\s?[0-9]{1,6})?(?![0-9A-Za-z\-])",
    re.IGNORECASE,
)
_PHONE_WORDS = re.compile(
    r"번호|전화|연락|폰|핸드폰|휴대|phone|call|cell|mobile|tel|text me|number|whatsapp|reach", re.IGNORECASE
)
_NATIONAL = re.compile(r"(?<![0-9A-Za-z])[2-9][0-9]{9}(?![0-9A-Za-z])")
_REGIONS = ("KR", "GB")
_COULD_BE_ONE = re.compile(r"[+0](?:[^0-9A-Za-z가-힣]{0,6}[0-9]){7}")
_MOST_TRIES = 1000  # a text of nothing but broken numbers would take seconds


def _korean(text: str) -> Iterator[Span]:
    for pattern in (_MOBILE, _LANDLINE):
        for match in pattern.finditer(text):
            if not (_GLUED.fullmatch(match.group()) and named_order(text, match.start())):
                yield match.start(), match.end(), "phone"


def _american(text: str) -> Iterator[Span]:
    for match in _NANP.finditer(text):
        if not named_order(text, match.start()):
            yield match.start(), match.end(), "phone"
    for match in _NATIONAL.finditer(text):
        window = text[max(0, match.start() - 24) : match.start()]
        if _PHONE_WORDS.search(window) and not named_order(text, match.start()):
            yield match.start(), match.end(), "phone"


def phones(text: str) -> Iterator[Span]:
    """Yield telephone numbers of people."""
    yield from _korean(text)
    yield from _american(text)
    if not _COULD_BE_ONE.search(text):
        return  # the matcher takes milliseconds, and prices have many digits, too
    import phonenumbers

    service = {
        phonenumbers.PhoneNumberType.UAN,
        phonenumbers.PhoneNumberType.TOLL_FREE,
        phonenumbers.PhoneNumberType.SHARED_COST,
        phonenumbers.PhoneNumberType.PREMIUM_RATE,
    }
    for region in _REGIONS:
        for found in phonenumbers.PhoneNumberMatcher(text, region, max_tries=_MOST_TRIES):
            written = found.raw_string.lstrip("( ")
            if written[:1] not in "+0" or phonenumbers.number_type(found.number) in service:
                continue
            if not (len(digits_of(written)) == len(written) and named_order(text, found.start)):
                yield found.start, found.end, "phone"
