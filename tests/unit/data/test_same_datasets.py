"""A turn that reads what is known, and writes what is new, makes the dataset that a turn from nothing makes."""

import random
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from loraloop.data.manager import LoRADataManager
from loraloop.data.quality import DataQualityConfig
from loraloop.data.trust import TrustConfig
from loraloop.errors import NotEnoughData
from loraloop.ports import Clock
from loraloop.store.sql import SqlStore, open_store
from loraloop.types import Conversation, Dataset, Feedback, Person

Say = Callable[..., Conversation]
WORDS = ["오늘", "김밥", "라면", "바다", "책을", "river", "stone", "music", "clouds", "garden", "{name}", "죽고 싶"]
WORKED_OUT = ("known_rows", "tokens", "dataset_rows", "dataset_runs")
SETTINGS = [
    {},
    {"cluster_rows": 2},
    {"near_duplicate_threshold": 0.84},
    {"max_self_written_frac": 0.3, "self_written_rows": 1},
    {"min_response_length": 12},
    {"correction_weight": 3},
]


class Home:
    """A store on which things happen at random; ``kept`` is what its datasets must read as."""

    def __init__(self, folder: Path, say: Say, clock: Clock, seed: int) -> None:
        self.drawn, self.say, self.clock, self.folder = random.Random(seed), say, clock, folder
        self.store = open_store(folder / "grown.db", keys=lambda: [b"k"])
        self.said: list[Conversation] = []
        self.config: dict[str, object] = {}
        self.kept: dict[str, Dataset] = {}

    def words(self, count: int) -> str:
        return " ".join(self.drawn.choices(WORDS[:10], k=count))

    def text(self) -> str:
        """New words, or with luck those of somebody else, a little changed or not at all."""
        if self.said and self.drawn.random() < 0.4:
            text = self.drawn.choice(self.said).messages[self.drawn.randrange(2)].text
            return text + self.drawn.choice(["", "", "요", "!", " 1"])
        return f"{self.words(self.drawn.randrange(3, 12))} {self.drawn.choice(['', '', '', *WORDS[9:]])}".strip()

    def add(self) -> None:
        """Five people say more, some of it long ago, some of it to a bot of ours that nobody approved."""
        new = []
        for _ in range(self.drawn.randrange(1, 9)):
            talk = self.say(
                *(self.text() for _ in range(2 * self.drawn.randrange(1, 3))),
                user=self.drawn.choice([None, *(f"u{n}" for n in range(12))]),
                source=self.drawn.choice(["jsonl", "chat"]),
                approved=self.drawn.random() < 0.8,
            )
            new.append(replace(talk, created_at=talk.created_at + timedelta(minutes=self.drawn.randrange(-900, 900))))
        self.store.conversations.add(new)
        self.said += [one for one in new if self.store.conversations.get(one.id)]

    def judge(self) -> None:
        """Somebody says what they think of an answer, a reviewer or anybody."""
        talk, kind = self.drawn.choice(self.said), self.drawn.choice(["thumb_up", "thumb_down", "correction"])
        actor = self.drawn.choice(["operator", "review:mina", "u-a", "u-b", talk.user or ""])
        said = Feedback(1, kind, self.text(), actor, talk.created_at)
        self.store.conversations.add_feedback(talk.id, said)

    def withdraw(self) -> None:
        """Somebody withdraws, or takes that back."""
        person = self.drawn.choice([one.user for one in self.said if one.user] or ["u"])
        at = self.drawn.choice([None, self.clock.now()])
        self.store.people.put(Person(person, withdrawn_at=at), bot="default", actor="test")

    def forget(self) -> None:
        """Somebody is forgotten, or one talk is that may come again."""
        one, for_ever = self.drawn.choice(self.said), self.drawn.random() < 0.5
        people = [one.user] if one.user and for_ever else []
        erased = self.store.eraser.erase(people, [one.id], for_ever=for_ever)
        gone = erased.conversations
        self.said = [talk for talk in self.said if talk.id not in gone]
        for key, dataset in self.kept.items():
            left = tuple(row for row in dataset.rows if row.conversation_id not in gone)
            self.kept[key] = replace(dataset, rows=left)
        if not for_ever:
            self.store.conversations.add([replace(one, feedback=())])
            self.said.append(one)

    def set(self) -> None:
        self.config = self.drawn.choice(SETTINGS)  # type: ignore[assignment]

    def prune(self) -> None:
        if self.kept:
            self.kept.pop(gone := self.drawn.choice(sorted(self.kept)))
            self.store.datasets.remove(gone)

    def turn(self, store: SqlStore) -> tuple[Dataset | None, dict[str, str]]:
        """The dataset of a store, ``None`` where there is too little, and what it left out."""
        config = DataQualityConfig(**self.config)  # type: ignore[arg-type]
        trust = TrustConfig(person_rows=4, alike_rows=2, pattern_rows=2)
        manager = LoRADataManager(None, config, store=store, secret=b"k", clock=self.clock, trust=trust)
        try:
            found: Dataset | None = manager.build_dataset()
        except NotEnoughData:
            found = None
        return found, store.conversations.drops("default")

    def from_nothing(self) -> tuple[Dataset | None, dict[str, str]]:
        """The same of a copy in which nothing is known of any answer, and no dataset was made."""
        copy = self.folder / "fresh.db"
        copy.unlink(missing_ok=True)
        with sqlite3.connect(self.folder / "grown.db") as source, sqlite3.connect(copy) as target:
            source.backup(target)
            for table in WORKED_OUT:
                target.execute(f"DELETE FROM {table}")
            target.execute("DELETE FROM records WHERE kind = 'Dataset'")
            target.commit()
        fresh = open_store(copy, keys=lambda: [b"k"])
        try:
            return self.turn(fresh)
        finally:
            fresh.close()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_a_turn_makes_what_a_turn_from_nothing_makes(tmp_path: Path, say: Say, clock: Clock, seed: int) -> None:
    """Whatever is said, judged, corrected, withdrawn, forgotten, set and pruned; and older datasets stay."""
    home = Home(tmp_path, say, clock, seed)
    reasons: set[str] = set()
    for _ in range(3):
        home.add()
    for _ in range(25):
        for happens in home.drawn.choices(
            [home.add, home.judge, home.withdraw, home.forget, home.set, home.prune], [6, 6, 2, 1, 2, 2], k=3
        ):
            happens()
        expected, left_out = home.from_nothing()
        found, drops = home.turn(home.store)
        assert drops == left_out
        assert (found and found.id) == (expected and expected.id)
        if found is not None and expected is not None:
            # one that is stored already is given back as it is, without the rows of who was forgotten since
            assert found.rows == home.kept.setdefault(found.id, expected).rows
        for key, one in home.kept.items():
            assert home.store.datasets.get(key) == one
        reasons |= set(drops.values())
    assert len(reasons) >= 7
    home.store.close()
