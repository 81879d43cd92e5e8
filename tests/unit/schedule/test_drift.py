"""Topics compared without keeping a word."""

import random

import pytest

from loraloop.schedule import triggers
from loraloop.schedule.config import SchedulerConfig
from loraloop.schedule.drift import level_of, look_number, topic_counts, topic_drift
from loraloop.schedule.facts import Drift, Facts
from loraloop.testing.clock import START

MEALS = [
    "오늘",
    "급식",
    "메뉴는",
    "뭐야",
    "김치",
    "볶음밥",
    "먹고",
    "싶어",
    "점심",
    "저녁",
    "간식",
    "맛있는",
    "반찬",
    "rice",
    "soup",
    "lunch",
    "dinner",
    "snack",
    "kitchen",
]
SCHOOL = [
    "수학",
    "숙제",
    "도와줘",
    "시험",
    "공부",
    "선생님",
    "학교",
    "방과후",
    "교실",
    "친구",
    "homework",
    "maths",
    "teacher",
    "exam",
    "school",
    "lesson",
]


def people(drawn: random.Random, topics: list[list[str]], count: int) -> list[dict[int, int]]:
    """People who each said some words of one of these topics."""
    return [topic_counts([" ".join(drawn.choices(drawn.choice(topics), k=12))], b"key") for _ in range(count)]


def test_other_topics_are_noticed_and_the_same_ones_are_not() -> None:
    """Meals against school at forty people a side is far beyond chance; both mixed alike is not."""
    drawn = random.Random(1)
    moved = topic_drift(people(drawn, [MEALS], 40), people(drawn, [MEALS, SCHOOL], 40), level=0.005)
    assert moved.p_value <= 0.005
    alike = topic_drift(people(drawn, [MEALS, SCHOOL], 40), people(drawn, [MEALS, SCHOOL], 40), level=0.005)
    assert alike.p_value > 0.005
    assert moved.distance > alike.distance
    assert (moved.before, moved.since) == (40, 40)


def test_p_values_of_equals_are_spread_evenly() -> None:
    """Of 40 comparisons of the same topics about one in five is at or under 0.2: the test keeps its level."""
    drawn = random.Random(2)
    found = []
    for seed in range(40):
        before, since = (people(drawn, [MEALS, SCHOOL], 12) for _ in range(2))
        found.append(topic_drift(before, since, level=0.2, seed=seed).p_value)
    assert 1 <= sum(p <= 0.2 for p in found) <= 17


def test_all_comparisons_of_one_wait_keep_the_stated_rate_together() -> None:
    """Levels of the doublings add up to the false alarms allowed; a comparison comes at each doubling only."""
    assert sum(level_of(look, 0.01) for look in range(10_000)) == pytest.approx(0.01, rel=1e-3)
    assert [look_number(30 * 2**n, 30) for n in range(8)] == list(range(8))


def test_only_keyed_counts_are_made_of_words() -> None:
    """Another key puts the same words into other buckets; spaces and case change nothing; no text gives nothing."""
    assert topic_counts(["급식 메뉴"], b"a") == topic_counts(["급식메뉴"], b"a") != topic_counts(["급식메뉴"], b"b")
    assert topic_counts(["", "?!"], b"a") == {}


@pytest.mark.parametrize(("p_value", "fires"), [(0.004, True), (0.006, False)])
def test_the_trigger_fires_at_its_level(p_value: float, fires: bool) -> None:
    """It tells distance, probability and level; before there is enough to compare it waits."""
    found = triggers.drift(Facts(START, drift=Drift(0.4, p_value, 0.005, 100, 60)), SchedulerConfig())
    assert found.fires is fires
    assert "0.40" in found.reason
    assert not triggers.drift(Facts(START), SchedulerConfig()).fires
