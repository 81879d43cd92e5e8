"""Numbers that the state gives a person: resident and foreigner numbers, passports, driving licences.

Source: 주민등록법 시행규칙 (Resident Registration Act, Enforcement Rule, article 2): YYMMDD-GNNNNNN, the seventh digit
for century and sex; numbers given since October 2020 have no check digit. 출입국관리법 시행규칙: foreigners have 5 to 8
in its place. Ministry of Foreign Affairs: M12345678, and M123A4567 since December 2021. 도로교통법 시행규칙: driving
licences are RR-YY-NNNNNN-CC with a region of 11 to 28. US Social Security Administration: AAA-GG-SSSS, A not 000, 666
or 9xx.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date

from .nearby import AFTER, BEFORE, Span, named_order, near

_RRN = re.compile(BEFORE + r"([0-9]{2})([0-9]{2})([0-9]{2})([\s.\-_~·/,]{0,3})([0-9])([0-9]{6}|[*xX●○•]{6})" + AFTER)
_PASSPORT = re.compile(BEFORE + r"[A-Z][ -]?(?:[0-9]{8}|[0-9]{3}[ -]?[A-Z][ -]?[0-9]{4})" + AFTER, re.IGNORECASE)
_FOREIGN_PASSPORT = re.compile(BEFORE + r"[A-Z]{0,2}[0-9]{7,9}" + AFTER, re.IGNORECASE)
_LICENCE = re.compile(
    BEFORE + r"(?:(?:1[1-9]|2[0-8])[\s\-.]{0,3}|(?:서울|부산|경기|강원|충북|충남|전북|전남"
    r"|경북|경남|제주|대구|인천|광주|대전|울산)[\s\-.]{0,3})"
    r"[0-9]{2}[\s\-.]{0,3}[0-9]{6}[\s\-.]{0,3}[0-9]{2}" + AFTER
)
_WHOLE_LICENCE = re.compile(r"(?:[가-힣]{2}|[0-9]{2})-[0-9]{2}-[0-9]{6}-[0-9]{2}")
_FOREIGN_LICENCE = re.compile(BEFORE + r"(?=[A-Z0-9\-]{0,15}[0-9]{4})[A-Z0-9](?:-?[A-Z0-9]){6,15}" + AFTER, re.IGNORECASE)  # fmt: skip
_SSN = re.compile(
    r"(?<![0-9A-Za-z\-])(?<![0-9] )(?!000|666|9)[0-9]{3}([ -])(?!00)[0-9]{2}\1(?!0000)[0-9]{4}(?![ \-.]?[0-9])(?![A-Za-z\-])"
)
_PASSPORT_WORDS = re.compile(r"여권|passport", re.IGNORECASE)
_LICENCE_WORDS = re.compile(r"면허|licen[cs]e", re.IGNORECASE)


def _is_date(year: int, month: str, day: str) -> bool:
    try:
        date(year, int(month), int(day))
    except ValueError:
        return False
    return True


def is_birth(yymmdd: str, gender: str) -> bool:
    """Return whether six digits and the seventh name a day: 1, 2, 5, 6 are 19xx, 3, 4, 7, 8 20xx, 9, 0 18xx."""
    century = {"9": 1800, "0": 1800, "1": 1900, "2": 1900, "5": 1900, "6": 1900}.get(gender, 2000)
    return _is_date(century + int(yymmdd[:2]), yymmdd[2:4], yymmdd[4:6])


def resident_numbers(text: str) -> Iterator[Span]:
    """Yield resident and foreigner numbers, with and without a check digit, and United States security numbers."""
    for match in _RRN.finditer(text):
        year, month, day, separator, gender, _ = match.groups()
        # Thirteen digits in one piece are also what shops number orders with; 18xx births exist only in writing.
        glued = not separator and (gender in "90" or named_order(text, match.start()))
        if not glued and is_birth(year + month + day, gender):
            yield match.start(), match.end(), "rrn"
    for match in _SSN.finditer(text):
        if not named_order(text, match.start()):
            yield match.start(), match.end(), "ssn"


def documents(text: str) -> Iterator[Span]:
    """Yield passports and driving licences, where a word nearby says so or the shape is theirs alone."""
    for match in _LICENCE.finditer(text):
        if near(_LICENCE_WORDS, text, *match.span()) or (
            _WHOLE_LICENCE.fullmatch(match.group()) and not named_order(text, match.start())
        ):
            yield match.start(), match.end(), "licence"
    for pattern, words, kind in (
        (_PASSPORT, _PASSPORT_WORDS, "passport"),
        (_FOREIGN_PASSPORT, _PASSPORT_WORDS, "passport"),
        (_FOREIGN_LICENCE, _LICENCE_WORDS, "licence"),
    ):
        if words.search(text):
            for match in pattern.finditer(text):
                if near(words, text, *match.span()):
                    yield match.start(), match.end(), kind
