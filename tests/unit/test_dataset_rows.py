"""Rows in columns: the same as rows in a tuple, whichever of them are asked for."""

from __future__ import annotations

import pickle

from hypothesis import given
from hypothesis import strategies as st

from loraloop.dataset_rows import SPLITS, DatasetRow, DatasetRows
from loraloop.packed import Texts

TEXT = st.text(max_size=6)
ROWS = st.lists(st.builds(DatasetRow, TEXT, st.integers(0, 2**40), st.sampled_from(SPLITS), TEXT), max_size=8)


@given(ROWS, st.integers(-9, 9), st.integers(-9, 9))
def test_rows_in_columns_are_those_of_a_tuple(rows: list[DatasetRow], begin: int, end: int) -> None:
    """Counted from either end, in slices, by split, slices of a split too; equal and hashed alike both ways round."""
    found, same = DatasetRows(rows), tuple(rows)
    assert found == same
    assert same == found
    assert hash(found) == hash(same)
    assert [found[place] for place in range(-len(rows), len(rows))] == [*same, *same]
    assert found[begin:end] == same[begin:end]
    for name in SPLITS:
        ours = tuple(row for row in same if row.split == name)
        assert found.split(name) == ours
        assert found.split(name)[begin:end] == ours[begin:end]
        assert found[begin:end].split(name) == tuple(row for row in same[begin:end] if row.split == name)
    assert pickle.loads(pickle.dumps(found)) == same
    assert found != [*same, *same, DatasetRow("x", 0, "gate", "")]
    assert found != "rows"


@given(st.lists(st.text(alphabet=st.characters(), max_size=6), max_size=8))
def test_packed_texts_come_back_as_they_were(texts: list[str]) -> None:
    """Half surrogates too, which no encoding but Python's own can keep."""
    packed = Texts()
    for text in texts:
        packed.append(text)
    assert [packed[place] for place in range(len(packed))] == texts
