"""Which rows make which step."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loraloop.train.order import (
    IGNORED,
    Plan,
    all_steps,
    learning_rate_factor,
    prompt_of,
    split_samples,
    steps_of_epoch,
)
from loraloop.types import Sample

rows = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=2, max_size=60).map(
    lambda pairs: [Sample((q, q, a), (IGNORED, IGNORED, a)) for q, a in pairs]
)


def different(count: int) -> list[Sample]:
    """Rows of 3 to 5 tokens, no two alike."""
    return [Sample((1, 2, *range(10 + n, 11 + n + n % 3)), (IGNORED,) * 2 + (3,) * (1 + n % 3)) for n in range(count)]


@given(rows, st.floats(0.0, 0.9), st.integers(0, 5))
def test_no_prompt_stands_on_both_sides_of_a_split(samples: list[Sample], share: float, seed: int) -> None:
    """Rows with one prompt go together, nothing is lost, and training always has something."""
    train, validation = split_samples(samples, share, seed)
    assert sorted(map(dict, train + validation), key=str) == sorted(map(dict, samples), key=str)
    assert not {prompt_of(s) for s in train} & {prompt_of(s) for s in validation}
    assert train


@given(st.lists(st.integers(1, 300), min_size=1, max_size=200), st.integers(1, 16), st.integers(0, 3))
def test_every_row_comes_once_an_epoch(lengths: list[int], rows_per_step: int, epoch: int) -> None:
    """An epoch visits each row exactly once, in an order the seed alone decides."""
    samples = [Sample((length,) * length, (length,) * length) for length in lengths]
    steps = steps_of_epoch(samples, rows_per_step, 7, epoch)
    assert sorted(row for step in steps for row in step) == list(range(len(lengths)))
    assert all(1 <= len(step) <= rows_per_step for step in steps)
    assert steps == steps_of_epoch(samples, rows_per_step, 7, epoch)


def test_copies_of_a_row_are_spread_over_the_epoch() -> None:
    """Eight copies of a correction among 320 rows make at least three lessons, not one."""
    samples = [*different(320), *[Sample((7, 7, 7), (IGNORED, 7, 7))] * 8]
    for epoch in range(20):
        steps = steps_of_epoch(samples, 8, 0, epoch)
        together = [sum(row >= 320 for row in step) for step in steps]
        assert sum(together) == 8
        assert max(together) <= 3


@given(st.integers(1, 500), st.integers(0, 500))
def test_the_learning_rate_rises_then_falls_within_its_bounds(steps: int, warmup: int) -> None:
    """Factors stay in (0, 1], warm-up takes at most a tenth of the steps, and the end is near a tenth."""
    factors = [learning_rate_factor(step, steps, warmup) for step in range(steps)]
    assert all(0 < factor <= 1 for factor in factors)
    peak = factors.index(max(factors))
    assert peak <= max(0, steps // 10)
    assert factors[peak:] == sorted(factors[peak:], reverse=True)


@pytest.mark.parametrize(("rows", "min_steps", "steps"), [(16, 1, 4), (16, 40, 40), (3, 5, 5), (0, 40, 0)])
def test_few_rows_are_passed_over_until_there_are_enough_steps(rows: int, min_steps: int, steps: int) -> None:
    """Passes are added until the least number of steps is reached, and every pass takes every row once."""
    found = all_steps(different(rows), Plan(rows_per_step=8, epochs=2, min_steps=min_steps), seed=0)
    assert len(found) == steps
    seen = Counter(row for step in found for row in step)
    assert set(seen.values()) == ({len(found) // -(-rows // 8)} if rows else set())


@given(st.integers(1, 60), st.integers(1, 9), st.integers(1, 400), st.integers(0, 3))
def test_a_limit_of_tokens_is_never_passed(rows: int, epochs: int, limit: int, seed: int) -> None:
    """Training ends at the limit, within a row of using it up, and is never empty."""
    samples = different(rows)
    found = all_steps(samples, Plan(rows_per_step=8, epochs=epochs, max_tokens=limit), seed)
    spent = sum(len(samples[row].input_ids) for step in found for row in step)
    whole = epochs * sum(len(sample.input_ids) for sample in samples)
    assert spent <= max(limit, len(samples[0].input_ids))
    assert spent >= min(whole, limit - max(len(sample.input_ids) for sample in samples) + 1)


def test_what_stands_more_than_once_is_never_cut_first() -> None:
    """Under a limit of half a pass, every copy of a correction is still trained on."""
    samples = [*different(60), *[Sample((7, 7, 7), (IGNORED, 7, 7))] * 8]
    limit = sum(len(sample.input_ids) for sample in samples) // 2
    for seed in range(20):
        seen = {
            row for step in all_steps(samples, Plan(rows_per_step=8, epochs=1, max_tokens=limit), seed) for row in step
        }
        assert seen >= set(range(60, 68))
