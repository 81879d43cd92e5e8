"""What holds a run back, when that ends, and when the next run would be."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loraloop.schedule import limits
from loraloop.schedule.config import SchedulerConfig
from loraloop.schedule.facts import Facts, Machine, RunTime
from loraloop.schedule.forecast import at_time, explained, next_fire
from loraloop.schedule.limits import automatic, lets_go, may_retry
from loraloop.schedule.machine import look_at_machine
from loraloop.steady import steady_clock
from loraloop.testing.clock import START

READY = Facts(START, rows=100, last_run_at=START - timedelta(hours=48), learnt_at=START - timedelta(hours=48))


def wanted(**config: object) -> SchedulerConfig:
    """Settings whose triggers fire on ``READY``."""
    return SchedulerConfig(when="rows", **config)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("config", "facts", "words"),
    [
        ({"cooldown_hours": 72}, READY, "a pause of 72 h is set"),
        ({"quiet_hours": "10:00-14:00"}, READY, "within the quiet hours"),
        ({"quiet_hours": "20:00-22:00", "time_zone": "Asia/Seoul"}, READY, "it is 21:00"),
        ({"days_off": ("2026-02-28..2026-03-01",)}, READY, "a day without runs"),
        ({"max_runs_per_day": 1}, replace(READY, runs=(RunTime(START, 9),)), "1 runs began on 2026-03-01"),
        ({"monthly_budget_hours": 1}, replace(READY, runs=(RunTime(START, 3600),)), "1 h are allowed"),
        ({"max_load_per_core": 0.5}, replace(READY, machine=Machine(0.9)), "load 0.90"),
        ({"min_free_memory_mb": 500}, replace(READY, machine=Machine(free_memory_mb=90)), "90 MB of memory"),
        ({"min_free_gpu_memory_mb": 500}, replace(READY, machine=Machine(free_gpu_memory_mb=90)), "90 MB of GPU"),
        ({"max_requests_in_flight": 0}, replace(READY, machine=Machine(requests=2)), "2 requests"),
    ],
)  # fmt: skip
def test_each_limit_holds_a_run_back_alone_and_says_why(config: dict[str, object], facts: Facts, words: str) -> None:
    """Without the limit the same facts start a run; a limit that is not set is not there."""
    assert automatic(facts, wanted()).fires
    found = automatic(facts, wanted(**config))
    assert not found.fires
    assert words in found.reason
    assert limits.limits(wanted()) == ()


def test_what_cannot_be_measured_holds_nothing_back() -> None:
    """No GPU, no count of requests: the run starts, and the reading says that nobody looked."""
    config = wanted(min_free_gpu_memory_mb=500, max_requests_in_flight=0, max_load_per_core=9)
    found = automatic(replace(READY, machine=Machine(load_per_core=0.1)), config)
    assert found.fires
    assert "cannot be measured" in found.reason


def test_a_retry_waits_for_hours_and_machine_and_not_for_pauses() -> None:
    """The cooldown and the number of runs a day are for new runs."""
    facts = replace(READY, retrying="a", runs=(RunTime(START, 9),))
    assert may_retry(facts, wanted(cooldown_hours=72, max_runs_per_day=1)).fires
    assert not may_retry(facts, wanted(quiet_hours="10:00-14:00")).fires


@pytest.mark.slow
@settings(max_examples=12)
@given(
    st.integers(0, 200 * 24), st.sampled_from(["", "07:00-22:00", "22:00-06:30"]), st.integers(0, 3),
    st.sampled_from(["interval", "stale", "interval and not stale", "cron and interval", "rested or cron"]),
)  # fmt: skip
def test_the_next_run_is_foretold_to_the_minute(hours: int, quiet: str, off: int, when: str) -> None:
    """At the time told it fires; at no quarter of an hour before that does it."""
    now = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(hours=hours)
    begin = now.date() + timedelta(days=1)
    days = (f"{begin}..{begin + timedelta(days=off - 1)}",) if off else ()
    config = SchedulerConfig(
        when=when, quiet_hours=quiet, days_off=days, time_zone="Europe/Berlin", cron="30 2 * * *",
        training_interval_hours=30, stale_after_days=2, cooldown_hours=3,
    )  # fmt: skip
    facts = Facts(now, last_run_at=now - timedelta(hours=1), learnt_at=now - timedelta(hours=1), cron_from=now)
    told = next_fire(facts, config)
    step = now
    while step < (told or now + timedelta(days=4)):
        reading = automatic(at_time(facts, step), config)
        assert not reading.fires, (step, told)
        step += timedelta(minutes=15)
    assert told is None or automatic(at_time(facts, told), config).fires


def test_a_cron_moment_waits_out_a_limit_but_not_the_rest_of_the_expression() -> None:
    """Quiet hours or a run under way put it off; too few rows at its moment let it go."""
    config = SchedulerConfig(when="cron and rows", cron="0 12 * * *")
    facts = Facts(START, rows=3, cron_from=START - timedelta(hours=1))
    assert lets_go(facts, config)
    assert not lets_go(replace(facts, running="a"), config)
    assert not lets_go(facts, config.model_copy(update={"quiet_hours": "11:00-13:00"}))
    assert not lets_go(replace(facts, rows=60), config)
    assert not lets_go(replace(facts, cron_from=START), config)


def test_everything_is_explained_in_both_languages() -> None:
    """Each trigger there is and each limit that is set has a sentence in English and one in Korean."""
    config = SchedulerConfig(
        when="rows or cron", cron="0 3 * * *", quiet_hours="07:00-22:00", cooldown_hours=1, days_off=("2026-12-24",),
        max_runs_per_day=2, monthly_budget_hours=3, max_load_per_core=1,
    )  # fmt: skip
    found = explained(replace(READY, machine=Machine(0.1), cron_from=START), config)
    assert found.used == ("rows", "cron")
    for reading in (found.whole, *found.triggers, *found.limits, found.asked):
        assert reading.in_language("en") == reading.reason
        assert any("가" <= sign <= "힣" for sign in reading.in_language("ko"))


def test_this_machine_can_be_looked_at() -> None:
    """Load and memory are numbers here, requests are those that are told, and the steady clock only goes on."""
    seen = look_at_machine(lambda: 3, gpu=True)
    assert seen.load_per_core is not None
    assert (seen.free_memory_mb or 0) > 0
    assert seen.requests == 3
    first, second = steady_clock(), steady_clock()
    assert first is None or (second is not None and second[0] == first[0] and second[1] >= first[1])
