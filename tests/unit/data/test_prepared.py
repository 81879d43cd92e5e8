"""What is kept from turn to turn: the same results as without, stale when anything changes, gone with people."""

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loraloop.data import known_rows
from loraloop.data.candidates import candidates
from loraloop.data.manager import LoRADataManager
from loraloop.data.quality import DataQualityConfig, reason_to_drop, reason_under, verdict_on
from loraloop.data.sample_rows import SampleRows
from loraloop.errors import TamperedDataset
from loraloop.store import tables
from loraloop.store.sql import SqlStore, open_store
from loraloop.types import Conversation, Dataset, Feedback, Message, Person, Sample

Say = Callable[..., Conversation]
WORDS = [
    "오늘",
    "김밥",
    "라면",
    "바다",
    "책을",
    "river",
    "stone",
    "music",
    "죽고 싶",
    "{name}",
    "010-1234-5678",
    "ㅋㅋ",
    "!",
]


class Letters:
    """One token a character, for many rows at once; counts how many it was asked."""

    def __init__(self, tokens_digest: str = "letters") -> None:
        self.tokens_digest = tokens_digest
        self.asked = 0

    def prompt_ids(self, messages: Sequence[Message]) -> list[int]:
        return [ord(char) for said in messages for char in f"{said.role[0]}{said.text}|"]

    def answer_ids(self, text: str) -> list[int]:
        return [ord(char) for char in f"{text}."]

    def rows_ids(self, rows: Sequence[tuple[Sequence[Message], str]]) -> list[tuple[list[int], list[int]]]:
        self.asked += len(rows)
        return [(self.prompt_ids(prompt), self.answer_ids(answer)) for prompt, answer in rows]


def words(seed: int, count: int = 8) -> str:
    """A sentence."""
    return " ".join(random.Random(seed).choices(WORDS[:8], k=count)) + f" {seed}"


def every(manager: LoRADataManager, dataset: Dataset, template: object, longest: int = 400) -> list[Sample]:
    """The samples of all splits."""
    found: list[Sample] = []
    for split in ("train", "validation", "gate"):
        found += manager.samples(dataset, template, split, longest)  # type: ignore[arg-type]
    return found


@pytest.fixture
def filled(store: SqlStore, say: Say) -> SqlStore:
    """A store with forty conversations of forty people."""
    store.conversations.add([say(words(n), words(100 + n), user=f"u{n}") for n in range(40)])
    return store


def test_a_turn_tokenises_only_what_is_new(filled: SqlStore, say: Say) -> None:
    """The second time nothing is, after one more conversation one row is; the samples are the same each time."""
    template, manager = Letters(), LoRADataManager(store=filled, secret=b"k")
    first = every(manager, manager.build_dataset(), template)
    assert template.asked == len(first) > 20
    assert every(manager, manager.build_dataset(), template) == first
    assert template.asked == len(first)
    filled.conversations.add([say(words(990), words(991), user="new")])
    assert len(every(manager, manager.build_dataset(), template)) == len(first) + 1
    assert template.asked == len(first) + 1


def test_tokens_of_another_template_or_length_are_made_anew(filled: SqlStore) -> None:
    """Another vocabulary or template, and another longest sample, make what is kept stale."""
    manager = LoRADataManager(store=filled, secret=b"k")
    dataset, template = manager.build_dataset(), Letters()
    rows = len(every(manager, dataset, template))
    other = Letters("other letters")
    every(manager, dataset, other)
    assert other.asked == rows
    shorter = every(manager, dataset, other, 90)
    assert other.asked == 2 * rows
    assert max(len(sample.input_ids) for sample in shorter) <= 90
    assert shorter == every(LoRADataManager(store=filled, secret=b"k"), dataset, Letters(""), 90)


def test_a_corrected_row_is_tokenised_and_judged_anew(filled: SqlStore) -> None:
    """What is kept of a row's old words is not taken for its new ones, and what is kept of those is read again."""
    template, manager = Letters(), LoRADataManager(store=filled, secret=b"k")
    dataset = manager.build_dataset()
    every(manager, dataset, template)
    row = dataset.split("train")[0]
    filled.conversations.add_feedback(row.conversation_id, Feedback(1, "correction", "바다에 가요 정말로"))
    before = template.asked
    found = every(manager, manager.build_dataset(), template)
    assert every(manager, manager.build_dataset(), template) == found
    assert template.asked == before + 1
    ours = next(sample for sample in found if sample.conversation_id == row.conversation_id)
    assert "".join(map(chr, ours.input_ids)).endswith("바다에 가요 정말로.")
    filled.conversations.add_feedback(row.conversation_id, Feedback(1, "correction", "안녕 {name}!"))
    manager.build_dataset()
    assert filled.conversations.drops("default")[f"{row.conversation_id}#1"] == "template_unfilled"


def test_a_row_edited_behind_our_back_is_refused_though_its_tokens_are_kept(filled: SqlStore) -> None:
    """What is kept of a row never stands in for looking whether the row is still what it was."""
    template, manager = Letters(), LoRADataManager(store=filled, secret=b"k")
    dataset = manager.build_dataset()
    every(manager, dataset, template)
    t = tables.conversations
    with filled._database.write() as connection:
        ours = t.c.id == dataset.split("train")[0].conversation_id
        said = connection.execute(sa.select(t.c.messages).where(ours)).scalar_one()
        connection.execute(sa.update(t).where(ours).values(messages=said.replace(" ", "  ")))
    with pytest.raises(TamperedDataset):
        manager.samples(dataset, template, "train", 400)


def test_an_answer_too_long_for_a_sample_is_known_to_be(store: SqlStore, say: Say) -> None:
    """It gets its reason each time, and is tokenised once."""
    store.conversations.add([say(words(n), words(100 + n, 20 if n % 2 else 4), user=f"u{n}") for n in range(30)])
    template, manager = Letters(), LoRADataManager(store=store, secret=b"k")
    dataset = manager.build_dataset()
    first = every(manager, dataset, template, 60)
    assert 0 < len(first) < len(dataset.rows)
    asked = template.asked
    assert every(manager, dataset, template, 60) == first
    assert template.asked == asked
    assert "answer_too_long" in store.conversations.drops("default").values()


def test_other_checks_or_another_program_judge_anew(filled: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another setting or another version of what judges makes verdicts stale; the same ones are not asked again."""
    asked: list[str] = []
    judge = known_rows.verdict_on

    def counting(row: object, config: DataQualityConfig) -> str:
        asked.append("x")
        return judge(row, config)  # type: ignore[arg-type]

    monkeypatch.setattr(known_rows, "verdict_on", counting)
    LoRADataManager(store=filled, secret=b"k").build_dataset()
    assert len(asked) == 40
    LoRADataManager(store=filled, secret=b"k").build_dataset()
    assert len(asked) == 40
    LoRADataManager(None, DataQualityConfig(min_response_length=6), store=filled, secret=b"k").build_dataset()
    assert len(asked) == 80
    monkeypatch.setattr(known_rows, "_program", lambda: "another version")
    LoRADataManager(None, DataQualityConfig(min_response_length=6), store=filled, secret=b"k").build_dataset()
    assert len(asked) == 120


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(
    said=st.lists(st.lists(st.sampled_from(WORDS), max_size=5).map(" ".join), min_size=2, max_size=4),
    consent=st.sampled_from(["granted", "unknown"]),
    approved=st.booleans(),
)
def test_a_verdict_and_the_law_give_the_reason_that_the_checks_give(
    said: list[str], consent: str, approved: bool, say: Say
) -> None:
    """Whether the words are asked first and consent later, or all in the law's order."""
    config = DataQualityConfig()
    for row in candidates(say(*(text or "?" for text in said), consent=consent, approved=approved)):
        assert reason_under(verdict_on(row, config), row, config) == reason_to_drop(row, config)


def test_another_list_of_unfit_words_judges_anew(filled: SqlStore, tmp_path: Path) -> None:
    """Not the name of the file counts but what stands in it."""
    lists = tmp_path / "words.txt"
    for text, more in (("zebra\n", False), ("river\n", True)):
        lists.write_text(text)
        verdicts_of = LoRADataManager(None, DataQualityConfig(unfit_words=(str(lists),)), store=filled, secret=b"k")
        from loraloop.data.words import from_files

        from_files.cache_clear()
        verdicts_of.build_dataset()
        assert ("unfit_words" in filled.conversations.drops("default").values()) is more


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=15)
@given(data=st.data())
def test_datasets_and_samples_are_those_of_a_store_that_kept_nothing(
    data: st.DataObject, say: Say, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Over random rows that come in turns, with feedback between: the same ids, drops and samples as all at once."""
    folder = tmp_path_factory.mktemp("prepared")
    grown, fresh = open_store(folder / "grown.db"), open_store(folder / "fresh.db")
    text = st.lists(st.sampled_from(WORDS), min_size=1, max_size=7).map(" ".join)
    steady = [say(words(n), words(100 + n), session=f"steady{n}") for n in range(12)]
    turns = data.draw(st.lists(st.lists(st.tuples(text, text), max_size=5), min_size=1, max_size=3))
    grown.conversations.add(steady)
    stored, manager = list(steady), LoRADataManager(store=grown, secret=b"k")
    for number, pairs in enumerate(turns):
        new = [say(q, a, session=f"{number} {place}") for place, (q, a) in enumerate(pairs)]
        grown.conversations.add(new)
        stored += new
        for one in new[::2]:
            kind = data.draw(st.sampled_from(["thumb_up", "thumb_down", "correction"]))
            grown.conversations.add_feedback(one.id, Feedback(1, kind, data.draw(text), created_at=one.created_at))
        every(manager, manager.build_dataset(), Letters())
    fresh.conversations.add([one for one in grown.conversations.iterate("default")])
    alone = LoRADataManager(store=fresh, secret=b"k")
    ours, theirs = manager.build_dataset(), alone.build_dataset()
    assert ours.id == theirs.id
    assert grown.conversations.drops("default") == fresh.conversations.drops("default")
    assert every(manager, ours, Letters()) == every(alone, theirs, Letters(""))
    grown.close()
    fresh.close()


def test_who_is_forgotten_leaves_no_verdict_and_no_token(say: Say, tmp_path: Path) -> None:
    """What was worked out of a person's words goes with them, to the last byte of the file."""
    store = open_store(tmp_path / "k.db", keys=lambda: [b"k"])
    mine = [say(f"{words(n)} qvzkasked", f"{words(50 + n)} zqxjkvbw", user="kim") for n in range(5)]
    store.conversations.add([*mine, *(say(words(100 + n), words(200 + n), user=f"u{n}") for n in range(30))])
    manager = LoRADataManager(store=store, secret=b"k")
    every(manager, manager.build_dataset(), Letters())
    ids = "".join(chr(ord(char)) for char in "zqxjkvbw").encode("utf-32-le")
    assert ids in store._database.path.read_bytes() + Path(f"{store._database.path}-wal").read_bytes()
    person = mine[0].user
    assert person is not None
    erased = store.eraser.erase([person], [])
    assert erased.rows["known_rows"] == 5
    assert erased.rows["tokens"] == 5
    store.eraser.scrub()
    left = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert ids not in left
    assert b"qvzkasked" not in left
    assert not store.prepared.tokens([one.id for one in mine])
    store.close()


def test_nothing_is_kept_of_conversations_that_are_gone(say: Say, store: SqlStore) -> None:
    """Whoever was forgotten while their rows were in work is not written down again."""
    from loraloop.prepared_store import KnownRow, Tokens, Verdict

    here, gone = say(words(1), words(2)), say(words(3), words(4))
    store.conversations.add([here])
    store.prepared.keep_tokens([((one.id, 1), Tokens("m", 1, 3, b"1234")) for one in (here, gone)])
    row = KnownRow(1, "", True, False, "train", "d", b"c", "asked", 0)
    store.prepared.keep_rows([(one.id, "m", "", row) for one in (here, gone)])
    store.prepared.keep_rows([(here.id, "n", "", row._replace(reason="too"))])
    assert store.prepared.tokens([here.id, gone.id]) == {(here.id, 1): Tokens("m", 1, 3, b"1234")}
    assert store.prepared.verdicts([here.id, gone.id]) == {(here.id, 1): Verdict("n", "too")}


def test_samples_read_as_a_list_does(filled: SqlStore) -> None:
    """Length, places, slices and equality are a list's."""
    manager = LoRADataManager(store=filled, secret=b"k")
    found = manager.samples(manager.build_dataset(), Letters(), "train", 400)
    assert isinstance(found, SampleRows)
    listed = list(found)
    assert found == listed
    assert found[-1] == listed[-1]
    assert found[2:5] == listed[2:5]
    assert len(found) == len(listed)
    with pytest.raises(IndexError):
        found[len(listed)]


class Reading:
    """Counts the conversations that are read."""

    def __init__(self, store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ids: list[str] = []
        some = store.conversations.some

        def counting(ids: Sequence[str]) -> dict[str, Conversation]:
            self.ids += ids
            return some(ids)

        monkeypatch.setattr(store.conversations, "some", counting)


def test_a_turn_reads_only_conversations_that_are_new_or_judged(
    filled: SqlStore, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of all others it looks at what is known of them; the dataset and its samples are those of a new store."""
    manager, template = LoRADataManager(store=filled, secret=b"k"), Letters()
    every(manager, manager.build_dataset(), template)
    judged, new = next(filled.conversations.iterate("default")), say(words(990), words(991), user="new")
    filled.conversations.add_feedback(judged.id, Feedback(1, "thumb_up", created_at=judged.created_at))
    filled.conversations.add([new])
    read = Reading(filled, monkeypatch)
    dataset = manager.build_dataset()
    assert sorted(read.ids) == sorted([judged.id, new.id])
    every(manager, dataset, template)
    assert set(read.ids) == {judged.id, new.id}
    assert LoRADataManager(store=filled, secret=b"k").build_dataset().id == dataset.id
    assert LoRADataManager(store=filled, secret=b"other").build_dataset().id != dataset.id


def test_an_import_leaves_nothing_to_be_read_for_the_first_dataset(
    store: SqlStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It knows all that a dataset needs; a manager with another secret knows none of it and reads everything."""
    from loraloop.data.formats import ImportOptions
    from loraloop.data.importers import import_files

    turns = [
        [{"role": "user", "content": words(n)}, {"role": "assistant", "content": words(90 + n)}] for n in range(30)
    ]
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps({"messages": one}) + "\n" for one in turns), encoding="utf-8")
    import_files([file], "auto", ImportOptions(consent="granted", approved_by="review", secret=b"k"), store)
    read = Reading(store, monkeypatch)
    assert LoRADataManager(store=store, secret=b"k").build_dataset().rows
    assert read.ids == []
    LoRADataManager(store=store, secret=b"other").build_dataset()
    assert len(read.ids) == 30


def test_all_answers_of_a_conversation_are_known(store: SqlStore, say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of conversations with one answer and with several, none and all of them fit to learn, nothing is read again."""
    some = [words(n) for n in range(60)]
    some[9] = some[31] = "{name}"
    cuts = [(0, 2), (2, 6), (6, 8), (8, 14), (14, 16), (16, 28), (28, 30), (30, 32), (32, 38), (38, 60)]
    store.conversations.add([say(*some[begin:end], user=f"u{begin}") for begin, end in cuts])
    manager = LoRADataManager(store=store, secret=b"k")
    before, left_out = manager.build_dataset(), store.conversations.drops("default")
    read = Reading(store, monkeypatch)
    assert manager.build_dataset().id == before.id
    assert store.conversations.drops("default") == left_out
    assert read.ids == []
    assert len(before.rows) + len(left_out) == 30


def test_the_database_forgets_what_is_known_of_a_conversation_that_is_changed(filled: SqlStore) -> None:
    """Words changed behind our back are read again, and what was worked out of the old ones is gone."""
    template, manager = Letters(), LoRADataManager(store=filled, secret=b"k")
    row = manager.build_dataset().split("train")[0]
    every(manager, manager.build_dataset(), template)
    t = tables.conversations
    with filled._database.write() as connection:
        ours = t.c.id == row.conversation_id
        said = connection.execute(sa.select(t.c.messages).where(ours)).scalar_one()
        connection.execute(sa.update(t).where(ours).values(messages=said.replace('"text": "', '"text": "음 ')))
    assert not filled.prepared.verdicts([row.conversation_id])
    assert not filled.prepared.tokens([row.conversation_id])
    again = {one.conversation_id: one.digest for one in manager.build_dataset().rows}
    assert again[row.conversation_id] != row.digest


def test_a_correction_taken_back_leaves_no_token_of_it(filled: SqlStore) -> None:
    """Who is forgotten may have corrected an answer to somebody else: its tokens are gone with the correction."""
    template, manager = Letters(), LoRADataManager(store=filled, secret=b"k")
    row = manager.build_dataset().split("train")[0]
    filled.conversations.add_feedback(row.conversation_id, Feedback(1, "correction", "바다에 가요 정말로", "kim"))
    corrected = manager.build_dataset()
    every(manager, corrected, template)
    assert filled.prepared.tokens([row.conversation_id])
    with filled._database.write() as connection:
        connection.execute(sa.delete(tables.feedback))
    assert not filled.prepared.tokens([row.conversation_id])
    with pytest.raises(TamperedDataset):
        manager.samples(corrected, template, "train", 400)


def test_withdrawal_reaches_what_is_known(filled: SqlStore) -> None:
    """Consent is asked anew of conversations that are not read again; once given back, they teach again."""
    manager = LoRADataManager(store=filled, secret=b"k")
    before = manager.build_dataset()
    one = filled.conversations.get(before.rows[0].conversation_id)
    assert one is not None
    assert one.user is not None
    key = f"{one.id}#1"
    for person, reason in (
        (Person(one.user, withdrawn_at=one.created_at), "consent_withdrawn"),
        (Person(one.user, age_group="under_14"), "guardian_missing"),
    ):
        filled.people.put(person, bot="default", actor="test")
        assert one.id not in {row.conversation_id for row in manager.build_dataset().rows}
        assert filled.conversations.drops("default")[key] == reason
    filled.people.put(Person(one.user), bot="default", actor="test")
    assert manager.build_dataset().id == before.id
