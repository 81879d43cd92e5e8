"""When a run starts, decided purely."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loraloop.schedule import triggers
from loraloop.schedule.config import SchedulerConfig
from loraloop.schedule.facts import Facts, Reading
from loraloop.schedule.limits import automatic, matters
from loraloop.schedule.triggers import DEAR, all_of, any_of, next_time, not_
from loraloop.testing.clock import START

HOURS = st.sampled_from([0.0, 0.5, 1.0, 1.5, 5.0, 5.9, 6.0, 6.1, 100.0])
CONFIGS = st.builds(
    SchedulerConfig,
    training_interval_hours=HOURS,
    min_pause_hours=HOURS,
    min_samples_for_training=st.integers(1, 60),
    enable_auto_scheduling=st.booleans(),
    strategy=st.sampled_from(["all", "any", "interval", "rows"]),
)
FACTS = st.builds(
    Facts,
    now=st.just(START),
    last_run_at=st.none() | HOURS.map(lambda hours: START - timedelta(hours=hours)),
    rows=st.none() | st.integers(0, 80),
    running=st.none() | st.just("a"),
    retrying=st.none() | st.just("b"),
)


def ended(hours: float) -> Facts:
    """A last run that ended so many hours ago."""
    return Facts(START, last_run_at=START - timedelta(hours=hours))


@pytest.mark.parametrize(
    ("hours", "fires"), [(0, False), (5.99, False), (6, True), (6.01, True), (-1, False), (-6.01, True)]
)
def test_the_interval_counts_from_the_end_of_the_last_run(hours: float, fires: bool) -> None:
    """It fires from the very hour on; where the clock was set back it waits that out, unless it was wrong by far."""
    assert triggers.interval(ended(hours), SchedulerConfig()).fires is fires


def test_before_the_first_run_there_is_nothing_to_wait_for() -> None:
    """Interval and pause fire at once."""
    for trigger in (triggers.interval, triggers.rested):
        found = trigger(Facts(START), SchedulerConfig())
        assert (found.trigger, found.fires, found.reason) == (trigger.__name__, True, "there was no run yet")


def test_a_pause_is_another_span_than_the_interval() -> None:
    """After two hours the least pause is over, and the interval is not."""
    config = SchedulerConfig(training_interval_hours=6, min_pause_hours=1)
    assert triggers.rested(ended(2), config).fires
    assert triggers.interval(ended(2), config).reason == "the last run ended 2.0 h ago, 6 h are required"


@pytest.mark.parametrize(("rows", "fires"), [(None, False), (0, False), (49, False), (50, True), (1000, True)])
def test_rows_must_be_counted_to_be_enough(rows: int | None, fires: bool) -> None:
    """At the required number it fires; where nothing counts them it never does, and says what to set."""
    found = triggers.enough_rows(Facts(START, rows=rows), SchedulerConfig())
    assert found.fires is fires
    assert ("nothing counts the rows" in found.reason) is (rows is None)


def test_a_run_under_way_or_waiting_is_named() -> None:
    """Busy says which adapter it is about; so does the manual trigger of those asked for."""
    config = SchedulerConfig()
    assert (triggers.busy(Facts(START), config).fires, triggers.manual(Facts(START), config).fires) == (False, False)
    assert triggers.busy(Facts(START), config).reason == "no run is under way"
    assert triggers.busy(Facts(START, retrying="b"), config).reason == "b waits to be tried again"
    assert triggers.busy(Facts(START, running="a", retrying="b"), config).reason == "a is being trained"
    assert triggers.manual(Facts(START), config).reason == "nobody asked"
    asked = triggers.manual(Facts(START, asked=("x", "y")), config)
    assert (asked.fires, asked.reason) == (True, "asked for x, y")


@given(st.lists(st.booleans(), min_size=1, max_size=5))
def test_combinations_fire_as_logic_says_and_name_what_decided(fires: list[bool]) -> None:
    """All, any and not of any triggers: the reason is made of those that decided it, and every part can be read."""
    made = [lambda facts, config, n=n, f=f: Reading(f"t{n}", f, f"r{n}") for n, f in enumerate(fires)]
    both, either = (combine(*made)(Facts(START), SchedulerConfig()) for combine in (all_of, any_of))
    assert (both.fires, either.fires) == (all(fires), any(fires))
    decided_all = [n for n, f in enumerate(fires) if not f] or range(len(fires))
    decided_any = [n for n, f in enumerate(fires) if f] or range(len(fires))
    assert both.reason == "; ".join(f"r{n}" for n in decided_all)
    assert either.reason == "; ".join(f"r{n}" for n in decided_any)
    assert [one.trigger for one in both.flat()] == ["all", *(f"t{n}" for n in range(len(fires)))]
    turned = not_(made[0])(Facts(START), SchedulerConfig())
    assert (turned.trigger, turned.fires, turned.reason) == ("not t0", not fires[0], "r0")


@given(FACTS, CONFIGS)
def test_an_automatic_run_starts_when_the_strategy_says_so(facts: Facts, config: SchedulerConfig) -> None:
    """Nothing under way, automatic runs on, and what the strategy asks for: no less and no more."""
    waited = timedelta.max if facts.last_run_at is None else facts.now - facts.last_run_at
    interval = waited >= timedelta(hours=config.training_interval_hours)
    rested = waited >= timedelta(hours=config.min_pause_hours)
    rows = facts.rows is not None and facts.rows >= config.min_samples_for_training
    asked = {
        "all": interval and rows,
        "any": rested and (interval or rows),
        "interval": interval,
        "rows": rested and rows,
    }[config.strategy]
    free = config.enable_auto_scheduling and facts.running is None and facts.retrying is None
    found = automatic(facts, config)
    assert found.fires is (free and asked)
    assert found.reason


@given(FACTS, CONFIGS, st.integers(0, 80))
def test_rows_are_left_uncounted_only_where_no_count_changes_anything(
    facts: Facts, config: SchedulerConfig, rows: int
) -> None:
    """Counting may be dear; where it is left out, the answer is the same as with any count."""
    counted = replace(facts, rows=rows)
    looked_at = counted if matters(facts, config, DEAR) else replace(facts, rows=None)
    assert automatic(looked_at, config).fires is automatic(counted, config).fires


@given(CONFIGS, st.integers(0, 80))
def test_the_next_time_is_not_too_late(config: SchedulerConfig, rows: int) -> None:
    """With enough rows, a run by interval or by rows alone starts at that time; a moment earlier it does not."""
    following = next_time(START, config)
    assert (following is None) is not config.enable_auto_scheduling
    if following is None or config.strategy == "any":
        return
    facts = Facts(following, last_run_at=START, rows=1000)
    assert automatic(facts, config).fires
    earlier = replace(facts, now=following - timedelta(seconds=1))
    assert earlier.now < START or not automatic(earlier, config).fires
    assert next_time(None, config) is None


def test_what_is_owed_fires_without_new_rows_but_not_without_a_pause() -> None:
    """A live adapter that learnt from somebody forgotten since is rebuilt however few rows are new, after the pause."""
    config = SchedulerConfig()
    facts = Facts(START, last_run_at=START - timedelta(hours=2), rows=0, owed="due by noon")
    assert automatic(facts, config).fires
    assert "due by noon" in automatic(facts, config).reason
    assert not automatic(replace(facts, owed=None), config).fires
    assert not automatic(replace(facts, last_run_at=START - timedelta(minutes=5)), config).fires
    assert not automatic(facts, config.model_copy(update={"enable_auto_scheduling": False})).fires
