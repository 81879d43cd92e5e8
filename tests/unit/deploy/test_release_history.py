"""Which release comes next, came before, or is meant."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loraloop.deploy.history import BASE, before, folder_name, named, next_release, return_to
from loraloop.errors import UnknownThing
from loraloop.types import Release

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def after(releases: list[Release], number: int) -> list[Release]:
    """The releases, newest first, with one of adapter ``number`` before them."""
    newest = releases[0] if releases else None
    at = NOW + timedelta(minutes=len(releases))
    facts = {"adapter_id": f"ad-{number}", "adapter_name": f"a{number}", "base_id": "tiny", "method": "auto",
             "actor": "me", "created_at": at, "status": "confirmed"}  # fmt: skip
    return [next_release(newest, newest, "b", facts), *releases]


def back(releases: list[Release], target: Release | None) -> list[Release]:
    """The releases with a rollback before them."""
    return [return_to(target, releases[0], releases[0], actor="me", now=NOW), *releases]


@given(st.lists(st.integers(0, 5), min_size=1, max_size=10))
def test_versions_count_up_and_going_back_walks_the_whole_way(numbers: list[int]) -> None:
    """N releases have versions N to 1, and N rollbacks lead through each earlier one down to the base."""
    releases: list[Release] = []
    for number in numbers:
        releases = after(releases, number)
    assert [release.version for release in releases] == list(range(len(numbers), 0, -1))
    assert len({release.id for release in releases}) == len(numbers)
    found = []
    for _ in numbers:
        target = before(releases[0], releases)
        found.append(target.adapter_name if target else BASE)
        releases = back(releases, target)
    assert found == [f"a{number}" for number in reversed(numbers[:-1])] + [BASE]


def test_after_a_rollback_a_new_release_goes_back_to_what_was_brought_back() -> None:
    """1, 2, back to 1, then 3: before 3 comes 1, not 2."""
    releases = after(after([], 1), 2)
    releases = after(back(releases, releases[1]), 3)
    earlier = before(releases[0], releases)
    assert earlier is not None
    assert (earlier.adapter_name, earlier.version) == ("a1", 1)


def test_a_target_is_the_newest_that_bears_the_name() -> None:
    """An adapter released twice means its newest release; a rollback means what it brought back."""
    releases = after(after(after([], 1), 2), 1)
    found = named("a1", releases)
    assert found is not None
    assert found.version == 3
    again = named("4", back(releases, releases[1]))
    assert again is not None
    assert again.adapter_name == "a2"
    assert named(BASE, releases) is None
    with pytest.raises(UnknownThing, match="never released"):
        named("a9", releases)


def test_an_adapters_name_goes_before_whatever_else_it_could_mean() -> None:
    """Adapters named like a version or like the base are meant by their names, in any spelling."""
    releases = after(after(after([], 1), 2), 3)
    named_oddly = [replace(one, adapter_name=name) for one, name in zip(releases, ("V1", BASE, "3"), strict=True)]
    for target, version in (("3", 1), (BASE, 2), ("v1", 3), ("2", 2)):
        found = named(target, named_oddly)
        assert found is not None
        assert found.version == version


def test_the_folder_of_a_release_sorts_by_version() -> None:
    """Folders are named by version and id, so that listing them lists the history."""
    releases = after(after([], 1), 2)
    assert folder_name(releases[1]) < folder_name(releases[0])
    assert folder_name(releases[0]).startswith("v00002-")
