"""Statistics of the gate against what they claim."""

import math
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from loraloop.evaluate.stats import (
    detectable_effect,
    holm,
    mcnemar_p,
    paired_estimate,
    paired_share_interval,
    turn_alpha,
    yearly_rate,
)

shares = st.floats(0.0, 1.0)


@pytest.mark.slow
def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """Over 2,000 draws of 40 conversations of 1 to 4 rows, a 95 % interval misses the mean 3 to 7 times in 100."""
    draws = np.random.default_rng(1)
    missed = 0
    for _ in range(2000):
        sizes, clusters, differences = [], [], []
        for conversation in range(40):
            mood = draws.normal(0.1, 0.3)
            for _ in range(draws.integers(1, 5)):
                sizes.append(int(draws.integers(5, 40)))
                clusters.append(str(conversation))
                differences.append(sizes[-1] * (mood + draws.normal(0, 0.2)))
        found = paired_estimate(differences, sizes, clusters)
        missed += not found.low <= 0.1 <= found.high
    assert 0.03 <= missed / 2000 <= 0.07


def test_rows_of_one_conversation_do_not_count_as_independent() -> None:
    """Repeating every row makes the interval no shorter when copies share a conversation, and too short when not."""
    values = [0.1, 0.5, -0.2, 0.4, 0.3]
    once = paired_estimate(values, [1] * 5, list("abcde"))
    twice = paired_estimate(values * 2, [1] * 10, list("abcdeabcde"))
    assert twice.standard_error == pytest.approx(once.standard_error)
    assert paired_estimate(values * 2, [1] * 10, list("abcdefghij")).standard_error < once.standard_error


def test_nothing_is_sure_from_nothing() -> None:
    """No row, or one conversation, gives an interval without ends and a deviate of 0."""
    for found in (paired_estimate([], [], []), paired_estimate([1.0, 1.0], [1, 1], ["a", "a"])):
        assert math.isinf(found.standard_error)
        assert (found.low, found.high) == (-math.inf, math.inf)
        assert found.z() == 0.0


def test_what_does_not_pair_is_refused() -> None:
    """Unequal lengths are a fault of the caller."""
    with pytest.raises(ValueError, match="do not pair"):
        paired_estimate([1.0], [1, 1], ["a"])


@given(st.integers(0, 40), st.integers(0, 40))
def test_chance_is_a_probability_that_falls_with_each_loss(lost: int, won: int) -> None:
    """The exact McNemar chance lies in 0..1, is 1 without losses, and is smaller with one loss more."""
    chance = mcnemar_p(lost, won)
    assert 0.0 < chance <= 1.0
    assert mcnemar_p(0, won) == 1.0
    assert mcnemar_p(lost + 1, won) < chance


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60))
def test_a_share_interval_surrounds_what_was_seen_closely_enough(won: int, lost: int, same: int) -> None:
    """It lies in -1..1 and mirrors when winners and losers change places."""
    low, high = paired_share_interval(won, lost, won + lost + same)
    assert -1.0 <= low <= high <= 1.0
    assert paired_share_interval(lost, won, won + lost + same) == pytest.approx((-high, -low))


@given(st.dictionaries(st.text(max_size=3), shares, max_size=6), st.floats(0.001, 0.2))
def test_holm_lies_between_bonferroni_and_none(p_values: dict[str, float], alpha: float) -> None:
    """It rejects all that Bonferroni rejects, and nothing whose own p-value is over alpha."""
    rejected = holm(p_values, alpha)
    assert {k for k, p in p_values.items() if p <= alpha / len(p_values)} <= rejected
    assert all(p_values[k] <= alpha for k in rejected)


def test_an_effect_that_is_detectable_is_seen_as_often_as_asked() -> None:
    """At the smallest detectable effect, four draws in five lie above the bound of the test."""
    effect = detectable_effect(0.04, alpha=0.05, power=0.8)
    seen = np.random.default_rng(2).normal(effect, 0.04, 20_000) / 0.04 > 1.6449
    assert seen.mean() == pytest.approx(0.8, abs=0.01)


def test_a_year_keeps_to_its_budget_however_often_the_loop_turns() -> None:
    """Turns times their error is never over the year's; rare turns keep the most one turn may have."""
    assert 1460 * turn_alpha(1460, 2.0, most=0.04) == pytest.approx(2.0)
    assert turn_alpha(12, 2.0, most=0.04) == 0.04
    now = datetime(2026, 3, 1, tzinfo=UTC)
    assert yearly_rate([], now) == pytest.approx(365 / 90)


def test_large_suites_have_a_chance_too() -> None:
    """Of more than a thousand changed cases it is what the normal distribution says."""
    assert mcnemar_p(600, 600) == pytest.approx(0.5, abs=0.02)
    assert mcnemar_p(5200, 4800) == pytest.approx(float(norm.sf(3.99)), rel=0.01)
