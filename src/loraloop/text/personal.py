"""The detectors of personal data: each yields ``(start, end, kind)`` over a text that is already read as ASCII digits.

A detector never looks at another's findings; ``spans`` runs them all in order of certainty and keeps the first claim on
a place. Quantifiers are bounded everywhere, so time is linear in the text.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from datetime import date

Span = tuple[int, int, str]

_BEFORE = r"(?<![0-9A-Za-z])"
_AFTER = r"(?![0-9A-Za-z])"
_SEP = r"[\s.\-_~·,/|*()]{0,3}"
_NUMERALS = (
    {
        char: str(digit)
        for digit, chars in enumerate(("공영", "일", "이", "삼", "사", "오", "육륙", "칠", "팔", "구"))
        for char in chars
    }
    | {char: "0" for char in "oO"}
    | {char: "1" for char in "lI"}
)
_NUMERAL = "[0-9공영일이삼사오육륙칠팔구]"

_EMAIL = re.compile(
    r"(?<![A-Za-z0-9._%+\-])[A-Za-z0-9_%+\-](?:[A-Za-z0-9._%+\-]{0,63})"
    r"\s?(?:@|\(at\)|\[at\]|\(a\)|골뱅이|앳)\s?"
    r"[A-Za-z0-9](?:[A-Za-z0-9\-]{0,62})(?:\s?(?:\.|,|점|닷|\(dot\)|\[dot\])\s?[A-Za-z0-9\-]{2,24}){0,3}"
    r"\s?(?:\.|점|닷|\(dot\)|\[dot\])\s?[A-Za-z]{2,24}",
    re.IGNORECASE,
)
_SECRETS = re.compile(
    _BEFORE + r"(?:eyJ[A-Za-z0-9_\-]{8,4096}\.[A-Za-z0-9_\-]{8,4096}(?:\.[A-Za-z0-9_\-]{0,4096})?"
    r"|sk-[A-Za-z0-9_\-]{16,256}|[sr]k_(?:live|test)_[A-Za-z0-9]{10,128}"
    r"|gh[oprsu]_[A-Za-z0-9]{20,255}|github_pat_[A-Za-z0-9_]{20,255}|glpat-[A-Za-z0-9_\-]{16,64}"
    r"|(?:AKIA|ASIA)[0-9A-Z]{16}|AIza[0-9A-Za-z_\-]{30,64}|xox[abeoprs]-[A-Za-z0-9\-]{10,255}"
    r"|hf_[A-Za-z0-9]{20,128}|pypi-[A-Za-z0-9_\-]{20,255})"
)
_BEARER = re.compile(r"(?<![A-Za-z])(?:Bearer|Basic)\s{1,3}([A-Za-z0-9._~+/\-]{16,4096}={0,2})", re.IGNORECASE)
_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----[\s\S]{0,8000}?(?:-----END [A-Z ]{0,20}PRIVATE KEY-----|\Z)"
)
_PASSWORD = re.compile(
    r"(?:비밀번호|비번|패스워드|암호|password|passwd|pwd|api[ _\-]?key|api\s?키|secret|token|토큰|시크릿)"
    r"(?:\s?(?:[:=]|은|는|이|is)\s{0,2}|\s)[\"']?(?=[!-~]{0,64}[0-9])([!-Z\\^-~]{4,128})",
    re.IGNORECASE,
)
_RRN = re.compile(_BEFORE + r"([0-9]{2})([0-9]{2})([0-9]{2})([\s.\-_~·/]{0,3})([0-9])([0-9]{6}|[*xX●○•]{6})" + _AFTER)
_HANGUL_RRN = re.compile(rf"(?<![0-9])({_NUMERAL}{_SEP}){{6}}{_SEP}({_NUMERAL}{_SEP}){{6}}{_NUMERAL}(?![0-9])")
_MOBILE = re.compile(
    rf"(?<![0-9A-Za-z+])(?:\+?8{_SEP}2{_SEP}(?:0{_SEP})?|[0oO]{_SEP})[1lI]{_SEP}[016789oO](?:{_SEP}[0-9oO]){{7,8}}(?![0-9])"
)
_HANGUL_PHONE = re.compile(
    rf"(?<![0-9])[0공영oO]{_SEP}"
    rf"(?:[1일]{_SEP}[016789공영일육륙칠팔구]{_SEP}(?:{_NUMERAL}{_SEP}){{7}}{_NUMERAL}?"
    rf"|(?:[2이]|[3-6삼사오육륙]{_SEP}[1-5일이삼사오]){_SEP}(?:{_NUMERAL}{_SEP}){{6}}{_NUMERAL}{{1,2}})(?![0-9])"
)
_COULD_BE_PHONE = re.compile(r"[+0](?:[^0-9A-Za-z가-힣]{0,6}[0-9]){7}")
_CARD = re.compile(_BEFORE + r"[2-6389](?:[ .\-_]{0,2}[0-9]){13,18}" + _AFTER)
_LONG_NUMBER = re.compile(_BEFORE + r"[0-9]{2,14}(?:[ .\-_][0-9]{1,8}){0,4}" + _AFTER)
_STARTS_AS_DATE = re.compile(r"(?:19|20)[0-9]{2}[ .\-_/](?:0?[1-9]|1[0-2])[ .\-_/](?:0?[1-9]|[12][0-9]|3[01])(?![0-9])")
_PASSPORT = re.compile(_BEFORE + r"[A-Z](?:[0-9]{8}|[0-9]{3}[A-Z][0-9]{4})" + _AFTER, re.IGNORECASE)
_LICENCE = re.compile(
    _BEFORE + r"(?:(?:1[1-9]|2[0-8])[\s\-]?|(?:서울|부산|경기|강원|충북|충남|전북|전남"
    r"|경북|경남|제주|대구|인천|광주|대전|울산)\s?)"
    r"[0-9]{2}[\s\-]?[0-9]{6}[\s\-]?[0-9]{2}" + _AFTER
)
_IPV4 = re.compile(r"(?<![0-9A-Za-z.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![0-9A-Za-z]|\.[0-9])")
_IPV6 = re.compile(r"(?<![0-9A-Za-z:.])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){3,7}(?![0-9A-Za-z:])")

_ACCOUNT_WORDS = re.compile(
    r"계좌|입금|송금|이체|통장|농협|수협|신협|은행|카카오뱅크|카뱅|토스뱅크|케이뱅크|새마을금고|우체국|account|acct|bank|iban",
    re.IGNORECASE,
)
_ORDER_WORDS = re.compile(
    r"주문|송장|운송장|배송|예약|접수|문의번호|영수증|거래번호|상품|바코드|버전|모델명|사업자|order|invoice|tracking|receipt|barcode|isbn|version|ver\.?\s?$",
    re.IGNORECASE,
)
_PASSPORT_WORDS = re.compile(r"여권|passport", re.IGNORECASE)
_LICENCE_WORDS = re.compile(r"면허|licen[cs]e", re.IGNORECASE)


def _digits(text: str) -> str:
    return "".join(_NUMERALS.get(char, char if char.isdecimal() else "") for char in text)


def _last(pattern: re.Pattern[str], text: str) -> int:
    """Where the last occurrence ends, or -1."""
    return max((match.end() for match in pattern.finditer(text)), default=-1)


def _named_order(text: str, start: int) -> bool:
    """Whether the nearest label before ``start`` says order, parcel or version rather than bank."""
    window = text[max(0, start - 16) : start]
    return _last(_ORDER_WORDS, window) > _last(_ACCOUNT_WORDS, window)


def _near(pattern: re.Pattern[str], text: str, start: int, end: int) -> bool:
    return bool(pattern.search(text[max(0, start - 24) : start]) or pattern.search(text[end : end + 16]))


def _is_date(year: int, month: str, day: str) -> bool:
    try:
        date(year, int(month), int(day))
    except ValueError:
        return False
    return True


def _born(yymmdd: str, gender: str) -> bool:
    """Whether six digits and the seventh (century and sex) name a day: 1,2,5,6 are 19xx, 3,4,7,8 20xx, 9,0 18xx."""
    century = {"9": 1800, "0": 1800, "1": 1900, "2": 1900, "5": 1900, "6": 1900}.get(gender, 2000)
    return _is_date(century + int(yymmdd[:2]), yymmdd[2:4], yymmdd[4:6])


def passes_luhn(digits: str) -> bool:
    """Return whether a string of digits has a valid Luhn check digit.

    Source: ISO/IEC 7812-1, annex B.

    Example:
        >>> passes_luhn("4111111111111111")
        True
    """
    total = 0
    for place, char in enumerate(reversed(digits)):
        value = int(char) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def _emails(text: str) -> Iterator[Span]:
    for match in _EMAIL.finditer(text):
        yield match.start(), match.end(), "email"


def _secrets(text: str) -> Iterator[Span]:
    for pattern in (_PRIVATE_KEY, _SECRETS):
        for match in pattern.finditer(text):
            yield match.start(), match.end(), "secret"
    for pattern in (_BEARER, _PASSWORD):
        for match in pattern.finditer(text):
            yield match.start(1), match.end(1), "secret"


def _resident_numbers(text: str) -> Iterator[Span]:
    for match in _RRN.finditer(text):
        year, month, day, separator, gender, _ = match.groups()
        # Thirteen digits in one piece are also what shops number orders with; 18xx births exist only in writing.
        glued = not separator and (gender in "90" or _named_order(text, match.start()))
        if not glued and _born(year + month + day, gender):
            yield match.start(), match.end(), "rrn"
    for match in _HANGUL_RRN.finditer(text):
        written, digits = match.group(), _digits(match.group())
        # A particle glued to twelve digits ("...1111이야") is no thirteenth.
        by_numeral = not (written[:-1].isascii() and written[-1] in "이일") and not written.isascii()
        if by_numeral and _born(digits[:6], digits[6]):
            yield match.start(), match.end(), "rrn"


def _phones(text: str) -> Iterator[Span]:
    for pattern in (_MOBILE, _HANGUL_PHONE):
        for match in pattern.finditer(text):
            if not (_digits(match.group()) == match.group() and _named_order(text, match.start())):
                yield match.start(), match.end(), "phone"
    if not _COULD_BE_PHONE.search(text):
        return  # the matcher takes milliseconds, and prices have many digits, too
    import phonenumbers

    service = {
        phonenumbers.PhoneNumberType.UAN,
        phonenumbers.PhoneNumberType.TOLL_FREE,
        phonenumbers.PhoneNumberType.SHARED_COST,
        phonenumbers.PhoneNumberType.PREMIUM_RATE,
    }
    for found in phonenumbers.PhoneNumberMatcher(text, "KR"):
        written = found.raw_string.lstrip("( ")
        if written[:1] in "+0" and phonenumbers.number_type(found.number) not in service:
            yield found.start, found.end, "phone"


def _cards(text: str) -> Iterator[Span]:
    for match in _CARD.finditer(text):
        digits = _digits(match.group())
        glued = match.group() == digits
        known = re.match(r"4|5[0-9]|6[0-9]|9[0-9]|3[0-9]|2[2-7]|8[1-9]", digits)
        if known and passes_luhn(digits) and not (glued and _named_order(text, match.start())):
            yield match.start(), match.end(), "card"


def _accounts(text: str) -> Iterator[Span]:
    for match in _LONG_NUMBER.finditer(text):
        count = len(_digits(match.group()))
        if not 10 <= count <= 16 or _STARTS_AS_DATE.match(match.group()) or _named_order(text, match.start()):
            continue
        if _near(_ACCOUNT_WORDS, text, match.start(), match.end()):
            yield match.start(), match.end(), "account"


def _documents(text: str) -> Iterator[Span]:
    for pattern, words, kind in ((_PASSPORT, _PASSPORT_WORDS, "passport"), (_LICENCE, _LICENCE_WORDS, "licence")):
        for match in pattern.finditer(text):
            if _near(words, text, match.start(), match.end()):
                yield match.start(), match.end(), kind


def _addresses(text: str) -> Iterator[Span]:
    for pattern in (_IPV4, _IPV6):
        for match in pattern.finditer(text):
            try:
                address = ipaddress.ip_address(match.group())
            except ValueError:
                continue
            nobody = address.is_loopback or address.is_unspecified
            if not nobody and not _named_order(text, match.start()):
                yield match.start(), match.end(), "ip"


DETECTORS: tuple[Callable[[str], Iterator[Span]], ...] = (
    _secrets,
    _emails,
    _resident_numbers,
    _documents,
    _cards,
    _phones,
    _addresses,
    _accounts,
)
"""In order of certainty: where two claim a place, the earlier keeps it."""

_WORTH_A_LOOK = re.compile(
    r"[0-9@]|골뱅이|앳|\(at?\)|\[at\]|eyJ|PRIVATE KEY|[공영].{0,3}[일이삼사오육륙칠팔구]|_|sk-|AKIA|AIza|xox"
    r"|glpat-|pypi-|bearer|basic\s",
    re.IGNORECASE,
)


def spans(text: str) -> list[Span]:
    """Return all findings in ``text`` as ``(start, end, kind)``, none overlapping another.

    Args:
        text: a text whose digits are ASCII and which holds no invisible characters.
    """
    if not _WORTH_A_LOOK.search(text):
        return []
    claimed: list[Span] = []
    for detector in DETECTORS:
        for start, end, kind in detector(text):
            while end > start and text[end - 1] in " .,-_~·/|*(\n\t":
                end -= 1
            if all(end <= other_start or start >= other_end for other_start, other_end, _ in claimed):
                claimed.append((start, end, kind))
    return claimed
