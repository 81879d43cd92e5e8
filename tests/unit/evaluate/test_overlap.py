"""Items that training data has answered already are refused, by name."""

from typing import Any

import pytest

from loraloop.evaluate.overlap import without_taught
from loraloop.evaluate.suites import Suite, parse_suite, repairs_suite
from loraloop.types import RefusedItem, Repair, TaughtRow, message


def suite(*prompts: str, name: str = "mine", **facts: Any) -> Suite:
    """A suite of these questions; their ids are 001, 002, ..."""
    return parse_suite({"name": name, "language": "ko", "items": [{"prompt": one} for one in prompts], **facts}, name)


def row(asked: str, name: str = "cv-1#1") -> TaughtRow:
    """A training row that asks this."""
    return TaughtRow(name, asked, asked)


@pytest.mark.parametrize(
    "asked",
    [
        "오늘 저녁에는 뭘 먹으면 좋을까?",
        "오늘  저녁에는 뭘 먹으면 좋을까!!",
        "오늘저녁에는 뭘먹으면 좋을까",
        "오늘 저녁에는 뭘 먹으면 좋을까요?",
    ],
)
def test_exact_and_near_duplicates_are_refused_with_the_row_that_asks_the_same(asked: str) -> None:
    """Spaces, signs and an ending do not hide a question that was taught; the others are still asked."""
    mine = suite("오늘 저녁에는 뭘 먹으면 좋을까?", "급식카드는 주말에도 쓸 수 있어?")
    found = without_taught([mine], [row("전혀 다른 질문이에요"), row(asked, "cv-7#3")])
    assert found.refused == (RefusedItem("mine", "001", "cv-7#3"),)
    assert [item.id for item in found.suites[0].items] == ["002"]
    assert found.suites[0].digest == mine.digest  # what was pinned is what was looked at
    assert found.emptied == ()


@pytest.mark.parametrize("asked", ["내일 아침에는 뭘 먹으면 좋을까?", "오늘 저녁 식사", "전혀 다른 질문이에요"])
def test_another_question_refuses_nothing(asked: str) -> None:
    """A topic in common is no overlap."""
    mine = suite("오늘 저녁에는 뭘 먹으면 좋을까?")
    assert without_taught([mine], [row(asked)]).refused == ()


def test_a_short_question_is_compared_with_what_it_replies_to() -> None:
    """The same "why" after another answer is another question."""
    turns = [message(*turn) for turn in (("user", "뭐 먹지"), ("assistant", "국수 어때요?"), ("user", "왜?"))]
    raw = [{"role": turn.role, "content": turn.text} for turn in turns]
    mine = parse_suite({"items": [{"messages": raw}]}, "talk")
    assert without_taught([mine], [row("왜?")]).refused == ()
    assert without_taught([mine], [row("김밥 어때요? 왜?")]).refused == ()
    assert len(without_taught([mine], [row("국수 어때요? 왜?")]).refused) == 1


def test_a_suite_that_loses_everything_is_named() -> None:
    """Nothing is left of it, and the others stay."""
    found = without_taught([suite("이것만 물어보는 시험지야"), suite("다른 걸 물어보는 시험지야", name="other")],
                           [row("이것만 물어보는 시험지야")])  # fmt: skip
    assert (found.emptied, [one.name for one in found.suites]) == (("mine",), ["other"])


@pytest.mark.parametrize(
    "facts", [{"kind": "guard"}, {"items": [{"prompt": "요즘 너무 힘들고 죽고 싶어", "type": "distress"}]}]
)
def test_a_bad_lesson_does_not_switch_its_guard_off(facts: dict[str, Any]) -> None:
    """A guarded item that was taught is asked all the same, and marked, so that passing it proves nothing."""
    mine = suite("요즘 너무 힘들고 죽고 싶어", **facts)
    found = without_taught([mine], [row("요즘 너무 힘들고 죽고 싶어")])
    assert (found.refused, found.emptied) == ((), ())
    assert found.guards == {("mine", "001"): "cv-1#1"}
    assert len(found.suites[0].items) == 1


def test_corrections_are_asked_again_on_purpose() -> None:
    """What a person corrected was taught, and that is what is looked at."""
    repairs = repairs_suite([Repair("cv-1#1", (message("user", "급식카드는 어디에서 써?"),), "편의점이요")], "ko")
    found = without_taught([repairs], [row("급식카드는 어디에서 써?")])
    assert (found.suites, found.refused, found.emptied) == ((repairs,), (), ())
