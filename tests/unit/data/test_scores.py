"""What an answer scores and why, and what thumbs become: preference rows, never targets by themselves."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from loraloop.data.candidates import candidates
from loraloop.data.preferences import export_preferences, preference_rows
from loraloop.data.quality import DataQualityConfig
from loraloop.data.scores import Score, score_of
from loraloop.data.selection import select
from loraloop.data.trust import TrustConfig
from loraloop.errors import DataError
from loraloop.store.sql import SqlStore
from loraloop.types import Conversation

Say = Callable[..., Conversation]
CONFIG = DataQualityConfig()
FIX = {"kind": "correction", "text": "a cloud that touches the ground"}


def scored(conversation: Conversation, **facts: bool) -> Score:
    """The score of its last answer."""
    return score_of(list(candidates(conversation))[-1], CONFIG, **facts)


def test_a_score_is_the_sum_of_the_parts_it_shows(say: Say) -> None:
    """Feedback, correction, regeneration and faults each move it, and each is named."""
    plain = scored(say("what is fog?", "water in the air", approved=False))
    liked = scored(say("what is fog?", "water in the air", approved=False, feedback=["thumb_up"]))
    fixed = scored(say("what is fog?", "water in the air", approved=False, feedback=[FIX]))
    hated = scored(say("what is fog?", "water in the air", approved=False, feedback=["thumb_down"]))
    broken = scored(say("what is fog?", "water in the {place} and", approved=False), regenerated=True)
    assert fixed.value > liked.value > plain.value == 0.5 > hated.value
    assert plain.parts == ()
    assert {part.name for part in broken.parts} == {"regenerated", "template_unfilled"}
    assert broken.value == pytest.approx(0.5 + sum(part.adds for part in broken.parts))


def test_a_lone_thumb_down_is_a_bad_example_and_never_a_target(say: Say) -> None:
    """It is exported as what not to say, and no dataset holds it."""
    hated = say("what is fog?", "water in the air", approved=False, feedback=["thumb_down"])
    rows = [
        say("what is fog?", "water in the air", approved=False, feedback=["thumb_down"], session=f"s{n}")
        for n in range(20)
    ]
    found = preference_rows(rows, CONFIG, TrustConfig(alike_rows=0))
    assert len(found) > 10
    assert not any(row["label"] for _, row in found)
    assert select([hated, *rows], CONFIG).rows == ()


def test_a_correction_gives_a_good_and_a_bad_row(say: Say) -> None:
    """What the person wrote is liked, what the bot had said is not."""
    fixed = say("what is fog?", "it is smoke from fires", approved=False, feedback=[FIX])
    found = preference_rows([fixed], CONFIG, TrustConfig())
    assert [(row["completion"][0]["content"], row["label"]) for _, row in found] == [
        (FIX["text"], True),
        ("it is smoke from fires", False),
    ]
    assert found[0][1]["prompt"] == [{"role": "user", "content": "what is fog?"}]


def test_preferences_obey_consent_and_distress_and_hold_nobody_who_judges(
    say: Say, store: SqlStore, tmp_path: Path
) -> None:
    """Talk without consent, of distress, or of people whose talk judges adapters is not exported."""
    talks = [say("what is fog?", "water in the air", feedback=["thumb_up"], user=f"u{n}") for n in range(30)]
    talks.append(say("what is fog?", "water in the air", feedback=["thumb_up"], consent="unknown"))
    talks.append(say("I want to die", "please talk to somebody", feedback=["thumb_down"], session="x"))
    store.conversations.add(talks)
    counts = export_preferences(store, "default", tmp_path / "p.jsonl", CONFIG, TrustConfig())
    lines = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text("utf-8").splitlines()]
    assert len(lines) == counts["good"]
    assert 15 < counts["good"] < 30
    assert counts["bad"] == 0
    with pytest.raises(DataError, match="No such file"):
        export_preferences(store, "default", tmp_path / "nowhere" / "p.jsonl", CONFIG, TrustConfig())
