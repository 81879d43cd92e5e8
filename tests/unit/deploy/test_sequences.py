"""Evidence that may be looked at after every user."""

import doctest
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loraloop.deploy import assignment, autorollback, sequences
from loraloop.deploy.config import ExperimentConfig
from loraloop.deploy.sequences import (
    Sums,
    harm,
    paired_evidence,
    paired_interval,
    ratio_evidence,
    smallest_ratio_fault,
    sure_reach,
)
from loraloop.testing.simulated_users import World, play_guardrails, play_primary, play_ratio

CONFIG = ExperimentConfig()


@pytest.mark.parametrize("module", [sequences, assignment, autorollback], ids=lambda module: module.__name__)
def test_the_examples_hold(module: object) -> None:
    """What the docstrings show is what comes out."""
    assert doctest.testmod(module, extraglobs={}).failed == 0  # type: ignore[arg-type]


@given(st.integers(0, 400), st.integers(0, 2000), st.integers(0, 400), st.floats(0.001, 0.1))
def test_an_interval_holds_what_was_seen_and_agrees_with_the_evidence(
    plus: int, zero: int, minus: int, alpha: float
) -> None:
    """The mean seen lies inside, and an interval above 0 is the same as evidence of better."""
    low, high = paired_interval(plus, zero, minus, alpha)
    whole = plus + zero + minus
    assert -1 <= low <= high <= 1
    if whole:
        assert low - 1e-4 <= (plus - minus) / whole <= high + 1e-4
    evidence = float(paired_evidence(plus, zero, minus))
    if abs(evidence - math.log(1 / alpha)) > 0.05:
        assert (low > 0) == (evidence > math.log(1 / alpha))


def test_the_wealth_of_a_fair_game_is_one_on_average() -> None:
    """Exact at ten pairs, by counting every outcome: the mean e-value of equals is 1, at a margin too."""
    for margin, up, same in ((0.0, 0.2, 0.6), (-0.05, 0.1, 0.75)):
        down = 1 - up - same
        assert up - down == pytest.approx(margin)
        mean = 0.0
        for plus in range(11):
            for zero in range(11 - plus):
                minus = 10 - plus - zero
                ways = math.comb(10, plus) * math.comb(10 - plus, zero)
                chance = ways * up**plus * same**zero * down**minus
                mean += chance * math.exp(float(paired_evidence(plus, zero, minus, margin)))
        assert mean == pytest.approx(1.0, abs=1e-9)


def test_the_ratio_evidence_of_equal_chances_is_one_on_average() -> None:
    """Exact at thirty users."""
    mean = sum(math.comb(30, k) / 2**30 * math.exp(float(ratio_evidence(30 - k, k))) for k in range(31))
    assert mean == pytest.approx(1.0, abs=1e-9)


def test_numbers_and_arrays_are_judged_alike() -> None:
    """What is simulated in arrays is what decides one experiment."""
    plus, zero, minus = np.array([10, 40]), np.array([50, 400]), np.array([20, 90])
    for margin in (0.0, -0.05):
        many = paired_evidence(plus, zero, minus, margin)
        assert many[1] == pytest.approx(float(paired_evidence(40, 400, 90, margin)))
    assert ratio_evidence(plus, minus)[1] == pytest.approx(float(ratio_evidence(40, 90)))
    assert sure_reach(plus, minus, 0.01)[1] == pytest.approx(float(sure_reach(40, 90, 0.01)))


def test_a_clustered_error_is_that_of_the_users() -> None:
    """Ten equal answers of a user tell as much as one, and an independent computation gives the same error."""
    draws = np.random.default_rng(3)
    values = draws.random(500)
    once = Sums(500, values.sum(), 500.0, (values**2).sum(), values.sum(), 500.0)
    ten = values * 10
    often = Sums(500, ten.sum(), 5000.0, (ten**2).sum(), (ten * 10).sum(), 50_000.0)
    assert float(often.variance()) == pytest.approx(float(once.variance()))
    assert float(once.variance()) == pytest.approx(values.var(ddof=1) / 500)
    excess, error = harm(once, often, 1.0, 0.1)
    assert (excess, error) == (pytest.approx(-0.1), pytest.approx(math.sqrt(2 * values.var(ddof=1) / 500)))


def test_the_smallest_fault_named_is_found_as_often_as_promised() -> None:
    """Of experiments that lose the share named at 4,000 users, 19 in 20 are stopped by then."""
    fault = smallest_ratio_fault(4000, 0.001)
    found = play_ratio(World(lost=fault), experiments=400, users=4000, seed=5)
    assert (found <= 4000).mean() >= 0.95 - 3 * math.sqrt(0.05 * 0.95 / 400)


@pytest.mark.fault(66)
@pytest.mark.slow
def test_equals_are_seldom_told_apart_though_one_looks_after_every_user() -> None:
    """500 A/A experiments of 1,500 users an arm: at most 5 % false verdicts; a plain test errs in over 25 %."""
    seen = play_primary(World(0.9), CONFIG, experiments=500, users_an_arm=1500, seed=0)
    false = (seen["worse"] < np.inf) | (seen["better"] < np.inf)
    assert false.mean() <= 0.05
    assert (seen["plain"] < np.inf).mean() > 0.25


@pytest.mark.fault(65)
@pytest.mark.slow
def test_a_drop_of_five_points_is_caught() -> None:
    """90 to 85 %: caught in nine of ten by 1,500 users an arm (less the noise of 500), promoted in hardly any."""
    seen = play_primary(World(0.9, drop=0.05), CONFIG, experiments=500, users_an_arm=1500, seed=1)
    assert (seen["worse"] < np.inf).mean() >= 0.9 - 2 * math.sqrt(0.09 / 500)
    assert (seen["not_worse"] < seen["worse"]).mean() <= 0.03


@pytest.mark.fault(67)
@pytest.mark.slow
def test_a_tenth_of_an_arm_lost_is_found_by_thirteen_thousand_users() -> None:
    """At least 95 % of 300 experiments (less noise) stop; of sound ones hardly any."""
    assert np.isfinite(play_ratio(World(lost=0.1), experiments=300, users=13_000, seed=2)).mean() >= 0.93
    assert np.isfinite(play_ratio(World(), experiments=300, users=13_000, seed=3)).mean() <= 0.01


def test_no_guardrail_sends_back_what_is_exactly_on_its_bound() -> None:
    """100 experiments of users who come twice, each metric at its bound: at most 1 % and noise."""
    assert np.isfinite(play_guardrails(CONFIG, experiments=100, users=800, seed=4)).mean() <= 0.04
