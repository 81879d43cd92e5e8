"""People, tombstones and erasure, on SQLite and on a real PostgreSQL."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from loraloop.errors import ArtifactError, DataError, StoreError
from loraloop.jobs import NewJob, RetryRule
from loraloop.store import tables
from loraloop.store.erasures import Erasure
from loraloop.store.sql import SqlStore, open_store
from loraloop.traffic import Completion
from loraloop.types import (
    Adapter,
    Conversation,
    Dataset,
    DatasetRow,
    Feedback,
    ItemResult,
    Person,
    Release,
    Report,
    RowLoss,
    message,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINA, JUN = "u-00000000000000aa", "u-00000000000000bb"
SAID = "my dragon eats plum dumplings on sunday"
KEYS = [b"k" * 32]


def conversation(number: int, user: str | None = MINA, **changes: object) -> Conversation:
    """One question of a person, and its answer."""
    asked = f"{SAID} {number}?" if user == MINA else f"quite another question of mine {number}?"
    said = (message("user", asked), message("assistant", f"answer {number}", "review"))
    plainly = Conversation(f"cv-{number:016x}", "b", said, NOW, "chat", "granted", user=user)
    return replace(plainly, **changes)  # type: ignore[arg-type]


def dataset(*numbers: int) -> Dataset:
    """One row of each conversation."""
    rows = tuple(DatasetRow(f"cv-{n:016x}", 1, "train", f"{n:064x}") for n in numbers)
    return Dataset(f"ds-{sum(numbers):016x}", "b", rows, NOW)


@pytest.fixture
def keyed(location: str) -> Callable[[], SqlStore]:
    """Opens the store with a key."""
    return lambda: open_store(location, keys=lambda: KEYS)


def served(talk: Conversation) -> Completion:
    """What is kept of the answer that ends a talk."""
    return Completion(
        id=f"c-{talk.id}", choice=0, bot=talk.bot, created_at=NOW, model="live", release_id=None,
        conversation_id=talk.id, user=talk.user, state="done", guard="", finish="stop", experiment_id="", arm="",
        prompt_tokens=1, completion_tokens=1, first_token_s=0.1, seconds=0.2,
    )  # fmt: skip


REFUSED = [
    Person(MINA, withdrawn_at=NOW),
    Person(MINA, "under_14"),
    Person(MINA, "under_14", guardian_consent=True, withdrawn_at=NOW),
]


@pytest.mark.parametrize("person", REFUSED)
def test_the_database_itself_heeds_people(store: SqlStore, person: Person) -> None:
    """Rows of who withdrew, or of a child without a guardian's consent, are refused by the database, past all code."""
    store.conversations.add([conversation(1), conversation(2, JUN)])
    store.datasets.put(dataset(2))
    store.people.put(person, bot="b", actor="test")
    row = {"dataset_id": "d", "position": 0, "conversation_id": conversation(1).id, "message_index": 1,
           "split": "train", "digest": "x"}  # fmt: skip
    with pytest.raises(StoreError, match="consent"), store._database.write() as connection:
        connection.execute(sa.insert(tables.dataset_rows), row)
    changed = sa.update(tables.dataset_rows).values(conversation_id=conversation(1).id)
    with pytest.raises(StoreError, match="consent"), store._database.write() as connection:
        connection.execute(changed)
    with pytest.raises(DataError, match="consent"):
        store.datasets.put(dataset(1, 2))


def test_an_answer_that_was_forgotten_and_is_given_again_costs_no_other(keyed: Callable[[], SqlStore]) -> None:
    """Of a forgotten talk without a person no word comes back, and what was served beside it is kept."""
    store = keyed()
    lost, kept = conversation(1, None), conversation(2, None)
    with store._database.write() as connection:
        store.tombstones.add(connection, store.tombstones.digests_of("conversation", lost.id))
    answers = [(served(talk), talk) for talk in (lost, kept)]
    store.completions.add(answers)
    found = [store.completions.get(answer.id)[0].conversation_id for answer, _ in answers]
    assert found == [None, kept.id]
    assert [one.id for one in store.conversations.iterate("b")] == [kept.id]
    store.close()


def test_a_person_is_one_row_whatever_they_did(store: SqlStore) -> None:
    """Somebody who is unknown has withdrawn nothing and is of unknown age."""
    assert store.people.get("u-0") == Person("u-0")


@pytest.mark.parametrize("person", [Person(MINA), Person(MINA, "14_or_over"), Person(MINA, "under_14", True)])
def test_who_may_be_learnt_from_is(store: SqlStore, person: Person) -> None:
    """Adults, children with a guardian's consent and people of unknown age are learnt from as they agreed."""
    store.people.put(person, bot="b", actor="test")
    store.conversations.add([conversation(1)])
    assert store.datasets.put(dataset(1)).rows
    assert store.people.get(MINA) == person


SHOWN = list(zip(REFUSED, ("withdrawn", "needs-guardian", "withdrawn"), strict=True))


@pytest.mark.parametrize(("person", "consent"), SHOWN)
def test_a_conversation_shows_the_consent_that_holds_now(store: SqlStore, person: Person, consent: str) -> None:
    """What a person said since outweighs the consent a conversation came with, and is undone when it is taken back."""
    store.conversations.add([conversation(1), conversation(2, consent="unknown")])
    store.people.put(person, bot="b", actor="test")
    assert [one.consent for one in store.conversations.iterate("b")] == [consent, "unknown"]
    store.people.put(Person(MINA), bot="b", actor="test")
    assert store.conversations.get(conversation(1).id) == conversation(1)


def _filled(store: SqlStore) -> None:
    store.conversations.add(
        [conversation(1, feedback=(Feedback(1, "correction", f"no, {SAID}"),)), conversation(2, JUN)]
    )
    store.conversations.add_feedback(conversation(2).id, Feedback(1, "comment", "what Mina thinks of it", MINA))
    store.conversations.save_drops("b", {f"{conversation(1).id}#1": "x", f"{conversation(2).id}#1": "y"})
    store.datasets.put(dataset(1, 2))
    store.adapters.put(Adapter("ad-1", "b", "one", "1" * 64, "base", "/x", NOW, dataset_id=dataset(1, 2).id))
    store.adapters.put(Adapter("ad-2", "b", "two", "2" * 64, "base", "/x", NOW, parent_id="ad-1"))
    store.adapters.put(Adapter("ad-3", "b", "three", "3" * 64, "base", "/x", NOW))
    store.releases.publish(Release("rl-1", "b", 1, "ad-1", "one", "base", "auto", "op", NOW), 0)
    items = (
        ItemResult("candidate", "repairs", f"{conversation(1).id}#1", "an answer", 1.0, 1.0, True, asked="a1"),
        ItemResult("candidate", "talk", "t1", f"so {SAID}!", 1.0, 1.0, True, question="why?", asked="a2"),
        ItemResult("candidate", "talk", "t2", "harmless", 1.0, 1.0, True, question="why?", asked="a3"),
    )
    losses = (RowLoss("base", conversation(1).id, 1, 2.0, 3), RowLoss("base", conversation(2).id, 1, 2.0, 3))
    store.reports.put(Report("rp-1", "b", "ad-1", NOW, (), items, losses=losses))
    asked = NewJob("b", metadata={"for": MINA}, actor=MINA, reason=f"{conversation(1).id} was corrected")
    _, lease = store.leases.begin(asked, "w", 60.0)
    assert lease is not None
    store.leases.record(lease, "collect", {"of": [conversation(1).id]})
    store.leases.end(lease, "error", RetryRule(), f"{conversation(1).id} of {MINA} is gone")


def test_an_erasure_takes_every_row_and_quotation(keyed: Callable[[], SqlStore]) -> None:
    """Conversations, feedback on and by the person, drops, rows and quotations go; what learnt from them is named."""
    store = keyed()
    _filled(store)
    erased = store.eraser.erase([MINA], ())
    assert erased.conversations == {conversation(1).id}
    assert (erased.datasets, erased.adapters, erased.releases) == ((dataset(1, 2).id,), ("ad-1", "ad-2"), ("rl-1",))
    assert erased.quotations == 2
    assert [one.id for one in store.conversations.iterate("b")] == [conversation(2).id]
    assert store.conversations.get(conversation(2).id).feedback == ()  # type: ignore[union-attr]
    assert store.conversations.drops("b") == {f"{conversation(2).id}#1": "y"}
    assert len(store.datasets.get(dataset(1, 2).id).rows) == 1  # type: ignore[union-attr]
    report = store.reports.get("rp-1")
    assert report is not None
    assert [(item.answer, item.asked) for item in report.items] == [("", ""), ("", ""), ("harmless", "a3")]
    assert [loss.conversation_id for loss in report.losses] == [conversation(2).id]
    with store._database.read() as connection:
        for table in tables.metadata.sorted_tables:
            shown = str(connection.execute(sa.select(table)).all())
            assert SAID not in shown, table.name
            assert MINA not in shown, table.name
            assert conversation(1).id not in shown, table.name
    store.eraser.scrub()
    assert store.faults() == []
    store.close()


def test_the_forgotten_are_not_added_again(keyed: Callable[[], SqlStore], location: str) -> None:
    """Neither the same conversation nor another one of the person comes in; others do; without the key nothing does."""
    store = keyed()
    store.conversations.add([conversation(1), conversation(3, None)])
    store.eraser.erase([MINA], [conversation(3).id])
    assert store.conversations.add([conversation(1), conversation(2), conversation(3, None), conversation(4, JUN)]) == 1
    assert [one.id for one in store.conversations.iterate("b")] == [conversation(4).id]
    keyless = open_store(location)
    with pytest.raises(StoreError, match="key"):
        keyless.conversations.add([conversation(5, JUN)])
    keyless.close()
    store.close()


def test_pruned_conversations_may_come_again(keyed: Callable[[], SqlStore]) -> None:
    """What was only too old leaves no tombstone."""
    store = keyed()
    store.conversations.add([conversation(1)])
    store.eraser.erase((), [conversation(1).id], for_ever=False)
    assert store.conversations.add([conversation(1)]) == 1
    store.close()


def test_a_touched_adapter_is_never_published(store: SqlStore) -> None:
    """An adapter that learnt from a forgotten person cannot go live, and the live release stays."""
    store.releases.publish(Release("rl-1", "b", 1, None, "base", "base", "auto", "op", NOW), 0)
    store.erasures.put(Erasure("er-1", NOW, NOW, None, {"n": 1}, ("ad-9",)), ["b"], "test")
    with pytest.raises(ArtifactError, match="forgotten"):
        store.releases.publish(Release("rl-2", "b", 2, "ad-9", "nine", "base", "auto", "op", NOW), 1)
    assert store.releases.live("b").id == "rl-1"  # type: ignore[union-attr]
    (owed,) = store.erasures.owed()
    assert (owed.adapters, owed.facts) == (("ad-9",), {"n": 1})
    store.erasures.settle("er-1", NOW)
    assert store.erasures.owed() == []
    assert store.erasures.touched() == {"ad-9"}


def test_who_withdrew_at_the_gateway_is_not_learnt_from_by_another_way_in(keyed: Callable[[], SqlStore]) -> None:
    """What an import or a chat says of their consent does not outweigh their word, until they grant it again."""
    store = keyed()
    store.consents.set("b", MINA, "withdrawn")
    store.conversations.add([conversation(1), conversation(2, user=JUN), conversation(3, bot="c")])
    consents = {one.id: one.consent for bot in "bc" for one in store.conversations.iterate(bot)}
    assert consents == {f"cv-{1:016x}": "withdrawn", f"cv-{2:016x}": "granted", f"cv-{3:016x}": "granted"}
    with pytest.raises(DataError):
        store.datasets.put(dataset(1))
    store.consents.set("b", MINA, "granted")
    store.conversations.add([conversation(4)])
    assert store.conversations.get(f"cv-{4:016x}").consent == "granted"  # type: ignore[union-attr]
    store.close()
