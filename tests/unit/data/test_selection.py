"""From conversations to rows: what is kept, on which side, and why the rest is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loraloop.data.exchanges import give_feedback, record_exchange, why_not_learnt
from loraloop.data.manager import LoRADataManager
from loraloop.data.quality import DataQualityConfig
from loraloop.data.selection import select
from loraloop.data.splits import split_key, split_of
from loraloop.data.trust import TrustConfig
from loraloop.errors import DataError, NotEnoughData, TamperedDataset
from loraloop.store.sql import SqlStore
from loraloop.types import Conversation, Feedback, Person, Split, message, utc

CONFIG = DataQualityConfig()
WHEN = utc("2026-01-01T00:00:00+00:00")


def conversation(number: int, question: str, answer: str, **facts: object) -> Conversation:
    """A reviewed, consented pair."""
    values = {"consent": "granted", "user": None, "session": None, "feedback": (), **facts}
    return Conversation(
        id=f"cv-{number:016x}",
        bot="default",
        messages=(message("user", question), message("assistant", answer, "review")),
        created_at=WHEN,  # type: ignore[arg-type]
        source="test",
        **values,  # type: ignore[arg-type]
    )


def test_every_answer_is_kept_in_one_split_or_dropped_with_one_reason() -> None:
    """Nothing disappears: each answer is a row or has a reason."""
    rows = [
        conversation(1, "what is the tallest mountain of all", "it is mount everest"),
        conversation(2, "what is the tallest mountain of all", "it is mount everest"),
        conversation(3, "may I ask you something else now", "hm"),
        conversation(4, "who may learn from this one here", "nobody may, ever", consent="unknown"),
        conversation(5, "where does the sun go at night", "죄송합니다. 오류가 발생했습니다."),
    ]
    found = select(rows, CONFIG)
    kept = {f"{row.conversation_id}#{row.message_index}" for row in found.rows}
    assert kept | set(found.drops) == {f"{row.id}#1" for row in rows}
    assert not kept & set(found.drops)
    assert found.drops["cv-0000000000000002#1"] == "duplicate"
    assert found.drops["cv-0000000000000004#1"] == "consent_missing"
    assert {"cv-0000000000000003#1", "cv-0000000000000005#1"} <= set(found.drops)


@pytest.mark.slow
@given(st.lists(st.text("abcdefghij klmnop가나다라", min_size=12, max_size=40), min_size=1, max_size=30))
def test_no_question_of_one_split_stands_in_another(questions: list[str]) -> None:
    """Whatever is asked, in whatever order, the same question never trains and judges."""
    rows = [
        conversation(n, text, f"the answer number {n} is this", user=f"u{n % 7}") for n, text in enumerate(questions)
    ]
    found = select(rows, CONFIG)
    sides: dict[str, set[str]] = {}
    for row in found.rows:
        number = int(row.conversation_id[3:], 16)
        sides.setdefault("".join(questions[number].split()), set()).add(row.split)
    assert all(len(splits) == 1 for splits in sides.values())


def test_the_split_stays_when_conversations_are_added() -> None:
    """A row never changes sides because others came: adapters are never judged by what they learnt."""
    rows = [conversation(n, f"question {n} {'xyz' * n} about something", f"answer {n} is this one") for n in range(60)]
    before = {row.conversation_id: row.split for row in select(rows[:30], CONFIG).rows}
    after = {row.conversation_id: row.split for row in select(rows, CONFIG).rows}
    assert all(after.get(id, split) == split for id, split in before.items())
    assert len(set(after.values())) == 3


def test_a_correction_to_nobody_in_particular_always_teaches() -> None:
    """In 60 exchanges without a user every correction is a training row, wherever the question would fall."""
    rows = [
        conversation(
            n, f"question {n} {'abc' * n} about something", "the bot said this", session=f"s{n}",
            feedback=(Feedback(message_index=1, kind="correction", text=f"the better answer is {n}"),),
        )
        for n in range(60)
    ]  # fmt: skip
    assert {split_of(split_key(row)) for row in rows} == {"train", "validation", "gate"}
    alike = TrustConfig(pattern_rows=0, alike_rows=0)
    found = select(rows, CONFIG, trust=alike)
    assert {row.split for row in found.rows} == {"train"}
    assert len(found.rows) == found.corrections == 60


@pytest.mark.slow
def test_what_a_judging_user_corrects_judges_and_the_user_is_told(store: SqlStore) -> None:
    """A known user's corrections stay on that user's side, and feedback says that they will not be learnt."""
    told = {}
    for n in range(60):
        kept = record_exchange(
            store, bot="default", messages=[message("user", f"hello number {n} friend")], answer="hm yes",
            consent="granted", user=f"user {n}", secret=b"k",
        )  # fmt: skip
        give_feedback(store, kept.id, "correction", text="hello my good friend")
        told[split_of(f"user:{kept.user}")] = why_not_learnt(store, kept.id, 1, CONFIG)
    assert told == {"train": None, "validation": "held_out", "gate": "held_out"}


def test_a_corrected_row_comes_as_often_as_its_weight_and_in_its_new_words(store: SqlStore) -> None:
    """The samples of a corrected answer are the correction, ``correction_weight`` times."""
    store.conversations.add(
        [conversation(n, f"question {n} {'abc' * n} here", f"answer {n} is this") for n in range(20)]
    )
    asked = [message("user", "who are you then")]
    kept = record_exchange(store, bot="default", messages=asked, answer="a cat, I think", consent="granted")
    give_feedback(store, kept.id, "correction", text="I am a bot")
    manager = LoRADataManager(None, DataQualityConfig(correction_weight=3), store=store, secret=b"k")
    dataset = manager.build_dataset()
    samples = manager.samples(dataset, LetterTemplate(), "train", 400)
    corrected = [sample for sample in samples if sample.conversation_id == kept.id]
    assert len(corrected) == 3
    assert "".join(map(chr, corrected[0].input_ids)).endswith("I am a bot.")
    again = manager.build_dataset()
    assert again.id == dataset.id


def test_a_dataset_whose_rows_changed_is_refused(store: SqlStore) -> None:
    """With another key the rows' digests do not match, and nothing is trained on them."""
    store.conversations.add(
        [conversation(n, f"question {n} {'abc' * n} here", f"answer {n} is this") for n in range(20)]
    )
    dataset = LoRADataManager(None, store=store, secret=b"k").build_dataset()
    with pytest.raises(TamperedDataset) as caught:
        LoRADataManager(None, store=store, secret=b"other").samples(dataset, LetterTemplate(), "train", 400)
    assert "cv-" not in str(caught.value), "what is written down of it would name a conversation"


@pytest.mark.parametrize("split", ["train", "validation"])
def test_whoever_withdrew_since_a_dataset_was_made_is_not_trained_on(store: SqlStore, split: Split) -> None:
    """The dataset that still names their rows is refused, and the next one is without them."""
    asked = [f"question {n} {'abc' * n} here" for n in range(20)]
    rows = [conversation(n, asked[n], f"answer {n} is this", user=f"u-{n}") for n in range(20)]
    store.conversations.add(rows)
    manager = LoRADataManager(None, store=store, secret=b"k")
    dataset = manager.build_dataset()
    manager.samples(dataset, LetterTemplate(), split, 400)
    left = dataset.split("train")[0].conversation_id
    person = next(row.user for row in rows if row.id == left)
    store.people.put(Person(str(person), "under_14"), bot="default", actor="kim")
    with pytest.raises(DataError, match="no consent") as refused:
        manager.samples(dataset, LetterTemplate(), split, 400)
    assert "next dataset is without them" in refused.value.hint
    again = manager.build_dataset()
    assert left not in {row.conversation_id for row in again.rows}
    assert manager.samples(again, LetterTemplate(), "train", 400)


@pytest.mark.fault(46)
def test_nothing_to_learn_says_why(store: SqlStore) -> None:
    """The error names the most frequent reasons."""
    store.conversations.add([conversation(1, "a question of mine", "an answer of yours", consent="unknown")])
    with pytest.raises(NotEnoughData, match="consented"):
        LoRADataManager(None, store=store).build_dataset()
    assert set(store.conversations.drops("default").values()) == {"consent_missing"}


class LetterTemplate:
    """One token a character; the answer ends with a full stop."""

    def prompt_ids(self, messages: object) -> list[int]:
        """Only the last question, so that lengths stay small."""
        return [ord(char) for char in f"{messages[-1].text}|"]  # type: ignore[index]

    def answer_ids(self, text: str) -> list[int]:
        """The text and its end."""
        return [ord(char) for char in f"{text}."]
