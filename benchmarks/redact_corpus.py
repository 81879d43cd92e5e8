"""A corpus of personal data that nobody has: chat sentences around made-up values, for measuring redaction.

Values follow the public descriptions of their formats and frames follow how people talk, not the patterns in
``loraloop.text``; nothing here imports them. Every item is synthetic and comes from its seed alone.

Sources, by kind:

* rrn: 주민등록법 시행규칙 제2조 (birth date, seventh digit, region, check digit: weights 2..9, 2..5, modulo 11); numbers
  given since October 2020 are random after the seventh digit. Foreigners: 출입국관리법 시행규칙, seventh digit 5 to 8.
* phone: ITU-T E.164 and the national numbering plans filed with the ITU for Korea (+82), the NANP (+1), the United
  Kingdom (+44, Ofcom), France, Germany, Japan, Australia, India.
* account: the layouts that Korean banks print on passbooks (number of digits between hyphens); IBAN: ISO 13616 and the
  SWIFT IBAN registry (length and structure by country, check digits modulo 97).
* card: ISO/IEC 7812-1 (issuer ranges as published by the networks, Luhn check digit; 15 digits for American Express).
* passport: Ministry of Foreign Affairs (M12345678; since 2021-12-21 M123A4567); ICAO Doc 9303 (nine places).
* licence: 도로교통법 시행규칙 (region 11 to 28 or its name, year, six digits, two check digits).
* ssn: Social Security Administration, "Structure of Social Security Numbers".
* email: RFC 5321, RFC 5322. ip: RFC 791, RFC 4291, RFC 5952. secret: the vendors' own descriptions of their tokens.
* messenger: the rules for names in the help pages of KakaoTalk, LINE, Telegram, Instagram, Discord and Snapchat.
* address: 도로명주소법 and juso.go.kr (road-name and lot forms); USPS Publication 28; Royal Mail, PAF address formats.
* name: census of 2015 (family names), register of the Supreme Court of Korea (given names, half of them composed here
  of two syllables), 국립국어원 표준 언어 예절 (introducing and addressing people); Social Security Administration (given
  names) and the census of 2010 (family names) of the United States.
"""

from __future__ import annotations

import itertools
import random
import string
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

STRUCTURED = "structured"
FREE = "names and addresses"


@dataclass(frozen=True)
class Item:
    """A sentence with one piece of personal data in it.

    Attributes:
        start, end: where the value stands in ``text``.
        form: how it is written (``"plain"``, ``"full-width"``, ...).
        group: ``STRUCTURED`` or ``FREE``.
    """

    text: str
    start: int
    end: int
    kind: str
    form: str
    group: str
    language: str


Rng = random.Random
Made = tuple[str, str]
"""A value and the form it is written in."""


def digits(rng: Rng, count: int) -> str:
    """So many random digits."""
    return "".join(rng.choice(string.digits) for _ in range(count))


# -- ways to write a number ---------------------------------------------------------------------------------------------

_SINO = dict(zip(string.digits, "공일이삼사오육칠팔구", strict=True))
_ALSO_ZERO = {"0": "영"}
_WORDS = dict(
    zip(string.digits, ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"], strict=True)
)


def _wide(value: str) -> str:
    return "".join(chr(ord(char) + 0xFEE0) if "!" <= char <= "~" else char for char in value)


def _read_aloud(rng: Rng, value: str) -> str:
    zero = rng.choice(["공", "공", "공", "영"])
    joint = rng.choice([" ", " ", "", " 다시 ", "에 ", "-"])
    return joint.join("".join(zero if char == "0" else _SINO[char] for char in group) for group in value.split("-"))


def _half_aloud(rng: Rng, value: str) -> str:
    groups = value.split("-")
    chosen = rng.randrange(len(groups))
    return "-".join(
        "".join(_SINO[char] for char in group) if place == chosen else group for place, group in enumerate(groups)
    )


_WAYS: dict[str, Callable[[Rng, str], str]] = {
    "plain": lambda rng, value: value,
    "no separators": lambda rng, value: value.replace("-", ""),
    "dots": lambda rng, value: value.replace("-", "."),
    "spaces": lambda rng, value: value.replace("-", " "),
    "spaced hyphens": lambda rng, value: value.replace("-", " - "),
    "en dashes": lambda rng, value: value.replace("-", "\u2013"),
    "full-width": lambda rng, value: _wide(value),
    "zero-width": lambda rng, value: rng.choice("\u200b\u200c\u2060\ufeff").join(value),
    "digit by digit": lambda rng, value: " ".join(value.replace("-", "")),
    "dot by dot": lambda rng, value: ".".join(value.replace("-", "")),
}
_KOREAN_WAYS = _WAYS | {"read aloud": _read_aloud, "partly read aloud": _half_aloud}
_ENGLISH_WAYS = _WAYS | {"in words": lambda rng, value: " ".join(_WORDS[c] for c in value if c.isdigit())}


def _written(rng: Rng, value: str, ways: dict[str, Callable[[Rng, str], str]], *without: str) -> Made:
    form = rng.choice(["plain", *(way for way in ways if way not in without)])
    return ways[form](rng, value), form


# -- Korean values ------------------------------------------------------------------------------------------------------


def _birth(rng: Rng, first: date, last: date) -> date:
    return first + timedelta(days=rng.randrange((last - first).days))


def _check_digit(body: str, start: int) -> str:
    total = sum(int(char) * weight for char, weight in zip(body, (*range(2, 10), *range(2, 6)), strict=True))
    return str((start - total % 11) % 10)


def rrn(rng: Rng) -> Made:
    """A resident or foreigner number, older ones with a check digit, newer ones without."""
    kind = rng.choice(["checked", "checked", "unchecked", "foreigner"])
    born = (
        _birth(rng, date(1950, 1, 1), date(2020, 9, 1))
        if kind != "unchecked"
        else _birth(rng, date(2020, 10, 6), date(2026, 1, 1))
    )
    after_2000 = born.year >= 2000
    sex = rng.choice({True: "34", False: "12"}[after_2000])
    if kind == "foreigner":
        sex = rng.choice({True: "78", False: "56"}[after_2000])
    body = f"{born:%y%m%d}{sex}{digits(rng, 5)}"
    last = digits(rng, 1) if kind == "unchecked" else _check_digit(body, 13 if kind == "foreigner" else 11)
    text, form = _written(rng, f"{body[:6]}-{body[6:]}{last}", _KOREAN_WAYS)
    return text, f"{kind}, {form}"


def mobile(rng: Rng) -> Made:
    """A mobile number, domestic or international."""
    prefix = rng.choice(["010"] * 8 + ["011", "016", "017", "018", "019"])
    middle = str(rng.randint(2, 9)) + digits(rng, 3 if prefix == "010" else rng.choice([2, 3]))
    if rng.random() < 0.2:
        value = rng.choice(["+82-10", "+82 10", "82-10", "+82-(0)10", "0082-10"]) + f"-{middle:0>4}-{digits(rng, 4)}"
        form = rng.choice(["plain", "full-width", "spaces"])
        return _WAYS[form](rng, value), f"international, {form}"
    return _written(rng, f"{prefix}-{middle}-{digits(rng, 4)}", _KOREAN_WAYS)


def landline(rng: Rng) -> Made:
    """A number of an area, of internet telephony, or a personal one."""
    area = rng.choice(
        [
            "02",
            "02",
            "031",
            "032",
            "033",
            "041",
            "042",
            "043",
            "044",
            "051",
            "052",
            "053",
            "054",
            "055",
            "061",
            "062",
            "063",
            "064",
            "070",
            "0502",
            "0507",
        ]
    )
    middle = str(rng.randint(2, 9)) + digits(rng, 3 if area in ("070", "0502", "0507") else rng.choice([2, 3]))
    value = f"{area}-{middle}-{digits(rng, 4)}"
    if rng.random() < 0.15:
        return f"({area}) {middle}-{digits(rng, 4)}", "brackets"
    return _written(rng, value, _KOREAN_WAYS)


_BANKS = {
    "국민은행": "6-2-6", "KB국민은행": "3-2-4-3", "신한은행": "3-3-6", "우리은행": "4-3-6", "하나은행": "3-6-5",
    "농협": "3-4-4-2", "기업은행": "3-6-2-3", "카카오뱅크": "4-2-7", "토스뱅크": "4-4-4", "케이뱅크": "3-3-6",
    "새마을금고": "4-4-4-1", "우체국": "6-2-6", "SC제일은행": "3-2-6", "부산은행": "3-4-4-2", "수협": "3-2-6", "신협": "3-3-6",
}  # fmt: skip


def account(rng: Rng) -> Made:
    """An account number beside the name of its bank or the word for account; the frame adds neither."""
    bank = rng.choice(list(_BANKS))
    value = "-".join(str(rng.randint(1, 9)) + digits(rng, int(count) - 1) for count in _BANKS[bank].split("-"))
    text, form = _written(rng, value, _KOREAN_WAYS)
    return f"\0{rng.choice([bank, bank, f'{bank} 계좌', '계좌번호', '내 계좌'])} \0{text}", form


def luhn_digit(body: str) -> str:
    """The check digit that follows ``body``."""
    doubled = [int(char) * (2 - place % 2) for place, char in enumerate(reversed(body))]
    return str(-sum(n - 9 if n > 9 else n for n in doubled) % 10)


def card_number(rng: Rng, heads: list[str]) -> str:
    """A card number of one of these issuers, in the groups it is embossed in."""
    head = rng.choice(heads)
    length = 15 if head[:2] in ("34", "37") else 16
    body = head + digits(rng, length - 1 - len(head))
    number = body + luhn_digit(body)
    cuts = (0, 4, 10, 15) if length == 15 else (0, 4, 8, 12, 16)
    return "-".join(number[a:b] for a, b in itertools.pairwise(cuts))


def card(rng: Rng) -> Made:
    """A payment card, Korean domestic ranges among them."""
    heads = ["4", "4", "51", "53", "55", "2221", "2720", "3528", "3589", "62", "6251", "94", "9410", "34", "37", "36"][
        :-1
    ]
    return _written(rng, card_number(rng, heads), _KOREAN_WAYS)


def passport(rng: Rng) -> Made:
    """A Korean passport of the older or newer kind, with the word for passport before it."""
    head = rng.choice("MSRGD")
    value = head + (digits(rng, 8) if rng.random() < 0.5 else digits(rng, 3) + rng.choice("ABCDEFGH") + digits(rng, 4))
    form = rng.choice(["plain", "plain", "full-width", "lower case", "zero-width"])
    written = value.lower() if form == "lower case" else _WAYS[form](rng, value)
    return f"\0{rng.choice(['여권번호는 ', '여권 ', '여권번호 ', '내 여권은 '])}\0{written}", form


def licence(rng: Rng) -> Made:
    """A driving licence by number of region or by its name."""
    region = rng.choice(
        [str(rng.randint(11, 28)), rng.choice(["서울", "부산", "경기", "대구", "인천", "광주", "전남"])]
    )
    value = f"{region}-{digits(rng, 2)}-{digits(rng, 6)}-{digits(rng, 2)}"
    form = rng.choice(["plain", "plain", "spaces", "no separators", "full-width", "dots", "zero-width"])
    return f"\0{rng.choice(['면허번호 ', '운전면허 ', '운전면허증 번호는 '])}\0{_WAYS[form](rng, value)}", form


_LOCAL = [
    "minsu",
    "jiwoo",
    "happy",
    "star",
    "sky",
    "blue",
    "cat",
    "dog",
    "lovely",
    "jh.kim",
    "sy_park",
    "hs.lee",
    "bts",
    "army",
    "tiger",
    "dragon",
    "mint",
    "choco",
    "seo.yun",
]
_HOSTS = [
    "naver.com",
    "gmail.com",
    "daum.net",
    "hanmail.net",
    "kakao.com",
    "nate.com",
    "korea.ac.kr",
    "outlook.com",
    "yahoo.co.kr",
]


def email(rng: Rng) -> Made:
    """An address of mail, also with the signs spelt out."""
    who = rng.choice(_LOCAL) + rng.choice(["", digits(rng, 2), digits(rng, 4), "_" + digits(rng, 2), ".k"])
    host = rng.choice(_HOSTS)
    forms = {
        "plain": f"{who}@{host}",
        "spaces": f"{who} @ {host}",
        "(at)": f"{who}(at){host}",
        "[at]": f"{who}[at]{host}",
        "sign in words": f"{who}골뱅이{host}",
        "all in words": f"{who} 골뱅이 {host.replace('.', '점')}",
        "full-width": _wide(f"{who}@{host}"),
        "zero-width": "\u200b".join(f"{who}@{host}"),
        "upper case": f"{who}@{host}".upper(),
    }
    form = rng.choice(["plain", "plain", *forms])
    return forms[form], form


def ip(rng: Rng) -> Made:
    """An address of a machine."""
    if rng.random() < 0.3:
        groups = [f"{rng.randrange(1, 65536):x}" for _ in range(8)]
        text = ":".join(groups) if rng.random() < 0.5 else ":".join(groups[:3]) + "::" + ":".join(groups[5:7])
        return "2001:db8:" + text.split(":", 2)[2], "IPv6"
    value = f"{rng.choice([rng.randint(1, 126), rng.randint(128, 223)])}.{rng.randint(0, 255)}.{rng.randint(0, 255)}.{rng.randint(1, 254)}"
    form = rng.choice(["plain", "plain", "full-width", "zero-width", "[.]"])
    return (value.replace(".", "[.]") if form == "[.]" else _WAYS[form](rng, value)), f"IPv4, {form}"


def secret(rng: Rng) -> Made:
    """A key or token in the form its vendor describes."""

    def some(count: int, letters: str = string.ascii_letters + string.digits) -> str:
        return "".join(rng.choice(letters) for _ in range(count))

    kinds = {
        "OpenAI": "sk-" + some(48), "GitHub": "ghp_" + some(36), "GitLab": "glpat-" + some(20),
        "AWS": "AKIA" + some(16, string.ascii_uppercase + "234567"), "Google": "AIza" + some(35),
        "Slack": f"xoxb-{digits(rng, 12)}-{digits(rng, 12)}-{some(24)}", "Hugging Face": "hf_" + some(34),
        "npm": "npm_" + some(36), "Stripe": "sk_live_" + some(24), "PyPI": "pypi-AgEIcHlwaS5vcmc" + some(60),
        "JWT": f"eyJhbGciOiJIUzI1NiJ9.eyJ{some(30)}.{some(43)}", "Telegram": f"{digits(rng, 10)}:AA{some(33)}",
        "SendGrid": f"SG.{some(22)}.{some(43)}",
    }  # fmt: skip
    vendor = rng.choice(list(kinds))
    return kinds[vendor], vendor


def messenger(rng: Rng) -> Made:
    """A name in a messenger, with the messenger named before it."""
    name = rng.choice(
        ["minsu", "jiwoo", "happy", "star", "sky", "moon", "rabbit", "choco", "mint", "tiger"]
    ) + rng.choice([digits(rng, 2), digits(rng, 4), "_" + digits(rng, 3), ".k" + digits(rng, 2)])
    before, form = rng.choice([
        ("카톡 아이디 ", "KakaoTalk"), ("카카오톡 ID는 ", "KakaoTalk"), ("카톡아이디: ", "KakaoTalk"), ("카톡 ", "KakaoTalk"),
        ("라인 아이디는 ", "LINE"), ("텔레그램 @", "Telegram"), ("인스타 @", "Instagram"), ("인스타그램 계정 ", "Instagram"),
        ("디스코드 ", "Discord"), ("디코 아이디 ", "Discord"), ("스냅챗 ", "Snapchat"), ("틱톡 아이디 ", "TikTok"),
    ])  # fmt: skip
    if form == "Discord" and rng.random() < 0.4:
        name += "#" + digits(rng, 4)
    return f"\0{before}\0{name}", form


_FAMILY = "김이박최정강조윤장임한오서신권황안송전홍유고문양손배백허남심노하곽성차주우구민류나진지엄채원천방공현함"
_WEIGHTS = [21, 15, 8, 5, 4, 2, 2, 2, 2, 2, *([1] * (len(_FAMILY) - 10))]
_REGISTER = [
    "민준",
    "서준",
    "예준",
    "도윤",
    "시우",
    "주원",
    "하준",
    "지호",
    "준서",
    "준우",
    "현우",
    "지훈",
    "도현",
    "건우",
    "우진",
    "민재",
    "현준",
    "선우",
    "서진",
    "연우",
    "서연",
    "서윤",
    "지우",
    "서현",
    "민서",
    "하은",
    "하윤",
    "윤서",
    "지유",
    "지민",
    "채원",
    "지윤",
    "은서",
    "수아",
    "다은",
    "예은",
    "지아",
    "소율",
    "예린",
    "소윤",
    "철수",
    "영희",
    "영수",
    "순자",
    "미경",
    "정훈",
    "성진",
    "은정",
    "혜진",
    "경호",
    "재석",
    "동원",
    "소영",
    "보라",
    "한솔",
    "다솜",
    "가람",
    "이슬",
]
_SYLLABLES = "민서준지현우수영은하윤예도연주진아채소유성재훈경희정미혜승태인호상동규원빈나선"


def korean_name(rng: Rng) -> str:
    """A family name by its share, and a given name: from the register, or of two syllables."""
    family = rng.choices(_FAMILY, _WEIGHTS)[0]
    return family + (rng.choice(_REGISTER) if rng.random() < 0.5 else "".join(rng.sample(_SYLLABLES, 2)))


def name(rng: Rng) -> Made:
    """A person introduced, addressed or spoken of."""
    who = korean_name(rng)
    open_syllable = (ord(who[-1]) - 0xAC00) % 28 == 0
    call = "라고" if open_syllable else "이라고"
    be = rng.choice(["예요", "야"] if open_syllable else ["이에요", "이야"])
    subject = "가" if open_syllable else "이"
    frames = {
        "introduces": [("제 이름은 ", be), ("저는 ", f"{call} 합니다"), ("저는 ", "입니다"), ("내 이름 ", be), ("나는 ", f"{call} 해"),
                       ("안녕하세요 저는 ", be), ("이름: ", ""), ("성함은 ", "입니다")],
        "addressed": [("", "씨 계세요?"), ("", " 님 맞으시죠?"), ("", " 선생님이 숙제 내줬어"), ("", " 학생 어머니예요"), ("우리 반 ", "쌤 무서워")],
        "spoken of": [("내 친구 ", f"{subject} 때렸어"), ("우리 담임 ", " 선생님"), ("짝꿍 ", "이랑 싸웠어" if not open_syllable else "랑 싸웠어"),
                      ("우리 엄마 이름은 ", be), ("동생 이름이 ", be), ("받는 사람 ", "")],
    }  # fmt: skip
    form = rng.choice(list(frames))
    before, after = rng.choice(frames[form])
    return f"\0{before}\0{who}\0{after}", form


_CITIES = {
    "서울특별시": ["강남구", "마포구", "송파구", "종로구", "노원구", "은평구"], "서울": ["관악구", "서초구", "양천구"],
    "부산광역시": ["해운대구", "수영구", "사하구"], "경기도": ["성남시 분당구", "수원시 영통구", "고양시 일산동구", "김포시"],
    "경기": ["안양시 동안구", "파주시"], "강원특별자치도": ["춘천시", "원주시", "홍천군"], "전북특별자치도": ["전주시 완산구", "익산시"],
    "경상남도": ["창원시 성산구", "김해시"], "제주특별자치도": ["제주시", "서귀포시"], "대전": ["유성구"], "인천광역시": ["연수구", "부평구"],
    "세종특별자치시": [""], "충북": ["청주시 흥덕구", "제천시"], "전라남도": ["여수시", "순천시", "해남군"],
}  # fmt: skip
_ROADS = ["테헤란로", "세종대로", "양재대로", "반포대로", "월드컵로", "도산대로", "판교역로", "광교중앙로", "해운대로", "불정로", "중앙로", "정자일로", "봉은사로", "서초대로", "첨단과기로", "동백죽전대로", "산남로", "문정로", "소양로", "노형로", "달구벌대로", "무학로", "솔밭로", "은행로", "새마을로"]  # fmt: skip
_DONGS = [
    "역삼동",
    "정자동",
    "신림동",
    "상계동",
    "우동",
    "노형동",
    "둔산동",
    "송도동",
    "망원동",
    "효자동",
    "문래동3가",
    "봉천동",
]
_VILLAGES = ["애월읍", "한림읍", "기장읍", "오창읍", "남면", "서면", "화도읍"]
_COMPLEXES = ["래미안", "현대아파트", "한빛아파트", "푸르지오", "주공아파트", "행복빌라", "센트럴자이"]


def address(rng: Rng) -> Made:
    """A road-name or lot address, with or without its details."""
    city = rng.choice(list(_CITIES))
    district = rng.choice(_CITIES[city])
    if rng.random() < 0.25:
        lot = f"{rng.randint(1, 990)}" + rng.choice([f"-{rng.randint(1, 40)}", f"-{rng.randint(1, 40)}", "번지"])
        text, form = f"{city} {district} {rng.choice(_DONGS)} {lot}".replace("  ", " "), "lot"
    else:
        road = rng.choice(_ROADS)
        if rng.random() < 0.35:
            road += rng.choice([f"{rng.randint(1, 90)}길", f"{rng.randint(1, 900)}번길", f" {rng.randint(1, 90)}길"])
        number = str(rng.randint(1, 700)) + rng.choice(["", "", f"-{rng.randint(1, 30)}"])
        town = rng.choice(_VILLAGES) + " " if rng.random() < 0.1 else ""
        text, form = f"{city} {district} {town}{road} {number}".replace("  ", " "), "road name"
    if rng.random() < 0.4:
        detail = f"{rng.randint(101, 120)}동 {rng.randint(1, 25)}{rng.randint(1, 6):02d}호"
        text += rng.choice(
            [
                f", {detail}",
                f" {detail}",
                f" {rng.choice(_COMPLEXES)} {detail}",
                f" {rng.randint(2, 20)}층",
                f", {rng.randint(101, 1500)}호",
            ]
        )
        form += " with details"
    if form.startswith("road name") and rng.random() < 0.15:
        text += f" ({rng.choice(_DONGS)})"
        form += " and dong"
    written = rng.choice(["", "", "", "", "full-width", "zero-width"])
    return (_WAYS[written](rng, text) if written else text), form + (f", {written}" if written else "")


def school(rng: Rng) -> Made:
    """A school with a class and a name."""
    place = rng.choice(["한빛", "서울", "대곡", "신림", "분당", "해운대", "중앙", "은평", "가람", "월촌"])
    level, top = rng.choice([("초등학교", 6), ("초", 6), ("중학교", 3), ("고등학교", 3), ("여자중학교", 3), ("중", 3)])
    grade, group = rng.randint(1, top), rng.randint(1, 12)
    where = rng.choice(
        [
            f"{grade}학년 {group}반",
            f"{grade}학년{group}반",
            f"{grade}-{group}",
            f"{grade}학년 {group}반 {rng.randint(1, 30)}번",
        ]
    )
    return f"{place}{level} {where} {korean_name(rng)}", "school, class, name"


# -- English values -----------------------------------------------------------------------------------------------------


def phone_en(rng: Rng) -> Made:
    """A number of North America, the United Kingdom or another country."""
    if rng.random() < 0.3:
        value = rng.choice([
            f"+44 7{rng.choice('4578')}{digits(rng, 2)} {digits(rng, 6)}", f"+33 6 {rng.randint(10, 79)} {digits(rng, 2)} {digits(rng, 2)} {digits(rng, 2)}",
            f"+49 151 {rng.randint(1, 9)}{digits(rng, 7)}", f"+81 90-{rng.randint(1, 9)}{digits(rng, 3)}-{digits(rng, 4)}",
            f"+61 4{rng.randint(1, 3)}{rng.randint(1, 9)} {digits(rng, 3)} {digits(rng, 3)}", f"+91 98{digits(rng, 3)} {digits(rng, 5)}",
            f"+82 10-{rng.randint(2, 9)}{digits(rng, 3)}-{digits(rng, 4)}", f"07{rng.choice('4578')}{digits(rng, 2)} {digits(rng, 6)}",
            f"020 7{digits(rng, 3)} {digits(rng, 4)}",
        ])  # fmt: skip
        return value, "other countries"
    area = rng.choice(
        ["212", "213", "305", "312", "404", "415", "503", "512", "602", "617", "646", "702", "718", "773", "808", "916"]
    )
    value = f"{area}-{rng.randint(2, 9)}{rng.randint(0, 9)}{rng.randint(2, 9)}-{digits(rng, 4)}"
    if rng.random() < 0.3:
        a, b, c = value.split("-")
        return rng.choice([(f"({a}) {b}-{c}", "brackets"), (f"+1 {a}-{b}-{c}", "+1"), (f"1-{a}-{b}-{c}", "1-"),
                           (f"({a}) {b}-{c} ext. {digits(rng, 3)}", "extension")])  # fmt: skip
    text, form = _written(rng, value, _ENGLISH_WAYS, "no separators")
    return text, form


_IBANS = {"GB": "aaaannnnnnnnnnnnnn", "DE": "n" * 18, "FR": "n" * 23, "NL": "aaaa" + "n" * 10, "ES": "n" * 20, "CH": "n" * 17, "BE": "n" * 12,
          "IT": "a" + "n" * 22, "PL": "n" * 24}  # fmt: skip


def iban(rng: Rng) -> Made:
    """An IBAN, grouped by four or in one piece."""
    country = rng.choice(list(_IBANS))
    bban = "".join(rng.choice(string.ascii_uppercase if one == "a" else string.digits) for one in _IBANS[country])
    check = 98 - int("".join(str(int(char, 36)) for char in f"{bban}{country}00")) % 97
    value = f"{country}{check:02d}{bban}"
    grouped = " ".join(value[n : n + 4] for n in range(0, len(value), 4))
    forms = {
        "plain": value,
        "grouped": grouped,
        "lower case": value.lower(),
        "hyphens": grouped.replace(" ", "-"),
        "full-width": _wide(value),
    }
    form = rng.choice(list(forms))
    return forms[form], form


def card_en(rng: Rng) -> Made:
    """A payment card."""
    value = card_number(rng, ["4", "4", "51", "52", "55", "2221", "34", "37", "6011", "65", "3528", "62"])
    return _written(rng, value, _WAYS)


def ssn(rng: Rng) -> Made:
    """A social security number."""
    area = rng.choice([n for n in range(1, 900) if n != 666])
    value = f"{area:03d}-{rng.randint(1, 99):02d}-{rng.randint(1, 9999):04d}"
    form = rng.choice(["plain", "plain", "spaces", "full-width", "en dashes", "zero-width"])
    return _WAYS[form](rng, value), form


def email_en(rng: Rng) -> Made:
    """An address of mail."""
    who = rng.choice(
        [
            "john.smith",
            "jane_doe",
            "mike.b",
            "sarah",
            "alex",
            "tom+news",
            "coolkid",
            "emma.w",
            "o.brien",
            "the-real-max",
        ]
    ) + rng.choice(["", digits(rng, 2), digits(rng, 4)])
    host = rng.choice(
        ["gmail.com", "yahoo.com", "outlook.com", "proton.me", "icloud.com", "mail.example.org", "uni.edu", "bbc.co.uk"]
    )
    forms = {
        "plain": f"{who}@{host}", "spaces": f"{who} @ {host}", "(at)": f"{who}(at){host}", "[at] [dot]": f"{who} [at] {host.replace('.', ' [dot] ')}",
        "at dot": f"{who} at {host.replace('.', ' dot ')}", "full-width": _wide(f"{who}@{host}"), "zero-width": "\u200b".join(f"{who}@{host}"),
        "upper case": f"{who}@{host}".upper(), "(at) (dot)": f"{who} (at) {host.replace('.', ' (dot) ')}",
    }  # fmt: skip
    form = rng.choice(["plain", "plain", *forms])
    return forms[form], form


def passport_en(rng: Rng) -> Made:
    """A passport number of nine places, the word for passport before it."""
    value = rng.choice([digits(rng, 9), rng.choice(string.ascii_uppercase) + digits(rng, 8)])
    return f"\0{rng.choice(['passport number is ', 'passport no. ', 'passport: '])}\0{value}", "nine places"


def messenger_en(rng: Rng) -> Made:
    """A name in a messenger."""
    who = (
        rng.choice(["cool", "night", "star", "pixel", "wolf", "bunny", "gamer", "sunny"])
        + rng.choice(["kid", "fox", "_x", ""])
        + digits(rng, rng.randint(2, 4))
    )
    before, form = rng.choice([
        ("my discord is ", "Discord"), ("discord: ", "Discord"), ("snap me at ", "Snapchat"), ("my snapchat is ", "Snapchat"),
        ("insta: @", "Instagram"), ("follow my instagram @", "Instagram"), ("telegram @", "Telegram"), ("my roblox username is ", "Roblox"),
        ("add me on discord, ", "Discord"),
    ])  # fmt: skip
    if form == "Discord" and rng.random() < 0.4:
        who += "#" + digits(rng, 4)
    return f"\0{before}\0{who}", form


_FIRST = ["James", "Mary", "Robert", "Patricia", "John", "Jennifer", "Michael", "Linda", "David", "Elizabeth", "William", "Olivia", "Liam", "Emma", "Noah", "Ava", "Sophia", "Mason", "Mia", "Ethan", "Harper", "Priya", "Wei", "Aisha", "Mateo", "Yuki", "Zoe", "Tyrone", "Svetlana", "Kwame"]  # fmt: skip
_LAST = ["Smith", "Johnson", "Williams", "Brown", "Jones", "Garcia", "Miller", "Davis", "Rodriguez", "Martinez", "Hernandez", "Lopez", "Wilson", "Anderson", "Thomas", "Taylor", "Moore", "Jackson", "Nguyen", "O'Brien", "Patel", "Kowalski", "Okafor", "Van-Dyke", "McDonald", "Schmidt"]  # fmt: skip


def name_en(rng: Rng) -> Made:
    """A person introduced, addressed, or spoken of."""
    who = f"{rng.choice(_FIRST)} {rng.choice(_LAST)}"
    frames = {
        "introduces": [("My name is ", "."), ("Hi, I'm ", "."), ("I am ", " and I need help"), ("my name's ", ""), ("Name: ", ""), ("This is ", " speaking")],
        "addressed": [("Dear ", ","), ("Ask Mr. ", " please"), ("Dr. ", " told me so"), ("Mrs. ", " is my teacher")],
        "spoken of": [("My friend ", " hit me"), ("my teacher is called ", ""), ("her name is ", "."), ("My mom's name is ", ""), ("my brother ", " is sick")],
        "signed": [("Best regards, ", ""), ("Sincerely, ", ""), ("Signed, ", "")],
    }  # fmt: skip
    form = rng.choice(list(frames))
    before, after = rng.choice(frames[form])
    return f"\0{before}\0{who}\0{after}", form


_STREETS = [
    "Oak",
    "Maple",
    "Washington",
    "Park",
    "Elm",
    "Sunset",
    "Lincoln",
    "Church",
    "Baker",
    "Highland",
    "River",
    "Evergreen",
    "Willow",
    "King's",
]
_TOWNS = [
    ("Springfield", "IL"),
    ("Portland", "OR"),
    ("Austin", "TX"),
    ("San Diego", "CA"),
    ("Newark", "NJ"),
    ("Salt Lake City", "UT"),
    ("Miami", "FL"),
]
_UK = [
    ("London", "NW1 6XE"),
    ("Leeds", "LS1 4AP"),
    ("Manchester", "M1 1AE"),
    ("Bristol", "BS8 1TH"),
    ("Oxford", "OX1 3PN"),
]


def address_en(rng: Rng) -> Made:
    """A postal address of the United States or the United Kingdom."""
    road = f"{rng.choice(['', '', 'N ', 'West '])}{rng.choice(_STREETS)} {rng.choice(['Street', 'St', 'Avenue', 'Ave', 'Road', 'Rd', 'Drive', 'Lane', 'Boulevard', 'Blvd', 'Court', 'Terrace', 'Way', 'Place'])}"
    if rng.random() < 0.3:
        town, code = rng.choice(_UK)
        text, form = (
            f"{rng.choice(['', f'Flat {rng.randint(1, 40)}, '])}{rng.randint(1, 300)}{rng.choice(['', '', 'A', 'B'])} {road}, {town} {code}",
            "United Kingdom",
        )
    elif rng.random() < 0.1:
        town, state = rng.choice(_TOWNS)
        text, form = f"P.O. Box {rng.randint(10, 9999)}, {town}, {state} {rng.randint(10000, 99999)}", "post box"
    else:
        town, state = rng.choice(_TOWNS)
        unit = rng.choice(
            ["", "", f", Apt {rng.randint(1, 99)}", f" Apt. {rng.randint(1, 20)}B", f", Suite {rng.randint(100, 900)}"]
        )
        text = f"{rng.randint(1, 9999)} {road}{unit}"
        form = "street"
        if rng.random() < 0.7:
            text, form = f"{text}, {town}, {state} {rng.randint(10000, 99999)}", "United States"
    if rng.random() < 0.1:
        return text.lower() if form == "street" else text, f"{form}, lower case" if form == "street" else form
    return text, form


# -- sentences ----------------------------------------------------------------------------------------------------------

_KOREAN_FRAMES = {
    STRUCTURED: ["{v}{p}", "이거야 {v}{p}", "내 거 알려줄게 {v}{p}", "엄마가 {v}{p} 말하지 말랬는데", "{v}{p} 맞지?", "혹시 몰라서 적어둬 {v}", "나중에 여기로 해 {v} ㅋㅋ",
                 "저기요... {v}{p} 까먹으면 안 돼", "응응 {v}", "아 맞다 ({v}) 이거 외워", "선생님한테는 {v}라고 했어", "그럼{v}{p}"],
    FREE: ["{v}", "{v} 기억해", "있잖아 {v}", "{v} ㅋㅋ", "사실 {v}", "{v}. 비밀이야", "음.. {v}"],
    "address": ["우리 집 주소는 {v}", "나 {v}에 살아", "{v}로 보내줘", "{v}", "주소 {v} 맞아?", "택배는 {v}로 와", "어제 {v}로 이사했어"],
    "school": ["나 {v}", "{v}이야", "저는 {v}입니다", "{v}", "걔는 {v}"],
}  # fmt: skip
_KOREAN_ENDS = ["", "", "야", "이야", "입니다", "예요", "로 해줘", "인데", "라고", "이거든", "으로", "한테 말해"]
_ENGLISH_FRAMES = {
    STRUCTURED: ["{v}", "here it is: {v}", "it's {v}, ok?", "can you remember {v} for me", "mom said never share {v}", "so... {v}!", "try {v} please",
                 "I wrote down {v} yesterday", "is {v} right?", "({v})", "use {v} instead of the old one"],
    FREE: ["{v}", "hello. {v}", "ok so {v}", "hey! {v}"],
    "address": ["I live at {v}", "{v}", "my address is {v}", "send it to {v}", "We moved to {v} last week", "meet me at {v}", "home: {v}"],
    "school": ["{v}"],
}  # fmt: skip

Maker = Callable[[Rng], Made]
KOREAN: dict[str, tuple[Maker, str, int]] = {
    "rrn": (rrn, STRUCTURED, 3), "phone": (mobile, STRUCTURED, 3), "landline": (landline, STRUCTURED, 2), "account": (account, STRUCTURED, 2),
    "card": (card, STRUCTURED, 2), "passport": (passport, STRUCTURED, 1), "licence": (licence, STRUCTURED, 1), "email": (email, STRUCTURED, 1),
    "ip": (ip, STRUCTURED, 1), "secret": (secret, STRUCTURED, 1), "messenger": (messenger, STRUCTURED, 2), "address": (address, FREE, 3),
    "name": (name, FREE, 3), "school": (school, FREE, 1),
}  # fmt: skip
ENGLISH: dict[str, tuple[Maker, str, int]] = {
    "phone": (phone_en, STRUCTURED, 3), "card": (card_en, STRUCTURED, 2), "iban": (iban, STRUCTURED, 2), "email": (email_en, STRUCTURED, 2),
    "ip": (ip, STRUCTURED, 1), "secret": (secret, STRUCTURED, 2), "ssn": (ssn, STRUCTURED, 1), "passport": (passport_en, STRUCTURED, 1),
    "messenger": (messenger_en, STRUCTURED, 1), "name": (name_en, FREE, 3), "address": (address_en, FREE, 3),
}  # fmt: skip


def _item(rng: Rng, kind: str, maker: Maker, group: str, language: str) -> Item:
    made, form = maker(rng)
    before, value, after = (*made.split("\0")[1:], "")[:3] if made.startswith("\0") else ("", made, "")
    frames = _KOREAN_FRAMES if language == "ko" else _ENGLISH_FRAMES
    frame = rng.choice(frames.get(kind, frames[group]))
    end = rng.choice(_KOREAN_ENDS) if "\0" not in made[1:].split("\0", 2)[-1] else ""
    frame = frame.replace("{p}", end)
    head, tail = frame.split("{v}")
    text = f"{head}{before}{value}{after}{tail}"
    start = len(head) + len(before)
    return Item(text, start, start + len(value), kind, form, group, language)


def generate(language: str, count: int, seed: int) -> list[Item]:
    """Return ``count`` items of ``"ko"`` or ``"en"``, every kind by its weight, from one seed."""
    rng = random.Random(f"{language} {seed}")
    kinds = KOREAN if language == "ko" else ENGLISH
    turns = [kind for kind, (_, _, weight) in kinds.items() for _ in range(weight)]
    return [
        _item(rng, kind, kinds[kind][0], kinds[kind][1], language)
        for kind in (turns[n % len(turns)] for n in range(count))
    ]
