"""A small part of `make bench NAME=redact`: recall on made-up personal data, precision on clean chat."""

import importlib.util
import sys
from pathlib import Path

import pytest

from loraloop.text.redact import Placeholders, find, redact

BENCHMARKS = Path(__file__).resolve().parents[3] / "benchmarks"
SEED = 1  # the seed the rules were tuned on; the benchmark reports on others


def _corpus():
    spec = importlib.util.spec_from_file_location("redact_corpus", BENCHMARKS / "redact_corpus.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def _is_taken(item):
    covered = {place for start, end, *_ in find(item.text) for place in range(start, end)}
    return all(place in covered for place in range(item.start, item.end) if item.text[place].isalnum())


@pytest.mark.parametrize("language", ["ko", "en"])
def test_recall_on_400_made_up_values(language):
    """Of 400 values 99 % of the structured ones and 90 % of names and addresses are taken to their last digit."""
    corpus = _corpus()
    missed = {corpus.STRUCTURED: [], corpus.FREE: []}
    items = corpus.generate(language, 400, SEED)
    for item in items:
        if not _is_taken(item):
            missed[item.group].append(item.text)
    for group, least in ((corpus.STRUCTURED, 0.99), (corpus.FREE, 0.90)):
        asked = sum(item.group == group for item in items)
        assert len(missed[group]) <= (1 - least) * asked, missed[group]


@pytest.mark.parametrize(
    "text",
    [
        "저는 이상한 꿈을 꿨어요",
        "나는 강아지가 좋아",
        "저는 유학생입니다",
        "이름이 뭐야?",
        "그걸로 2개 주세요",
        "집으로 가는 길 3시에",
        "서울로 10명이 갔어",
        "종로 3가에서 만나",
        "강남구에 살아",
        "우리 학교 3학년 2반이 이겼어",
        "카톡 보내줘",
        "라인 3개 지워",
        "김치찌개 먹자",
        "한국 사람이 좋아",
        "my name is not important",
        "Look at example.com for more",
        "I walked 5 miles down the road",
        "it took 2 long days",
        "line 404 is wrong",
        "to 1369 North we go",
        "version 10.2.3.4 is out",
        "call me later",
        "Dear Diary, today was fun",
        "the cat is called that",
        "고객님 안녕하세요",
        "선생님 저는 몰라요",
        "2026-11-25 10:30",
        "zero one two",
        "하나 둘 셋 넷 다섯",
        "일이 많아서 삼일 쉬었어",
    ],
)
def test_harmless_sentences_stay(text):
    """What only resembles names, addresses and numbers is left alone."""
    assert redact(text).text == text


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("내 이름은 김민준이야", "내 이름은 [NAME]이야"),
        ("서울특별시 강남구 테헤란로 123, 101동 1203호에 살아", "[ADDRESS]에 살아"),
        ("한빛초등학교 3학년 2반 김하늘이야", "[SCHOOL]이야"),
        ("카톡 아이디 happy_01이야", "카톡 아이디 [MESSENGER]이야"),
        ("I live at 221B Baker Street, London NW1 6XE.", "I live at [ADDRESS]."),
        ("send it to GB82 WEST 1234 5698 7654 32 please", "send it to [ACCOUNT] please"),
        ("four one five five five five two six seven one", "[PHONE]"),
        ("0️⃣1️⃣0️⃣-1234-5678", "[PHONE]"),
    ],
)
def test_kinds_by_example(text, left):
    """Names, addresses, classes and messenger names go, and the rest of the sentence stays."""
    assert redact(text).text == left


def test_a_value_has_one_placeholder_in_a_conversation():
    """The same number, however it is written, is the same placeholder; another number is another one."""
    said = Placeholders()
    first = redact("내 번호 010-1234-5678, 엄마는 010-9876-5432", said).text
    again = redact("엄마 번호가 공일공 구팔칠육 오사삼이 맞아, 내 거는 01012345678", said).text
    assert first == "내 번호 [PHONE], 엄마는 [PHONE_2]"
    assert again == "엄마 번호가 [PHONE_2] 맞아, 내 거는 [PHONE]"


def test_new_values_are_numbered_after_the_placeholders_that_stand_there():
    """A conversation that was redacted before keeps its placeholders to itself."""
    said = Placeholders(["내 번호 [PHONE], 엄마는 [PHONE_2]"])
    assert redact("아빠는 010-1111-2222", said).text == "아빠는 [PHONE_3]"
