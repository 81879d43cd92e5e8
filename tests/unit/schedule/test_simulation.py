"""The past replayed."""

import json
import time
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loraloop.errors import BadFile
from loraloop.schedule.config import SchedulerConfig
from loraloop.schedule.simulation import Arrival, history_of, longest_wait, simulate
from loraloop.testing.clock import START

HOUR = timedelta(hours=1)


def rows(*hours: float) -> list[Arrival]:
    """Rows that came so many hours after the start."""
    return [Arrival(START + hour * HOUR) for hour in hours]


def runs(arrivals: list[Arrival], config: SchedulerConfig, hours: float, **more: object) -> list[float]:
    """Hours after the start at which it would have run."""
    found = simulate(arrivals, config, begin=START, end=START + hours * HOUR, **more)  # type: ignore[arg-type]
    return [round((one.at - START) / HOUR, 3) for one in found if one.runs]


def test_rows_start_a_run_when_the_last_of_them_comes() -> None:
    """To the second, not at the next look; rows that come while it trains count for the next one, once."""
    config = SchedulerConfig(when="rows", min_samples_for_training=3)
    assert runs(rows(1, 2, 3.5, 3.6, 3.7, 9), config, 24) == [3.5, 9]
    assert runs(rows(1, 2, 3.5, 3.6, 3.7, 9), config, 24, run_s=8 * 3600) == [3.5, 11.5]


@pytest.mark.fault(50)
def test_cron_runs_at_its_moments_and_one_is_made_up_for_after_an_absence() -> None:
    """Three nights without power cost one run, as soon as somebody looks on again."""
    config = SchedulerConfig(when="cron", cron="0 3 * * *")
    assert runs([], config, 49) == [15, 39]
    away = [(START + 20 * HOUR, START + 100.5 * HOUR)]
    assert runs([], config, 130, away=away) == [15, 100.5, 111]


def test_a_moment_at_which_the_rest_did_not_hold_is_gone() -> None:
    """With too few rows at three in the night, enough at noon start nothing before the next night."""
    config = SchedulerConfig(when="cron and rows", cron="0 3 * * *", min_samples_for_training=2)
    assert runs(rows(1, 20), config, 60) == [39]


@settings(max_examples=20)
@given(st.lists(st.floats(0, 700), max_size=60), st.sampled_from(["", "07:00-22:00"]), st.integers(0, 2))
def test_no_simulated_run_comes_early_or_against_a_limit(hours: list[float], quiet: str, most: int) -> None:
    """Rows are enough, spaced, outside quiet hours and no more a day than allowed; each is explained."""
    config = SchedulerConfig(min_samples_for_training=5, quiet_hours=quiet, max_runs_per_day=most)
    found = list(simulate(rows(*hours), config, begin=START, end=START + 720 * HOUR))
    began = [one for one in found if one.runs]
    for one in began:
        assert one.rows >= 5
        assert not quiet or not 7 <= one.at.hour < 22
    assert all(later.at - earlier.at >= 6.5 * HOUR for earlier, later in pairwise(began))
    if most:
        days = [one.at.date() for one in began]
        assert all(days.count(day) <= most for day in days)
    assert all(one.reason and one.korean for one in found)
    assert sum(one.rows for one in began) <= len(hours)
    assert longest_wait(found, START, START + 720 * HOUR) <= 720 * HOUR


def test_a_history_is_read_line_by_line() -> None:
    """Times with their zone and kinds; a wrong line is named by its number."""
    good = [
        json.dumps({"at": "2026-03-01T12:00:00+09:00"}),
        "",
        json.dumps({"at": "2026-03-01T12:00:00", "kind": "up"}),
    ]
    assert [one.kind for one in history_of(good)] == ["row", "up"]
    for bad in ("{", "[]", '{"kind": "row"}', '{"at": "2026-03-01", "kind": "what"}', '{"at": "soon"}'):
        with pytest.raises(BadFile, match="line 2"):
            list(history_of([good[0], bad]))


@pytest.mark.slow
def test_four_times_as_many_arrivals_take_about_four_times_as_long() -> None:
    """A bot that many talk to has a hundred thousand arrivals a month, and each is a moment to look at.

    The least of three, for Python's search for garbage is slow where other tests have loaded large libraries.
    """

    def cost_s(count: int) -> float:
        came = [Arrival(START + timedelta(seconds=60 * n)) for n in range(count)]
        config = SchedulerConfig(when="rows", min_samples_for_training=1_000_000)
        begun = time.process_time()
        list(simulate(came, config, begin=START, end=START + timedelta(seconds=60 * count)))
        return time.process_time() - begun

    cost_s(200)
    least_s = {count: min(cost_s(count) for _ in range(3)) for count in (2000, 8000)}
    assert least_s[8000] < 8 * least_s[2000]
