"""What every store does, on SQLite and on a real PostgreSQL."""

import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from threading import Barrier
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loraloop.errors import DataError, StaleRelease, StoreError, StoreTooNew, UnknownThing
from loraloop.ports import Store
from loraloop.store.bulk import MOST_VALUES
from loraloop.store.sql import SqlStore
from loraloop.store.tables import conversations
from loraloop.types import (
    CONSENTS,
    CONSENTS_TO_LEARN,
    ROLES,
    Adapter,
    Conversation,
    Dataset,
    DatasetRow,
    Decision,
    Feedback,
    Message,
    Part,
    Release,
    Report,
    RuleResult,
    SubjectScore,
    message,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HARD_TEXTS = [
    "급식카드로 뭐 먹지? 🍚",
    "e\u0301 é ﬁ ＡＢＣ",
    "'; DROP TABLE live; --",
    'a\\b "c"\n\t\r\x01',
    "\\u0000 as text",
    "\U0010ffff",
]
Again = Callable[[], SqlStore]
ROWS = MOST_VALUES // len(conversations.c)
"""Conversations written by one statement."""


def conversation(number: int, **changes: object) -> Conversation:
    """One question and its answer."""
    said = (message("user", f"question {number}"), message("assistant", f"answer {number}", "review"))
    plainly = Conversation(f"cv-{number:016x}", "b", said, NOW + timedelta(minutes=number), "chat", "granted")
    return replace(plainly, **changes)  # type: ignore[arg-type]


def dataset(*conversation_ids: str, bot: str = "b", number: int = 1) -> Dataset:
    """One row of each conversation."""
    rows = tuple(DatasetRow(cid, 1, "train", f"{n:064x}") for n, cid in enumerate(conversation_ids))
    return Dataset(f"ds-{number:016x}", bot, rows, NOW, {"too short": 3})


def adapter(number: int, bot: str = "b") -> Adapter:
    """An adapter made ``number`` minutes after noon."""
    at = NOW + timedelta(minutes=number)
    return Adapter(f"ad-{bot}{number}", bot, f"n{number}", f"{number:064x}", "base", "/x", at, metrics={"loss": 0.5})


def release(version: int, bot: str = "b", **changes: object) -> Release:
    """A release of some version."""
    plainly = Release(f"rl-{bot}-{version}", bot, version, f"ad-{version}", "name", "base", "auto", "op", NOW)
    return replace(plainly, **changes)  # type: ignore[arg-type]


def kinds(store: Store, bot: str = "b") -> list[str]:
    """What happened, newest first."""
    return [event["kind"] for event in store.events.tail(bot)]


# -- conversations ----------------------------------------------------------------------------------------------------


def test_a_conversation_comes_back_as_it_was(store: SqlStore) -> None:
    """Every field survives, Korean, combining marks, quotes and control characters included."""
    said = (*(message("user", text) for text in HARD_TEXTS), Message("assistant", (Part("image", "menu.png"), Part())))
    judged = (Feedback(6, "thumb_up"), Feedback(6, "correction", "더 좋은 답", "kim", NOW))
    given = conversation(
        1, messages=said, user="u1", session="s1", release_id="rl-1", quality_score=0.1, language="ko", feedback=judged
    )
    assert store.conversations.add([given]) == 1
    assert store.conversations.get(given.id) == given
    assert list(store.conversations.iterate("b")) == [given]


@pytest.mark.fault(18)
def test_adding_again_changes_nothing(store: SqlStore) -> None:
    """Known conversations are not stored or told a second time, within one call or over two."""
    assert store.conversations.add([conversation(1), conversation(1)]) == 1
    assert store.conversations.add([conversation(1, source="other"), conversation(2)]) == 1
    assert store.conversations.add([]) == 0
    assert store.conversations.get(conversation(1).id) == conversation(1)
    assert kinds(store) == ["ConversationsAdded"] * 2


def test_conversations_come_oldest_first_over_many_pages(store: SqlStore) -> None:
    """Order is time, then id, however they were added, and a start time cuts exactly."""
    given = [conversation(n, created_at=NOW + timedelta(minutes=n % 7)) for n in range(1203)]
    store.conversations.add(reversed(given))
    in_order = sorted(given, key=lambda c: (c.created_at, c.id))
    assert [c.id for c in store.conversations.iterate("b")] == [c.id for c in in_order]
    since = NOW + timedelta(minutes=5)
    late = [c.id for c in in_order if c.created_at >= since]
    assert [c.id for c in store.conversations.iterate("b", since)] == late


@pytest.mark.parametrize("count", [1, ROWS - 1, ROWS, ROWS + 1, 3 * ROWS + 5])
def test_however_many_are_stored_at_once_all_are(store: SqlStore, count: int) -> None:
    """Rows are written many to a statement, and what is left over one by one."""
    given = [conversation(n, session=None if n % 3 else "s") for n in range(count)]
    assert store.conversations.add(given) == count
    assert store.conversations.some([one.id for one in given]) == {one.id: one for one in given}


def test_order_and_cut_do_not_depend_on_time_zone(store: SqlStore) -> None:
    """A time in Seoul is the same moment in UTC."""
    seoul = timezone(timedelta(hours=9))
    first = conversation(1, created_at=datetime(2026, 3, 1, 20, 59, tzinfo=seoul))
    store.conversations.add([conversation(2, created_at=NOW), first])
    assert [c.id for c in store.conversations.iterate("b")] == [first.id, conversation(2).id]
    assert [c.id for c in store.conversations.iterate("b", datetime(2026, 3, 1, 21, tzinfo=seoul))] == [
        conversation(2).id
    ]


def test_bots_are_kept_apart(store: SqlStore) -> None:
    """Nothing of one bot is seen through another."""
    store.conversations.add([conversation(1), conversation(2, bot="other")])
    store.conversations.save_drops("b", {"cv-1": "too short"})
    store.adapters.put(adapter(1))
    store.releases.publish(release(1), 0)
    assert [c.bot for c in store.conversations.iterate("other")] == ["other"]
    assert (store.conversations.count("b"), store.conversations.count("other"), store.conversations.count("x")) == (
        1,
        1,
        0,
    )
    assert store.conversations.drops("other") == {}
    assert store.adapters.list("other") == []
    assert store.releases.live("other") is None
    assert store.releases.history("other") == []
    assert store.releases.publish(release(1, bot="other"), 0).version == 1
    assert kinds(store, "other") == ["ReleasePublished", "ConversationsAdded"]


@pytest.mark.parametrize("text", ["half \ud800 pair", "a\x00b"], ids=["surrogate", "NUL"])
def test_text_no_database_keeps_is_refused_whole(store: SqlStore, text: str) -> None:
    """A NUL byte or half a surrogate pair is a clear error, and nothing of that call is stored."""
    for said in ({"messages": (message("user", text),)}, {"session": text}, {"source": text}):
        with pytest.raises(DataError, match=r"NUL|surrogate"):
            store.conversations.add([conversation(1), conversation(2, **said)])
    assert store.conversations.count("b") == 0
    assert kinds(store) == []


def test_feedback_is_appended_in_order(store: SqlStore) -> None:
    """Each judgement of an answer is kept after the ones before it, and told."""
    store.conversations.add([conversation(1)])
    said = [Feedback(1, "thumb_down", actor="kim"), Feedback(1, "correction", "고침"), Feedback(1, "comment", "ok")]
    for one in said:
        store.conversations.add_feedback(conversation(1).id, one)
    found = store.conversations.get(conversation(1).id)
    assert found is not None
    assert list(found.feedback) == said
    assert [event["actor"] for event in store.events.tail("b")][-2::-1] == ["kim", "user", "user"]


@pytest.mark.parametrize(("number", "place"), [(9, 1), (1, 0), (1, 2), (1, -1)])
def test_feedback_needs_an_answer(store: SqlStore, number: int, place: int) -> None:
    """An unknown conversation, a user's message and a place outside are refused, and nothing is told."""
    store.conversations.add([conversation(1)])
    with pytest.raises(UnknownThing):
        store.conversations.add_feedback(conversation(number).id, Feedback(place, "thumb_up"))
    assert kinds(store) == ["ConversationsAdded"]


def test_drops_are_replaced(store: SqlStore) -> None:
    """The table of dropped rows is always the last one saved."""
    store.conversations.save_drops("b", {"cv-1": "too short", "cv-2#1": "no consent"})
    store.conversations.save_drops("b", {"cv-3": "개인정보"})
    assert store.conversations.drops("b") == {"cv-3": "개인정보"}
    store.conversations.save_drops("b", {})
    assert store.conversations.drops("b") == {}


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=30)
MESSAGES = st.builds(
    Message,
    role=st.sampled_from(ROLES),
    content=st.lists(st.builds(Part, kind=st.sampled_from(["text", "image"]), text=TEXTS), max_size=3).map(tuple),
    approved_by=st.none() | TEXTS,
)
CONVERSATIONS = st.builds(
    Conversation,
    id=st.uuids().map(lambda found: f"cv-{found.hex[:16]}"),
    bot=st.just("b"),
    messages=st.lists(MESSAGES, max_size=4).map(tuple),
    created_at=st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(UTC)),
    source=TEXTS,
    consent=st.sampled_from(CONSENTS),
    user=st.none() | TEXTS,
    quality_score=st.none() | st.floats(0, 1),
    feedback=st.lists(
        st.builds(Feedback, st.integers(0, 9), st.just("comment"), TEXTS, TEXTS, st.none() | st.just(NOW)), max_size=2
    ).map(tuple),
)


@pytest.mark.slow
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(CONVERSATIONS, max_size=3, unique_by=lambda one: one.id))
def test_any_conversation_comes_back(store: SqlStore, given: list[Conversation]) -> None:
    """Whatever text is in a conversation, it reads back equal."""
    fresh = [replace(one, id=f"cv-{uuid4().hex[:16]}") for one in given]  # the store outlives the example
    store.conversations.add(fresh)
    assert [store.conversations.get(one.id) for one in fresh] == fresh


# -- values -----------------------------------------------------------------------------------------------------------


def test_values_come_back_as_they_were(store: SqlStore) -> None:
    """A dataset, adapter, report and decision read back equal, with everything nested in them."""
    store.conversations.add([conversation(1), conversation(2)])
    chosen = dataset(conversation(2).id, conversation(1).id)
    score = SubjectScore("candidate", "ad-1", 0.5, 0.5, 0.5, 1, 2, 0.1, 0.2, 1.5)
    report = Report("rp-1", "b", "ad-b1", NOW, (score,), suites={"ko_meals": "d"})
    decision = Decision(
        "dc-1", "b", "ad-b1", "hold", NOW, "kim", (RuleResult("r", "1", "2", False),), "rp-1", "왜냐하면"
    )
    assert store.datasets.put(chosen) == store.datasets.get(chosen.id) == store.datasets.list("b")[0] == chosen
    assert store.adapters.put(adapter(1)) == store.adapters.get("ad-b1") == adapter(1)
    assert store.reports.put(report) == store.reports.get("rp-1") == report
    assert store.decisions.put(decision) == store.decisions.get("dc-1") == decision
    assert store.adapters.get("ds-1") is None
    assert store.datasets.get("nothing") is None
    assert kinds(store)[:4] == ["AdapterDecided", "AdapterEvaluated", "AdapterTrained", "DatasetBuilt"]
    assert store.events.tail("b", 1)[0]["actor"] == "kim"


def test_bots_with_the_same_weights_have_a_value_each(store: SqlStore) -> None:
    """Each bot's adapter is its own though the digest is one; every bot with an adapter or a release is known."""
    assert store.bots() == []
    same = [store.adapters.put(replace(adapter(1), bot=bot, name=bot)) for bot in "cb"]
    assert [(one.bot, one.name, one.digest) for one in same] == [(bot, bot, adapter(1).digest) for bot in "cb"]
    assert store.adapters.put(replace(adapter(1), bot="b")) == same[1] == store.adapters.list("b")[0]
    store.releases.publish(release(1, bot="a"), 0)
    assert store.bots() == ["a", "b", "c"]


def test_the_first_value_of_an_id_stays(store: SqlStore) -> None:
    """Storing an id again gives the first value back and tells nothing."""
    store.adapters.put(adapter(1))
    assert store.adapters.put(replace(adapter(1), name="other")) == adapter(1)
    assert store.adapters.get("ad-b1") == adapter(1)
    assert kinds(store) == ["AdapterTrained"]


def test_values_are_listed_newest_first(store: SqlStore) -> None:
    """Order is that of their making, not of their storing, up to the limit."""
    for number in (2, 4, 1, 3):
        store.adapters.put(adapter(number))
    assert [a.name for a in store.adapters.list("b")] == ["n4", "n3", "n2", "n1"]
    assert [a.name for a in store.adapters.list("b", 2)] == ["n4", "n3"]


def test_eight_writers_store_the_same_things_once(store: SqlStore, reopened: Again) -> None:
    """Writers that bring the same conversations, values and state at once all succeed, and one of each is kept."""
    stores, ready = [reopened() for _ in range(8)], Barrier(8)

    def write(one: SqlStore) -> int:
        ready.wait(10)
        one.adapters.put(adapter(1))
        one.state.write("key", 1)
        return one.conversations.add([conversation(n) for n in range(20)])

    with ThreadPoolExecutor(8) as pool:
        new = list(pool.map(write, stores))
    assert sum(new) == store.conversations.count("b") == 20
    assert kinds(store).count("AdapterTrained") == 1


@pytest.mark.parametrize("consent", sorted(set(CONSENTS) - CONSENTS_TO_LEARN))
def test_a_dataset_never_holds_what_may_not_be_learnt(store: SqlStore, consent: str) -> None:
    """A row without consent is refused with the whole dataset, and nothing is told."""
    store.conversations.add([conversation(1), conversation(2, consent=consent)])
    with pytest.raises(DataError, match=conversation(2).id):
        store.datasets.put(dataset(conversation(1).id, conversation(2).id))
    assert store.datasets.list("b") == []
    assert "DatasetBuilt" not in kinds(store)


def test_a_dataset_takes_only_rows_of_its_own_bot(store: SqlStore) -> None:
    """Another bot's conversation and one that does not exist are refused alike."""
    store.conversations.add([conversation(1, bot="other")])
    for missing in (conversation(1).id, conversation(9).id):
        with pytest.raises(DataError, match=missing):
            store.datasets.put(dataset(missing))


@pytest.mark.parametrize("consent", [None, *sorted(set(CONSENTS) - CONSENTS_TO_LEARN)])
def test_the_database_itself_refuses_rows_without_consent(store: SqlStore, consent: str | None) -> None:
    """Even a program that knows nothing of our checks cannot write such a row."""
    if consent is not None:
        store.conversations.add([conversation(1, consent=consent)])
    row = f"INSERT INTO dataset_rows VALUES ('ds-1', 0, '{conversation(1).id}', 1, 'train', 'd')"
    with pytest.raises(StoreError, match="consent"), store._database.write() as connection:
        connection.exec_driver_sql(row)
    with store._database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM dataset_rows").scalar() == 0


# -- releases ---------------------------------------------------------------------------------------------------------


def test_the_live_release_moves_with_its_history(store: SqlStore) -> None:
    """What was published last is live, the history is newest first, and every field comes back."""
    first = release(1, serving={"system_prompt": "친절하게"}, trial_ends_at=NOW, performance={"overall_score": 0.9})
    assert store.releases.live("b") is None
    assert store.releases.publish(first, 0) == first == store.releases.live("b")
    second = store.releases.publish(release(2, adapter_id=None, previous_id=first.id), 1)
    assert store.releases.live("b") == second
    assert store.releases.history("b") == [second, first]
    assert store.releases.history("b", 1) == [second]
    assert store.releases.get(first.id) == first
    assert store.releases.get("rl-x") is None


def test_a_status_changes_and_is_told(store: SqlStore) -> None:
    """A status is set on one release; an unknown release is an error."""
    store.releases.publish(release(1), 0)
    store.releases.set_status("rl-b-1", "confirmed")
    live = store.releases.live("b")
    assert live is not None
    assert live.status == "confirmed"
    assert live == store.releases.get("rl-b-1")
    assert store.events.tail("b", 1)[0]["facts"] == {"release_id": "rl-b-1", "status": "confirmed"}
    with pytest.raises(UnknownThing):
        store.releases.set_status("rl-x", "confirmed")


@pytest.mark.fault(34)
@pytest.mark.parametrize(("version", "expected"), [(2, 0), (2, 2), (1, 1), (3, 7)])
def test_a_stale_publish_changes_nothing(store: SqlStore, version: int, expected: int) -> None:
    """Whoever expects another live version, or uses one again, is refused, and neither history nor events show it."""
    store.releases.publish(release(1), 0)
    with pytest.raises(StaleRelease):
        store.releases.publish(release(version, id="rl-late"), expected)
    assert store.releases.history("b") == [release(1)] == [store.releases.live("b")]
    assert kinds(store) == ["ReleasePublished"]


@pytest.mark.fault(22)
def test_of_eight_publishers_exactly_one_wins(store: SqlStore, reopened: Again) -> None:
    """Eight that saw the same live version publish at once: one is live, seven hear that they are stale."""
    store.releases.publish(release(1), 0)
    stores, ready = [reopened() for _ in range(8)], Barrier(8)

    def publish(number: int) -> str:
        ready.wait(10)
        try:
            return stores[number].releases.publish(release(2, id=f"rl-{number}"), 1).id
        except StaleRelease:
            return "stale"

    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(publish, range(8)))
    (winner,) = [one for one in told if one != "stale"]
    live = store.releases.live("b")
    assert live is not None
    assert live.id == winner
    assert [one.id for one in store.releases.history("b")] == [winner, "rl-b-1"]
    assert kinds(store) == ["ReleasePublished"] * 2


# -- state, events, the database --------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [None, 0, 1.5, True, "급식\n", [1, [2, {"a": None}]], {"b": {"ㄱ": [1]}}, {}])
def test_state_comes_back(store: SqlStore, value: object) -> None:
    """Any JSON value reads back equal; the last one written counts."""
    store.state.write("key", "before")
    store.state.write("key", value)
    store.state.write("other", 1)
    assert store.state.read("key") == value
    assert store.state.read("unknown") is None


def test_events_come_newest_first(store: SqlStore) -> None:
    """Events keep their order, actor, time and facts, up to the limit."""
    for number in range(5):
        store.events.append("b", f"Kind{number}", "운영자", {"n": number, "말": "네"})
    found = store.events.tail("b", 3)
    assert [(e["kind"], e["facts"]["n"], e["actor"], e["bot"]) for e in found] == [
        (f"Kind{n}", n, "운영자", "b") for n in (4, 3, 2)
    ]
    assert [e["id"] for e in found] == sorted((e["id"] for e in found), reverse=True)
    assert datetime.fromisoformat(found[0]["at"]).utcoffset() == timedelta(0)


@pytest.mark.parametrize("table", ["events", "conversations"])
def test_a_change_and_its_event_are_one(store: SqlStore, table: str) -> None:
    """Where either cannot be written, neither is."""
    with store._database.write() as connection:
        connection.exec_driver_sql(f"ALTER TABLE {table} RENAME TO gone")
    with pytest.raises(StoreError):
        store.conversations.add([conversation(1)])
    with store._database.write() as connection:
        connection.exec_driver_sql(f"ALTER TABLE gone RENAME TO {table}")
    assert store.conversations.count("b") == 0
    assert kinds(store) == []


def test_everything_is_there_after_opening_again(store: SqlStore, reopened: Again) -> None:
    """Opening migrates once: a second opening finds the same rows, and no fault."""
    store.conversations.add([conversation(1)])
    store.releases.publish(release(1), 0)
    store.state.write("key", {"a": 1})
    events = store.events.tail("b")
    store.close()
    again = reopened()
    assert again.conversations.get(conversation(1).id) == conversation(1)
    assert again.releases.live("b") == release(1)
    assert again.state.read("key") == {"a": 1}
    assert again.events.tail("b") == events
    assert again.faults() == []


def test_several_may_open_an_empty_database_at_once(location: str, reopened: Again) -> None:
    """The migration runs once, whoever comes first."""
    ready = Barrier(4)

    def opened(_: int) -> int:
        ready.wait(10)
        return reopened().conversations.add([conversation(1)])

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(opened, range(4))) == 1


@pytest.mark.fault(14)
def test_a_newer_database_is_left_alone(store: SqlStore, reopened: Again) -> None:
    """A revision this version does not know is refused with a remedy, before anything is touched."""
    with store._database.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'r9999'")
    with pytest.raises(StoreTooNew, match="r9999") as caught:
        reopened()
    assert "newer version" in caught.value.hint


def test_a_wrong_live_pointer_is_found(store: SqlStore) -> None:
    """A pointer whose version is not its release's is named."""
    store.releases.publish(release(1), 0)
    with store._database.write() as connection:
        connection.exec_driver_sql("UPDATE live SET version = 7")
    assert store.faults() == ["the live pointer of b is wrong"]


def test_the_store_is_what_the_port_asks_for(store: SqlStore) -> None:
    """Every part of the port is answered."""
    port: Store = store
    parts = [name for name, found in vars(Store).items() if isinstance(found, property)]
    assert parts
    assert all(getattr(port, name) is not None for name in parts)
    assert sqlite3.threadsafety in (1, 3)
