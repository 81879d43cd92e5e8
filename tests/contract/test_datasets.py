"""What datasets have in common is stored once, and each reads as if it had rows of its own; on both databases."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from loraloop.errors import DataError, StoreError
from loraloop.store import tables
from loraloop.store.datasets import MOST_RUNS, datasets_with
from loraloop.store.sql import SqlStore
from loraloop.types import Conversation, Dataset, DatasetRow, Mark, Person, message

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ROWS, RUNS = tables.dataset_rows, tables.dataset_runs


def talk(number: int, user: str | None = None) -> Conversation:
    """One question and its answer."""
    said = (message("user", f"question {number}"), message("assistant", f"answer {number}", "review"))
    at = NOW + timedelta(minutes=number)
    return Conversation(f"cv-{number:016x}", "b", said, at, "chat", "granted", user=user)


def row(number: int, digest: str = "d") -> DatasetRow:
    """The row of a conversation."""
    return DatasetRow(talk(number).id, 1, "train", f"{digest}{number}")


def dataset(number: int, *rows: DatasetRow) -> Dataset:
    """The dataset made after so many minutes."""
    return Dataset(f"ds-{number:016x}", "b", rows, NOW + timedelta(minutes=number))


def stored(store: SqlStore, table: sa.Table = ROWS) -> int:
    """How many rows a table has."""
    with store._database.read() as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


def test_a_dataset_writes_only_what_the_one_before_it_has_not(store: SqlStore) -> None:
    """Rows that stay are not written again, whatever comes before, between and after them."""
    store.conversations.add([talk(n) for n in range(10)])
    first = store.datasets.put(dataset(1, *(row(n) for n in (1, 2, 3, 5, 6))))
    assert stored(store) == 5
    second = store.datasets.put(dataset(2, row(0), row(1), row(3, "changed"), row(4), row(5), row(6), row(7)))
    assert stored(store) == 5 + 4
    third = store.datasets.put(dataset(3, *second.rows, row(8)))
    assert stored(store) == 5 + 4 + 1
    for one in (first, second, third):
        assert store.datasets.get(one.id) == one
        store.datasets.check_consent(one)


def test_rows_in_another_order_are_read_in_it(store: SqlStore) -> None:
    """The order is part of a dataset."""
    store.conversations.add([talk(n) for n in range(6)])
    store.datasets.put(dataset(1, *map(row, range(6))))
    turned = store.datasets.put(dataset(2, *map(row, (3, 4, 5, 0, 1, 2))))
    assert store.datasets.get(turned.id) == turned


def test_who_withdrew_is_in_no_new_dataset_though_their_rows_are_stored(store: SqlStore) -> None:
    """The database asks anew of rows that an earlier dataset has; past all code, too."""
    store.conversations.add([talk(1, "u-mina"), talk(2)])
    first = store.datasets.put(dataset(1, row(1), row(2)))
    store.people.put(Person("u-mina", withdrawn_at=NOW), bot="b", actor="test")
    with pytest.raises(DataError, match=talk(1).id):
        store.datasets.put(dataset(2, row(1), row(2)))
    assert store.datasets.ids("b") == [first.id]
    run = {"dataset_id": "ds-x", "number": 0, "rows_of": first.id, "first_position": 0, "last_position": 1}
    with pytest.raises(StoreError, match="consent"), store._database.write() as connection:
        connection.execute(sa.insert(RUNS), run)
    assert store.datasets.put(dataset(3, row(2))).rows == (row(2),)


def test_another_bots_rows_are_refused_by_the_database_itself(store: SqlStore) -> None:
    """A run that names rows of another bot's dataset is no run of this one's."""
    store.conversations.add([talk(1)])
    first = store.datasets.put(dataset(1, row(1)))
    record = {"kind": "Dataset", "id": "ds-x", "bot": "other", "created_at": "x", "body": "{}"}
    with store._database.write() as connection:
        connection.execute(sa.insert(tables.records), record)
    run = {"dataset_id": "ds-x", "number": 0, "rows_of": first.id, "first_position": 0, "last_position": 0}
    with pytest.raises(StoreError, match="consent"), store._database.write() as connection:
        connection.execute(sa.insert(RUNS), run)


def test_a_dataset_of_too_many_runs_is_written_anew(store: SqlStore) -> None:
    """Every other row of an earlier dataset would be a run for each."""
    store.conversations.add([talk(n) for n in range(2 * MOST_RUNS + 4)])
    whole = store.datasets.put(dataset(1, *map(row, range(2 * MOST_RUNS + 4))))
    half = store.datasets.put(dataset(2, *whole.rows[::2]))
    assert stored(store, RUNS) == 2
    assert store.datasets.get(half.id) == half


def test_what_is_new_since_a_dataset_is_in_none_of_its_runs(store: SqlStore) -> None:
    """Of rows that it shares with an earlier one, too; what only that one has is new."""
    store.conversations.add([talk(n) for n in range(5)])
    store.datasets.put(dataset(1, *map(row, (0, 1, 2))))
    store.datasets.put(dataset(2, *map(row, (0, 2, 3))))
    assert store.arrivals.since("b", Mark(dataset(1).id)).rows == 2
    assert store.arrivals.since("b", Mark(dataset(2).id)).rows == 2
    assert store.arrivals.since("b", None).rows == 5


@pytest.mark.parametrize("seed", range(6))
def test_datasets_read_as_they_were_put_whatever_was_removed_or_forgotten(store: SqlStore, seed: int) -> None:
    """Over random turns: datasets come, go, come again, and people are forgotten; nothing stays that nobody has."""
    drawn = random.Random(seed)
    alive = set(range(40))
    store.conversations.add([talk(n) for n in alive])
    there: dict[str, Dataset] = {}
    gone: list[Dataset] = []
    chosen = set(drawn.sample(sorted(alive), 20))
    for turn in range(30):
        chosen = (chosen ^ set(drawn.sample(range(40), 3))) & alive
        made = dataset(turn, *(row(n, drawn.choice("ddddddddde")) for n in sorted(chosen)))
        there[made.id] = store.datasets.put(made)
        if drawn.random() < 0.5:
            gone.append(there.pop(drawn.choice(sorted(there))))
            store.datasets.remove(gone[-1].id)
        back = drawn.choice(gone) if gone else made
        if back.id not in there and {one.conversation_id for one in back.rows} <= {talk(n).id for n in alive}:
            there[back.id] = store.datasets.put(back)
        if drawn.random() < 0.2:
            lost = talk(drawn.choice(sorted(alive))).id
            alive = {n for n in alive if talk(n).id != lost}
            with store._database.read() as connection:
                named = datasets_with(connection, [lost])
            assert named == {key for key, one in there.items() if lost in {r.conversation_id for r in one.rows}}
            assert store.eraser.erase((), [lost], for_ever=False).datasets == tuple(sorted(named))
            for key, one in list(there.items()):
                there[key] = replace(one, rows=tuple(r for r in one.rows if r.conversation_id != lost))
        for key, one in there.items():
            assert store.datasets.get(key) == one
            store.datasets.check_consent(one)
    for key in there:
        store.datasets.remove(key)
    assert stored(store) == stored(store, RUNS) == 0
