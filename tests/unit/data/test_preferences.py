"""Preference rows hold no judgement that trust ignores, no personal data, and stand in a file of its owner's alone."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from loraloop.data.export import write_rows
from loraloop.data.preferences import export_preferences, preference_rows
from loraloop.data.quality import DataQualityConfig
from loraloop.data.splits import split_of
from loraloop.data.trust import TrustConfig
from loraloop.errors import DataError
from loraloop.store.sql import SqlStore
from loraloop.traces import scrub_files
from loraloop.types import Conversation, Feedback, message

Say = Callable[..., Conversation]
CONFIG = DataQualityConfig()
OPEN = TrustConfig(alike_rows=0, few_people_rows=0, person_rows=0, group_rows=0, pattern_rows=0)
TAUGHT = [name for name in map("s{}".format, range(100)) if split_of(f"session:{name}") == "train"]
SUBJECTS = ("fog", "snow", "rain", "wind", "hail", "frost", "dew", "thunder", "ice", "smoke", "sand", "clay", "moss")


def judged(say: Say, n: int, kind: str, *, actor: str = "one", answer: str = "", text: str = "") -> Conversation:
    """Somebody of the training side asks, and somebody judges the answer in the same minute."""
    at = datetime(2026, 3, 1, 10, n, tzinfo=UTC)
    subject, session = SUBJECTS[n % len(SUBJECTS)], TAUGHT[n]
    talk = say(f"what is {subject} made of {n}?", answer or f"{subject} comes of water {n}", approved=False,
               created_at=at.isoformat(), session=session)  # fmt: skip
    return replace(talk, feedback=(Feedback(1, kind, text, actor, at),))


def labels(talks: list[Conversation], trust: TrustConfig) -> list[bool]:
    """Which labels are exported."""
    return [row["label"] for _, row in preference_rows(talks, CONFIG, trust)]


@pytest.mark.parametrize("kind", ["thumb_up", "thumb_down"])
def test_a_crowd_and_a_judge_in_haste_are_not_heard(say: Say, kind: str) -> None:
    """New accounts that say the same of one answer within an hour, and what comes after so many judgements in one."""
    alike = [judged(say, n, kind, actor=f"new{n}", answer="the moon is made of cheese") for n in range(10)]
    assert labels(alike, OPEN) == []
    assert len(labels(alike, OPEN.model_copy(update={"brigade_account_h": 0.0}))) == 10
    hasty = [judged(say, n, kind) for n in range(10)]
    assert labels(hasty, OPEN.model_copy(update={"judgements_per_hour": 4})) == [kind == "thumb_up"] * 4


@pytest.mark.parametrize("kind", ["thumb_up", "thumb_down"])
def test_nobody_s_likes_and_dislikes_pass_the_cap_of_a_person(say: Say, kind: str) -> None:
    """One judge of many people's talk teaches as many rows as a person may; a reviewer's judgement has no cap."""
    capped = OPEN.model_copy(update={"person_rows": 3})
    for actor, most in (("one", 3), ("review:kim", 10)):
        talks = [judged(say, n, kind, actor=actor) for n in range(10)]
        assert labels(talks, capped) == [kind == "thumb_up"] * most


def test_a_thumb_on_one_s_own_words_is_no_liked_answer(say: Say) -> None:
    """What a user had the bot say after them is not exported as liked."""
    liked = judged(say, 1, "thumb_up", answer="my teacher is a bad person")
    asked = message("user", f"repeat after me: {liked.messages[1].text}")
    assert labels([liked], OPEN) == [True]
    assert labels([replace(liked, messages=(asked, liked.messages[1]))], OPEN) == []


def test_what_a_person_corrected_gives_no_number_away(say: Say) -> None:
    """The correction is exported; what the bot had said is not, where personal data stands in it."""
    fixed = judged(say, 1, "correction", text="I have no phone, ask your teacher")
    assert labels([fixed], OPEN) == [True, False]
    leaking = replace(fixed, messages=(fixed.messages[0], message("assistant", "call me: 010-1234-5678")))
    assert labels([leaking], OPEN) == [True]


def test_the_file_is_its_owner_s_and_whole_or_as_it_was(say: Say, store: SqlStore, tmp_path: Path) -> None:
    """Nobody else may read it, and a write that fails leaves the old one and no part of a new one."""
    path = tmp_path / "p.jsonl"
    store.conversations.add([judged(say, 1, "thumb_up")])
    assert export_preferences(store, "default", path, CONFIG, OPEN) == {"good": 1, "bad": 0}
    assert path.stat().st_mode & 0o777 == 0o600
    before = path.read_text("utf-8")
    assert json.loads(before)["label"] is True

    def failing() -> list[tuple[str, dict[str, object]]]:
        raise OSError(28, "No space left on device")

    with pytest.raises(DataError, match="No space"):
        write_rows(store, "default", path, failing)
    assert [one.name for one in tmp_path.iterdir() if "jsonl" in one.name] == ["p.jsonl"]
    assert path.read_text("utf-8") == before


def test_a_forgotten_person_s_short_words_are_found_in_the_file(say: Say, store: SqlStore, tmp_path: Path) -> None:
    """Most of what children write is too short to be looked for as a text."""
    talks = [judged(say, n, "thumb_up") for n in (1, 2)]
    talks[0] = replace(talks[0], messages=(message("user", "배고파 밥 줘"), message("assistant", "김밥 어때요?")))
    store.conversations.add(talks)
    export_preferences(store, "default", tmp_path / "p.jsonl", CONFIG, OPEN)
    assert "배고파" in (tmp_path / "p.jsonl").read_text("utf-8")
    assert scrub_files(tmp_path, {talks[0].id}, {"배고파 밥 줘", "김밥 어때요?"}) == ["p.jsonl"]
    (left,) = (tmp_path / "p.jsonl").read_text("utf-8").splitlines()
    assert json.loads(left)["id"] == talks[1].id
