"""Runs that wait: whose turn it is, and when a failed one is tried again."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loraloop.schedule.config import SchedulerConfig
from loraloop.schedule.jobs import Job, due, given_up, job_from, retry_at, retry_delay_s, seconds_to_next
from loraloop.testing.clock import START

JOBS = st.lists(
    st.builds(
        Job,
        number=st.integers(1, 99),
        name=st.just("a"),
        cause=st.sampled_from(["manual", "automatic"]),
        attempt=st.integers(0, 4),
        not_before=st.none() | st.integers(-9, 9).map(lambda minutes: START + timedelta(minutes=minutes)),
    ),
    max_size=6,
    unique_by=lambda job: job.number,
)


@given(JOBS)
def test_the_job_due_is_the_first_that_may_start_manual_ones_before_automatic_ones(jobs: list[Job]) -> None:
    """None is due before its time, none is passed over by a later one of its kind, and none is forgotten."""
    found = due(jobs, START)
    ready = [job for job in jobs if job.not_before is None or job.not_before <= START]
    if found is None:
        assert ready == []
        return
    assert found in ready
    asked = [job for job in ready if job.cause == "manual"]
    assert found.number == min(job.number for job in asked or ready)


@given(JOBS)
def test_waiting_until_then_is_neither_too_long_nor_too_short(jobs: list[Job]) -> None:
    """After the seconds told a job is due, and just before none is, unless one was already."""
    seconds = seconds_to_next(jobs, START)
    if seconds is None:
        assert jobs == []
        return
    assert due(jobs, START + timedelta(seconds=seconds)) is not None
    assert seconds == 0 or due(jobs, START + timedelta(seconds=seconds - 1)) is None


@given(st.integers(-5, 2000), st.just(0.0) | st.floats(1e-3, 999_999), st.floats(0, 999_999))
def test_delays_double_up_to_their_limit(attempt: int, first: float, most: float) -> None:
    """No attempt, however late, waits longer than the limit or less than the one before."""
    config = SchedulerConfig(retry_delay_s=first, retry_delay_max_s=most)
    found, following = retry_delay_s(attempt, config), retry_delay_s(attempt + 1, config)
    assert 0 <= found <= following <= most
    assert following in (found, most) if attempt < 1 else following == min(2 * found, most)


@pytest.mark.parametrize(("retry", "retries", "tries"), [(True, 3, 4), (True, 0, 1), (False, 3, 1)])
def test_a_job_is_tried_once_and_then_as_often_as_settings_say(retry: bool, retries: int, tries: int) -> None:
    """Each failed try but the last is followed by another."""
    config = SchedulerConfig(retry_on_failure=retry, max_retry_count=retries)
    again = [retry_at(Job(1, "a", "manual", attempt=attempt), START, config) for attempt in range(1, tries + 1)]
    assert [moment is None for moment in again] == [False] * (tries - 1) + [True]
    assert not given_up(Job(1, "a", "manual", attempt=tries - 1), config)
    assert given_up(Job(1, "a", "manual", attempt=tries), config)


@given(JOBS)
def test_a_job_comes_back_from_its_plain_form(jobs: list[Job]) -> None:
    """What is kept over a restart is the same job."""
    for job in jobs:
        plain = {**dict(job), "not_before": job.not_before.isoformat() if job.not_before else None}
        assert job_from(plain) == job
