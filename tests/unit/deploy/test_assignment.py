"""Which users get which release."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loraloop.deploy.assignment import arm_of, bucket
from loraloop.deploy.sequences import ratio_evidence

SALT = "a1" * 16


@given(st.text(max_size=40), st.floats(0.0001, 0.5), st.floats(0.0001, 0.5))
@pytest.mark.fault(68)
def test_raising_a_share_moves_nobody_back_or_across(user: str, one: float, other: float) -> None:
    """Whoever was counted in an arm at a smaller share is in the same arm at every larger one."""
    low, high = sorted((one, other))
    before = arm_of(SALT, user, low)
    if before is not None:
        assert arm_of(SALT, user, high) == before


@pytest.mark.fault(68)
@pytest.mark.slow
def test_of_100_000_users_nobody_moves_from_the_candidate_when_10_becomes_50_percent() -> None:
    """And nobody from the control into the candidate: all who had an arm keep it."""
    users = [f"u{n}" for n in range(100_000)]
    before = {user: arm for user in users if (arm := arm_of(SALT, user, 0.1))}
    assert len(before) > 19_000
    assert all(arm_of(SALT, user, 0.5) == arm for user, arm in before.items())


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.05, 0.25, 0.5])
def test_both_arms_are_as_large_as_each_other_and_as_meant(share: float) -> None:
    """At every share the candidate and its control have that share each, within chance."""
    seen = Counter(arm_of(SALT, f"user {n}", share) for n in range(40_000))
    assert abs(seen["candidate"] / 40_000 - share) < 0.01
    assert ratio_evidence(seen["control"], seen["candidate"]) < 2
    assert (seen[None] == 0) == (share == 0.5)


def test_another_experiment_deals_its_users_anew() -> None:
    """Two salts agree on about half of the users: nobody is always the one who tries."""
    same = sum(arm_of(SALT, f"{n}", 0.5) == arm_of("b2" * 16, f"{n}", 0.5) for n in range(4000))
    assert 1800 < same < 2200
    assert 0 <= bucket(SALT, "") < 10_000
