"""Redaction rule by rule, and what must never be hit."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loraloop.text.personal_money import passes_luhn
from loraloop.text.redact import redact

PARTICLES = ["", "이야", "로 연락줘", "입니다.", "예요", "한테", "이고 ", ", ", ")"]


@pytest.mark.parametrize("after", PARTICLES)
@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("010-1234-5678", "phone"),
        ("01012345678", "phone"),
        ("010.1234.5678", "phone"),
        ("010 1234 5678", "phone"),
        ("0 1 0 1 2 3 4 5 6 7 8", "phone"),
        ("０１０－１２３４－５６７８", "phone"),
        ("010\u200b1234\u200b5678", "phone"),
        ("010–1234–5678", "phone"),
        ("공일공 일이삼사 오육칠팔", "phone"),
        ("공일공일이삼사오육칠팔", "phone"),
        ("공1공-1234-오육칠팔", "phone"),
        ("o1o-1234-5678", "phone"),
        ("+82 10-1234-5678", "phone"),
        ("02-312-4567", "phone"),
        ("031-234-5678", "phone"),
        ("+1 415-555-2671", "phone"),
        ("901115-1234567", "rrn"),
        ("9011151234567", "rrn"),
        ("201103-4123456", "rrn"),
        ("901115-5123456", "rrn"),
        ("901115-1******", "rrn"),
        ("4111-1111-1111-1111", "card"),
        ("4111111111111111", "card"),
        ("５５５５ ５５５５ ５５５５ ４４４４", "card"),
        ("chulsu.kim@naver.com", "email"),
        ("chulsu(at)naver.com", "email"),
        ("chulsu골뱅이naver점com", "email"),
        ("203.0.113.9", "ip"),
        ("2001:db8::8a2e:370:7334", "ip"),
        ("sk-abcdEFGH1234abcdEFGH1234", "secret"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcdefghijk", "secret"),
    ],
)
def test_glued_to_korean(value, kind, after):
    """Personal data is found between Korean words, with any particle glued to it."""
    result = redact(f"제꺼는{value}{after}")
    assert result.found == (kind,)
    assert f"[{kind.upper()}]" in result.text


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("계좌는 110-123-456789 신한은행이야", "account"),
        ("국민은행 12345678901234 로 입금해줘", "account"),
        ("여권번호는 M12345678이고", "passport"),
        ("여권 M123A4567", "passport"),
        ("운전면허 11-22-123456-33", "licence"),
        ("비밀번호는 abcd1234!", "secret"),
        ("password: hunter2hunter", "secret"),
        ("Authorization: Bearer abcdefghijklmnopqrst", "secret"),
    ],
)
def test_by_a_word_nearby(text, kind):
    """Shapes that also fit harmless numbers are taken where a word nearby says what they are."""
    assert redact(text).found == (kind,)


@pytest.mark.parametrize(
    "text",
    [
        "12,000원",
        "가격은 12,000원이고 3,500원 할인",
        "2026-11-24",
        "2026.11.24 13:00에 입금했어요",
        "2026/11/24 ~ 2026/12/01 은행 휴무",
        "주문번호 20261124-0001234",
        "주문번호는 2611241234567입니다",
        "운송장 1234567890123",
        "1577-0199로 전화해",
        "청소년 전화 1388",
        "1588-1234",
        "112에 신고해",
        "오후 3시 30분에 12명",
        "이일은 삼사일 걸려",
        "버전 1.2.3.4",
        "사업자등록번호 123-45-67890",
        "127.0.0.1",
        "12:30:45",
        "통장에 1,000,000원 있어",
        "칼로리 350kcal, 나트륨 1,200mg",
        "ISBN 9788966262281",
        "내 점수는 100.5점",
        "A12345678번 상품",
        "위도 37.5665, 경도 126.9780",
        "std::vector<int>",
        "f(a, b) = a @ b",
    ],
)
def test_harmless_numbers_stay(text):
    """Prices, dates, order numbers, help lines and code are left alone."""
    assert redact(text).found == ()
    assert redact(text).text == text


@given(st.text(st.sampled_from("0123456789-. 공일이@a.com[]계좌은행카드번호:PHONE０１\u200b+/")))
def test_redacting_twice_changes_nothing(text):
    """A redacted text holds nothing more to redact, whatever was in it."""
    once = redact(text)
    again = redact(once.text)
    assert again.text == once.text
    assert again.found == ()


@given(st.text())
def test_any_text_is_taken(text):
    """No text makes redaction fail, and what it finds stands in the text."""
    result = redact(text)
    assert all(f"[{kind.upper()}]" in result.text for kind in result.found)


def test_found_kinds_are_in_the_order_of_the_text():
    """The kinds tell the story from left to right."""
    assert redact("a@b.co 그리고 010-1234-5678, 카드 4111-1111-1111-1111").found == ("email", "phone", "card")


@pytest.mark.parametrize(
    "text", ["0" * 20_000, "1-" * 10_000, "a@" * 10_000, "공일" * 10_000, "(at)" * 5_000, "1234 " * 4_000, "a." * 9_000]
)
def test_hostile_text_takes_linear_time(text):
    """Twenty thousand hostile characters are read in under two seconds."""
    started = time.perf_counter()
    redact(text)
    assert time.perf_counter() - started < 2.0


def test_luhn_refuses_a_changed_digit():
    """One changed digit fails the check, for each of the sixteen places."""
    card = "4111111111111111"
    assert passes_luhn(card)
    assert not any(passes_luhn(card[:n] + str((int(card[n]) + 1) % 10) + card[n + 1 :]) for n in range(16))
