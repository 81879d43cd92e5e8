"""Rows of unequal length in one sequence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loraloop.lm.packing import IGNORED, batches, group_rows, pack, shared_start
from loraloop.types import Sample

pytestmark = pytest.mark.slow


@st.composite
def samples(draw: st.DrawFn) -> list[Sample]:
    """A few rows, each with a prompt without loss and an answer with it."""
    rows = draw(st.lists(st.tuples(st.integers(1, 40), st.integers(0, 20)), min_size=1, max_size=12))
    return [
        Sample(tuple(range(prompt + answer)), (IGNORED,) * prompt + tuple(range(prompt, prompt + answer)))
        for prompt, answer in rows
    ]


@given(samples())
def test_packing_keeps_every_token_and_every_target_once(rows: list[Sample]) -> None:
    """No token is lost, padded or supervised twice, whatever the lengths; a shared start is laid once."""
    packed = pack(rows)
    repeated = packed.layout.shared * (len(rows) - 1)
    assert packed.tokens == sum(len(row.input_ids) for row in rows) - repeated
    assert pack(rows, share=False).tokens == packed.tokens + repeated
    expected = sorted(label for row in rows for label in row.labels[1:] if label != IGNORED)
    assert sorted(packed.targets_S.tolist()) == expected


@given(samples())
def test_every_target_is_predicted_from_the_token_before_it_in_its_own_row(rows: list[Sample]) -> None:
    """A supervised position holds the token that stands right before its target in the row it belongs to."""
    packed = pack(rows)
    for position, target, row in zip(packed.supervised_S, packed.targets_S, packed.row_S, strict=True):
        assert packed.input_ids_1T[0, position] == target - 1  # ids count up within a row
        assert int(target) in rows[int(row)].labels


@given(samples())
def test_groups_scatter_back_what_they_gather(rows: list[Sample]) -> None:
    """Gathering a slice to its rectangle and scattering it back gives the slice again."""
    packed = pack(rows)
    reached = packed.layout.shared
    for group in packed.layout.groups:
        assert group.begin == reached
        cells = group.gather_BL[group.scatter_N]
        assert cells.tolist() == list(range(group.end - group.begin))
        assert group.gather_BL.numel() == group.rows * group.longest
        reached = group.end
    assert reached == packed.tokens


@given(samples())
def test_only_what_every_row_starts_with_and_nobody_learns_is_shared(rows: list[Sample]) -> None:
    """The shared start is the same tokens in every row, and no answer token or the one before it is among them."""
    shared = shared_start(rows)
    for row in rows:
        assert row.input_ids[:shared] == rows[0].input_ids[:shared]
        assert all(label == IGNORED for label in row.labels[: shared + 1])
        assert shared < len(row.input_ids)


def test_rows_that_differ_early_share_nothing() -> None:
    """A start of a few tokens is not worth laying apart."""
    rows = [Sample((1, 2, n, 4, 5, 6), (IGNORED,) * 5 + (6,)) for n in (10, 11)]
    assert shared_start(rows) == 0
    assert pack(rows).layout.shared == 0


@given(st.lists(st.integers(1, 500), min_size=1, max_size=40).map(lambda v: sorted(v, reverse=True)))
def test_rectangles_waste_at_most_a_quarter_or_a_dozen_cells_a_row(lengths: list[int]) -> None:
    """Rows in one rectangle are of similar length, so little work is spent on padding."""
    for members in group_rows(lengths):
        longest = lengths[members[0]]
        assert all(longest - lengths[row] <= max(12, 0.25 * longest) for row in members)


@given(samples(), st.integers(1, 200))
def test_batches_hold_every_row_once_within_the_token_budget(rows: list[Sample], budget: int) -> None:
    """Rows are cut into batches that fit the budget, except a single row that alone is larger."""
    found = list(batches(rows, budget))
    assert sorted(row for batch in found for row in batch) == list(range(len(rows)))
    for batch in found:
        assert len(batch) == 1 or sum(len(rows[row].input_ids) for row in batch) <= budget
