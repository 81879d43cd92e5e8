"""Where a person lives and which class a child sits in.

A district alone ("강남구에 살아") is no address, nor is a school alone; what leads to a door or a desk is taken.

Source: 도로명주소법 (Road Name Address Act) and the Ministry of the Interior's juso.go.kr: province or city, district,
town, road (대로, 로, 길, with numbered branches 번길), building number, details; the older lot form ends in dong or ri and
a lot number. USPS Publication 28 (street suffixes, unit designators, state codes, ZIP); Royal Mail postcodes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from .nearby import Span

_PROVINCE = (
    r"(?:서울|부산|대구|인천|광주|대전|울산|세종|경기|강원|충북|충남|전북|전남|경북|경남|제주"
    r"|충청[남북]|전라[남북]|경상[남북])(?:특별자치[시도]|특별시|광역시|시|도)?"
)
_DISTRICT = r"[가-힣]{1,4}[시군구]"
_TOWN = r"[가-힣]{1,5}[0-9]{0,2}[읍면]"
_ROAD = r"[가-힣][가-힣0-9·.]{0,11}?(?:대로|로|길)(?:\s?[0-9]{1,4}(?:번)?[가나다라]?[안]?길)?"
_NUMBER = r"(?:지하\s?)?[0-9]{1,4}(?:\s?-\s?[0-9]{1,4})?"
_COUNTED = r"(?!\s?(?:번\s?(?:출구|버스|째)|시(?![가-힣]*동)|분|초|명|개|원|점|등|위|년|월|일(?!대)|살|세|배|차선|학년|반|km|미터|m(?![a-z])|%)|[0-9]|[.,:][0-9])"
_DETAIL = (
    r"(?:\s?(?:번지)?[,\s]{0,2}(?:\(?[가-힣A-Za-z0-9·]{0,14}(?:아파트|빌라|빌딩|맨션|오피스텔|타워|주택|마을|단지|하이츠|자이|래미안|힐스테이트|푸르지오|APT)\)?\s?)?"
    r"(?:[,\s]{0,2}(?:지하\s?)?(?:[0-9]{1,4}|[A-Za-z가나다라])\s?(?:동|층|호)(?![가-힣]{2}))"
    r"{0,3}(?:\s?\([가-힣0-9]{1,8}[동리가](?:,\s?[가-힣A-Za-z0-9·\s]{1,20})?\))?)?"
)
_ADMIN = rf"(?:{_PROVINCE}\s{{0,2}})?(?:{_DISTRICT}\s{{0,2}}){{1,2}}(?:{_TOWN}\s{{0,2}})?"
_ROAD_ADDRESS = re.compile(
    rf"(?:{_ADMIN}|{_PROVINCE}\s{{0,2}}(?:{_TOWN}\s{{0,2}})?)(?:[가-힣]{{1,5}}[0-9]{{0,2}}동\s)?"
    rf"{_ROAD}\s{{0,2}}{_NUMBER}{_COUNTED}{_DETAIL}"
)
_LOT_ADDRESS = re.compile(
    rf"(?:{_ADMIN}|{_PROVINCE}\s{{0,2}})(?:[가-힣]{{1,5}}[0-9]{{0,2}}[동리가]\s{{0,2}}){{1,2}}"
    rf"(?:산\s?)?[0-9]{{1,4}}(?:\s?-\s?[0-9]{{1,4}}|\s?번지){_DETAIL}"
)
_BARE_ROAD = re.compile(rf"(?<![가-힣0-9]){_ROAD}\s{{0,2}}{_NUMBER}{_COUNTED}{_DETAIL}")
_BARE_LOT = re.compile(
    rf"(?<![가-힣])[가-힣]{{1,5}}[0-9]{{0,2}}[동리]\s{{1,2}}(?:산\s?)?[0-9]{{1,4}}(?:-[0-9]{{1,4}}|\s?번지){_DETAIL}"
)
_DOOR = re.compile(r"[0-9]\s?(?:층|호)(?![가-힣]{2})|[0-9]동\s?[0-9]|번지|번길|[0-9]길\s|[(]")
_LIVES = re.compile(
    r"주소|살아|살고|사는|삽니다|집은|집이|우리\s?집|자택|거주|배송지|보내|택배|우편|address|이사", re.IGNORECASE
)
_APARTMENT = re.compile(
    r"[가-힣A-Za-z0-9]{1,12}(?:아파트|빌라|오피스텔|주공|맨션|자이|래미안|힐스테이트|푸르지오)\s{0,2}[0-9]{1,4}동\s{0,2}[0-9]{1,4}호"
)

_SCHOOL = re.compile(
    r"[가-힣]{1,10}(?:초등학교|중학교|고등학교|여자중학교|여자고등학교|국민학교|유치원|어린이집|여중|여고|[가-힣]초|[가-힣]중|[가-힣]고)"
    r"(?:에서?|의|에 다니는)?[\s,]{0,2}[1-6]\s?(?:학년\s{0,2}(?:[0-9가-힣]{1,3}\s?반)?|-\s?[0-9]{1,2}반?|반)"
    r"(?:\s{0,2}[0-9]{1,2}번)?"
    r"(?:[\s,]{1,2}(?!학생|친구|담임|선생|이고|인데|다녀|다니)(?:[가-힣]{3}|[가-힣]{2,4}?)(?=\s|이야|이에요|예요|입니다|이고|인데|이라고|라고|야|학생|은|는|이|가|[.,!?)]|$))?"
)
_CLASS = re.compile(r"[1-6]\s?(?:학년|-)")
_ENGLISH_SCHOOL = re.compile(
    r"(?:[A-Z][A-Za-z.']{1,20}\s){1,4}(?:Elementary|Middle|High|Primary|Secondary)\s(?:School\s?)?[,\s]{0,2}"
    r"(?:in\s|,\s?)?(?:(?:grade|year|class|room)\s[0-9]{1,2}[A-Z]?[,\s]{0,2}){1,2}",
    re.IGNORECASE,
)

_SURE_SUFFIX = (
    r"street|avenue|ave|boulevard|blvd|road|rd|lane|ln|terrace|crescent|parkway|pkwy|highway|hwy|circle|square"
)
_SUFFIX = rf"(?:{_SURE_SUFFIX}|st|drive|dr|court|ct|place|pl|way|trail|trl|close|gardens|grove|row|mews|hill)"
_STOP = r"(?!(?:of|the|a|an|in|on|to|down|up|and|or|is|are|was|years?|minutes?|hours?|days?|miles?|feet|people|more|new|different|other|ways?)\s)"
_UNIT = r"(?P<unit>,?\s(?:apt|apartment|unit|suite|ste|flat|floor|fl|room|rm|bldg|#)\.?\s?#?[0-9A-Za-z\-]{1,6})?"
_STATE = r"(?:A[KLRZ]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]|O[HKR]|PA|RI|S[CD]|T[NX]|UT|V[AT]|W[AIVY])"
_ZIP = rf"(?:(?-i:{_STATE})\s{{1,2}}[0-9]{{5}}(?:-[0-9]{{4}})?)"
_POSTCODE = r"(?-i:[A-Z]{1,2}[0-9][0-9A-Z]?\s?[0-9][A-Z]{2})"
_CITY = r"[A-Za-z][A-Za-z.'\-]{1,20}(?:\s[A-Za-z][A-Za-z.'\-]{1,20}){0,2}"
_STREET_ADDRESS = re.compile(
    rf"(?<![0-9A-Za-z$.,:])(?:(?:flat|apt|unit)\s[0-9A-Za-z]{{1,4}},?\s)?[0-9]{{1,5}}[A-Za-z]?(?:-[0-9]{{1,4}})?,?\s(?:[NSEW]\.?\s|north\s|south\s|east\s|west\s)?"
    rf"(?P<road>(?:{_STOP}[A-Za-z0-9.'\-]{{1,20}}\s){{1,4}})(?P<suffix>{_SUFFIX})(?![A-Za-z])\.?{_UNIT}"
    rf"(?P<town>(?:,?\s{{1,2}}{_CITY})?,?\s{{1,2}}(?:{_ZIP}|{_POSTCODE}))?",
    re.IGNORECASE,
)
_SURE = re.compile(_SURE_SUFFIX, re.IGNORECASE)
_PO_BOX = re.compile(
    rf"(?<![A-Za-z])p\.?\s?o\.?\s?box\s[0-9]{{1,6}}(?:,?\s{_CITY},?\s(?:{_ZIP}|{_POSTCODE}))?", re.IGNORECASE
)
_LIVES_ENGLISH = re.compile(
    r"address|live|lives|living|home|house|ship|deliver|mail|moved|stay|located|at\s$|visit|send", re.IGNORECASE
)


def korean_addresses(text: str) -> Iterator[Span]:
    """Yield road-name and lot addresses; without a district only where somebody says it is a home, or a door."""
    for pattern in (_ROAD_ADDRESS, _LOT_ADDRESS, _APARTMENT):
        for match in pattern.finditer(text):
            yield match.start(), match.end(), "address"
    for pattern in (_BARE_ROAD, _BARE_LOT):
        for match in pattern.finditer(text):
            around = text[max(0, match.start() - 24) : match.start()] + "\n" + text[match.end() : match.end() + 16]
            if _DOOR.search(match.group()) or _LIVES.search(around):
                yield match.start(), match.end(), "address"


def english_addresses(text: str) -> Iterator[Span]:
    """Yield street addresses with a house number, and post boxes."""
    for match in _STREET_ADDRESS.finditer(text):
        named = all(word[:1].isupper() or word[:1].isdigit() for word in match["road"].split())
        around = text[max(0, match.start() - 28) : match.start()]
        sure = bool(_SURE.fullmatch(match["suffix"]))
        if (
            match["town"]
            or match["unit"]
            or (named and (sure or match["suffix"][:1].isupper()))
            or (sure and _LIVES_ENGLISH.search(around))
        ):
            yield match.start(), match.end(), "address"
    for match in _PO_BOX.finditer(text):
        yield match.start(), match.end(), "address"


def schools(text: str) -> Iterator[Span]:
    """Yield a named school with a class, and the name after it."""
    for match in _SCHOOL.finditer(text):
        if _CLASS.search(match.group()):
            yield match.start(), match.end(), "school"
    for match in _ENGLISH_SCHOOL.finditer(text):
        yield match.start(), match.end(), "school"
