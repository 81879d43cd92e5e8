"""Falling approval, looked at after every judgement."""

import random

import pytest

from loraloop.schedule import triggers
from loraloop.schedule.approval import fall_evidence
from loraloop.schedule.config import SchedulerConfig
from loraloop.schedule.facts import Facts, Votes
from loraloop.testing.clock import START

ALPHA = 0.1


def ever_fires(drawn: random.Random, before: float, since: list[float]) -> int | None:
    """After how many judgements the test first fires, if it does; the past has 100 of them."""
    ups = sum(drawn.random() < before for _ in range(100))
    votes: list[bool] = []
    for rate in since:
        votes.append(drawn.random() < rate)
        if len(votes) % 5 == 0 and fall_evidence(ups, 100, votes, alpha=ALPHA, fall=0.0) >= 2 / ALPHA:
            return len(votes)
    return None


def test_false_alarms_stay_at_the_stated_rate_however_often_one_looks() -> None:
    """Of 150 pairs of a past and 150 judgements at the same rate, looked at 30 times, at most one in ten fires."""
    drawn = random.Random(5)
    alarms = sum(ever_fires(drawn, 0.8, [0.8] * 150) is not None for _ in range(150))
    assert alarms <= ALPHA * 150


def test_a_fall_is_seen_also_where_it_comes_late() -> None:
    """From 90 to 50 in a hundred, at once or after 60 good ones, is seen within 60 judgements in four of five."""
    drawn = random.Random(6)
    for calm in (0, 60):
        seen = [ever_fires(drawn, 0.9, [0.9] * calm + [0.5] * 60) for _ in range(30)]
        assert sum(one is not None and one > calm for one in seen) >= 24, calm


def test_a_few_bad_ones_prove_nothing() -> None:
    """Three thumbs down in a row after 90 of 100 are no fall; nor is anything where little is known of before."""
    assert fall_evidence(90, 100, [False] * 3, alpha=0.01, fall=0.05) < 200
    assert fall_evidence(0, 100, [False] * 100, alpha=0.01, fall=0.05) == 1
    few = triggers.approval(Facts(START, votes=Votes(5, 5, (False,) * 50)), SchedulerConfig())
    assert not few.fires
    assert "20 are required" in few.reason


@pytest.mark.parametrize(("since", "fires"), [((True,) * 30, False), ((False,) * 30, True)])
def test_the_trigger_tells_counts_evidence_and_what_is_required(since: tuple[bool, ...], fires: bool) -> None:
    """Its reading holds the numbers that it decided by."""
    found = triggers.approval(Facts(START, votes=Votes(90, 100, since)), SchedulerConfig())
    assert found.fires is fires
    assert found.required == 200
    assert f"{sum(since)} of 30 judgements" in found.reason
