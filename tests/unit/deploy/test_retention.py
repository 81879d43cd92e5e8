"""What clean-up may remove, decided purely."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loraloop.deploy.history import next_release, return_to
from loraloop.deploy.retention import Stored, protected, removable
from loraloop.types import Adapter, Release

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ADAPTERS = [Adapter(f"ad-{n}", "b", f"a{n}", f"d{n}", "tiny", f"/a{n}", NOW) for n in range(8)]
TRIAL_MINUTES = 60
steps = st.lists(st.tuples(st.integers(0, 7), st.booleans()) | st.just("back"), max_size=12)


def history(taken: list[tuple[int, bool] | str]) -> list[Release]:
    """The releases of these steps, newest first: (adapter, confirmed), or a rollback to the first release."""
    releases: list[Release] = []
    for n, step in enumerate(taken):
        newest = releases[0] if releases else None
        at = NOW + timedelta(minutes=n)
        if step == "back":
            if newest is not None:
                releases.insert(0, return_to(releases[-1], newest, newest, actor="a", now=at))
            continue
        number, confirmed = step
        facts = {"adapter_id": f"ad-{number}", "adapter_name": f"a{number}", "base_id": "tiny", "method": "auto",
                 "actor": "a", "created_at": at, "status": "confirmed" if confirmed else "on_trial",
                 "trial_ends_at": at + timedelta(minutes=TRIAL_MINUTES)}  # fmt: skip
        releases.insert(0, next_release(newest, newest, "b", facts))
    return releases


@pytest.mark.fault(28)
@given(steps, st.sets(st.integers(0, 7)), st.integers(0, 9), st.permutations(range(8)))
def test_what_serves_is_never_removed(
    taken: list[tuple[int, bool] | str], pinned: set[int], keep: int, order: list[int]
) -> None:
    """Whatever was released in whatever order: live, on trial, pinned and the newest stay, everything else goes."""
    releases = history(taken)
    live = releases[0] if releases else None
    pins = [f"a{n}" if n % 2 else f"ad-{n}" for n in pinned]
    safe = protected(live, releases, ADAPTERS, pins, now=NOW + timedelta(minutes=TRIAL_MINUTES))
    stored = [Stored(f"a{n}", f"d{n}") for n in order]
    gone = removable(stored, safe, keep)
    on_trial = {r.adapter_id for r in releases if r.status == "on_trial" and r.trial_ends_at}
    must_stay = on_trial | {f"ad-{n}" for n in pinned} | ({live.adapter_id} if live else set())
    assert not {f"ad-{one.name[1:]}" for one in gone} & must_stay
    assert not set(gone) & set(stored[:keep])
    assert set(gone) <= set(stored)


def test_the_release_before_stays_too() -> None:
    """The adapter a rollback would go back to is protected, also when the live release is itself a rollback."""
    three = history([(1, True), (2, True), (3, True)])
    assert protected(three[0], three, ADAPTERS, [], now=NOW) == {"d3", "d2"}
    back = [return_to(three[1], three[0], three[0], actor="a", now=NOW), *three]
    assert protected(back[0], back, ADAPTERS, [], now=NOW) == {"d2", "d1"}


def test_before_anything_is_live_only_pins_protect() -> None:
    """With no release there is nothing to protect but pinned names and ids."""
    assert protected(None, [], ADAPTERS, ["a1", "ad-2"], now=NOW) == {"d1", "d2", "a1", "ad-2"}
    assert removable([Stored("a1", None)], {"a1"}, 0) == []


def test_a_base_release_protects_no_adapter_but_the_one_before() -> None:
    """When the base alone is live, nothing of the adapters serves."""
    one = history([(1, True)])
    base = replace(return_to(None, one[0], one[0], actor="a", now=NOW), adapter_id=None)
    assert protected(base, [base, *one], ADAPTERS, [], now=NOW) == set()


def test_a_trial_that_is_over_protects_no_more() -> None:
    """A release replaced before it was confirmed stays until its trial would have ended; one without a trial, never."""
    releases = history([(1, False), (2, True), (3, True)])
    later = NOW + timedelta(minutes=TRIAL_MINUTES + 1)
    assert protected(releases[0], releases, ADAPTERS, [], now=NOW) == {"d3", "d2", "d1"}
    assert protected(releases[0], releases, ADAPTERS, [], now=later) == {"d3", "d2"}
    endless = [*releases[:2], replace(releases[2], trial_ends_at=None)]
    assert protected(endless[0], endless, ADAPTERS, [], now=NOW) == {"d3", "d2"}
