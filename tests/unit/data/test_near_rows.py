"""Rows that say nearly the same: found once, kept as numbers, counted against a limit, gone with their people."""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loraloop.data.manager import LoRADataManager
from loraloop.data.near_rows import NearRows
from loraloop.data.quality import DataQualityConfig
from loraloop.data.selection import select
from loraloop.store.sql import SqlStore, open_store
from loraloop.text.clusters import proposed
from loraloop.text.dedupe import jaccard, shingles
from loraloop.text.sketches import SHINGLE_CHARS, bands, likeness, sketches
from loraloop.types import Conversation, Feedback

Say = Callable[..., Conversation]
WORDS = [
    "오늘", "점심", "김밥", "라면", "학교", "친구", "바다", "겨울", "여름", "책", "노래", "축구",
    "별", "구름", "강아지", "고양이", "tree", "river", "stone", "music",
]  # fmt: skip
SAME = "비 오는 날에는 따뜻한 국물이 있는 칼국수를 먹으면 몸이 따뜻해져요"


def own_words(seed: int) -> str:
    """A sentence that no other seed says."""
    drawn = random.Random(seed)
    return " ".join(drawn.choices(WORDS, k=12)) + f" {seed}"


def clusters(store: SqlStore) -> dict[str, int]:
    """Conversation -> cluster."""
    ids = [one.id for one in store.conversations.iterate("default")]
    return {conversation: cluster for conversation, _, cluster in store.signatures.clusters(ids)}


def test_a_sketch_tells_how_many_shingles_two_texts_share() -> None:
    """The estimate is within 0.15 of the exact share, for Korean and English, near and far."""
    for a, b in [
        (SAME, SAME),
        (SAME, SAME + " 정말로"),
        (own_words(1), own_words(2)),
        ("abcdefgh" * 9, "abcdefgx" * 9),
    ]:
        estimated = float(likeness(*sketches([a, b])))
        exact = jaccard(shingles(a, SHINGLE_CHARS), shingles(b, SHINGLE_CHARS))
        assert abs(estimated - exact) < 0.15, (a, b)


def test_texts_sketched_together_or_alone_have_the_same_sketch() -> None:
    """Where a text stands among others changes nothing: no shingle reaches into the next text."""
    texts = ["ab", SAME, "가나다라마", own_words(3), ""]
    together = sketches(texts)
    assert all((together[n] == sketches([text])[0]).all() for n, text in enumerate(texts))


def test_alike_rows_are_proposed_and_others_hardly_ever() -> None:
    """Of 300 rows with 40 pairs that differ by a word, all pairs are proposed, and few others."""
    texts = [own_words(n) for n in range(260)] + [own_words(n) + " 그래" for n in range(40)]
    pairs = {tuple(pair) for pair in proposed(bands(sketches(texts)), 0).tolist()}
    assert {(260 + n, n) for n in range(40)} <= pairs
    assert len(pairs) < 45_000 / 15
    later = {tuple(pair) for pair in proposed(bands(sketches(texts)), 260).tolist()}
    assert later == {pair for pair in pairs if pair[0] >= 260}


@given(
    st.lists(st.tuples(*[st.sampled_from([0, 1, 2, 3, 0xFFFFFFFF, 0xFFF00001])] * 2), max_size=12),
    st.integers(0, 12),
)
def test_proposed_are_the_first_and_the_last_before_who_share_a_band(rows: list[tuple[int, int]], first: int) -> None:
    """Whatever the bands are and however many rows are new, as a plain search finds them."""
    first = min(first, len(rows))
    expected = set()
    for new in range(first, len(rows)):
        for band in range(2):
            same = [earlier for earlier in range(new) if rows[earlier][band] == rows[new][band]]
            expected |= {(new, earlier) for earlier in same[:1] + same[-1:]}
    found = proposed(np.array(rows, dtype=np.uint32).reshape(-1, 2), first).tolist()
    assert found == [list(pair) for pair in sorted(expected)]


def test_the_same_said_again_joins_one_cluster_and_stays_in_it_over_turns(say: Say, store: SqlStore) -> None:
    """A later turn sketches only what is new, and gives it the number that the earlier rows have."""
    first = [say(f"뭐 먹을까 {n}", f"{SAME} {n}") for n in range(6)] + [
        say(own_words(n), own_words(50 + n)) for n in range(20)
    ]
    store.conversations.add(first)
    manager = LoRADataManager(None, store=store, secret=b"k")
    manager.build_dataset()
    before = clusters(store)
    assert len({before[one.id] for one in first[:6]}) == 1
    assert len(set(before.values())) == 21
    late = say("뭐 먹을까 99", f"{SAME} 99")
    store.conversations.add([late])
    manager.build_dataset()
    after = clusters(store)
    assert {id: after[id] for id in before} == before
    assert after[late.id] == before[first[0].id]


def test_a_row_whose_words_changed_is_sketched_anew(say: Say, store: SqlStore) -> None:
    """A correction gives a row another sketch; the others of its conversation keep theirs."""
    talk = say(own_words(1), own_words(2), own_words(3), own_words(4), session="s-train")
    store.conversations.add([talk, say(own_words(5), own_words(6))])
    near = NearRows(store.signatures, "default", 0.7)
    near.take(talk.id, 1, "one", own_words(2))
    near.take(talk.id, 3, "two", own_words(4))
    near.sketch()
    before = store.signatures.marks([talk.id])
    near.take(talk.id, 1, "one", own_words(2))
    near.take(talk.id, 3, "three", own_words(7))
    near.sketch()
    after = store.signatures.marks([talk.id])
    assert after[talk.id, 1] == before[talk.id, 1]
    assert after[talk.id, 3] != before[talk.id, 3]


@pytest.mark.slow
def test_a_dataset_holds_no_more_of_a_cluster_than_the_setting_says(say: Say, store: SqlStore) -> None:
    """Of thirty ways to say one thing five are learnt, corrections first; the rest have their reason."""
    same = [say(f"비 오는 날 뭐 먹지 {n}", f"{SAME} {n}") for n in range(30)]
    other = [say(own_words(n), own_words(100 + n)) for n in range(40)]
    store.conversations.add([*same, *other])
    store.conversations.add_feedback(same[29].id, Feedback(1, "correction", f"{SAME}, 맞아요"))
    manager = LoRADataManager(None, DataQualityConfig(cluster_rows=5), store=store, secret=b"k")
    dataset = manager.build_dataset()
    taught = {row.conversation_id for row in dataset.split("train")} & {one.id for one in same}
    assert len(taught) == 5
    assert same[29].id in taught
    assert Counter(store.conversations.drops("default").values())["cluster_full"] > 10
    assert manager.build_dataset().id == dataset.id


def test_who_is_forgotten_leaves_no_sketch(say: Say, tmp_path: Path) -> None:
    """Numbers of a person's rows go with the rows."""
    store = open_store(tmp_path / "k.db", keys=lambda: [b"k"])
    mine = [say(own_words(n), own_words(50 + n), user="kim") for n in range(5)]
    others = [say(own_words(100 + n), own_words(200 + n), user=f"u{n}") for n in range(20)]
    store.conversations.add([*mine, *others])
    near = NearRows(store.signatures, "default", 0.7)
    for one in (*mine, *others):
        near.take(one.id, 1, one.id, one.messages[1].text)
    assert len(list(near.clusters(one.id for one in (*mine, *others)))) == 25
    person = mine[0].user
    assert person is not None
    erased = store.eraser.erase([person], [])
    assert erased.rows["signatures"] == 5
    assert set(clusters(store)) == {one.id for one in others}
    store.close()


def test_who_is_forgotten_while_rows_are_sketched_is_like_nobody(
    say: Say, store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the reading of bands and of sketches a person went; rows like theirs are alike among themselves."""
    talks = [say(f"비 오는 날 뭐 먹지 {n}", f"{SAME} {n}", session=f"s{n}") for n in range(3)]
    store.conversations.add(talks)
    near = NearRows(store.signatures, "default", 0.7)
    near.take(talks[0].id, 1, "0", f"{SAME} 0")
    gone = {conversation: cluster for conversation, _, cluster in near.clusters(one.id for one in talks)}[talks[0].id]
    read = store.signatures.sketches

    def after_forgetting(ids: Sequence[int]) -> dict[int, bytes]:
        store.eraser.erase((), [talks[0].id], for_ever=False)
        return read(ids)

    monkeypatch.setattr(store.signatures, "sketches", after_forgetting)
    for n in (1, 2):
        near.take(talks[n].id, 1, str(n), f"{SAME} {n}")
    found = {conversation: cluster for conversation, _, cluster in near.clusters(one.id for one in talks)}
    assert found.keys() == {talks[1].id, talks[2].id}
    assert found[talks[1].id] == found[talks[2].id] != gone


@pytest.mark.parametrize(("most_frac", "kept"), [(1.0, 10), (0.5, 4), (0.2, 1), (0.0, 0)])
def test_a_bot_s_own_text_has_its_share_and_no_more(say: Say, most_frac: float, kept: int) -> None:
    """Of ten approved answers of the bot, as many are learnt as their share beside four written by people allows."""
    own = [say(own_words(n), own_words(50 + n), source="chat") for n in range(10)]
    people = [say(own_words(100 + n), own_words(150 + n)) for n in range(4)]
    rows = [*own, *people]
    split = select(rows, DataQualityConfig(max_self_written_frac=1.0)).rows
    config = DataQualityConfig(max_self_written_frac=most_frac, self_written_rows=0)
    rows = [one for one in rows if any(row.conversation_id == one.id and row.split == "train" for row in split)]
    share = sum(one.source == "chat" for one in rows), sum(one.source != "chat" for one in rows)
    found = select(rows, config)
    allowed = share[0] if most_frac == 1 else min(share[0], int(share[1] * most_frac / (1 - most_frac)))
    assert found.self_written == allowed
    assert list(found.drops.values()).count("self_written_over_share") == share[0] - allowed
    assert kept >= allowed or most_frac == 1.0


def test_an_answer_that_a_person_corrected_elsewhere_is_not_learnt(say: Say) -> None:
    """The same question answered otherwise contradicts the correction; answered like it, it does not."""
    right = say("고래는 물고기야?", "네, 물고기예요.", feedback=[{"kind": "correction", "text": "아니요, 포유류예요."}])
    thumb = [{"kind": "thumb_up", "actor": "u-other"}]
    wrong = say("고래는 물고기야??", "그럼요, 큰 물고기죠.", session="a", approved=None, feedback=thumb)
    agrees = say("고래는 물고기야", "아니요, 포유류예요.", session="b")
    other = say("상어는 물고기야?", "네, 상어는 물고기예요.", session="c")
    drops = select([right, wrong, agrees, other], DataQualityConfig()).drops
    assert drops.get(f"{wrong.id}#1") == "contradicts_correction"
    assert drops.get(f"{agrees.id}#1") in (None, "duplicate", "question_is_taught")
    assert drops.get(f"{other.id}#1") != "contradicts_correction"


def test_a_correction_that_nobody_reviewed_unteaches_no_reviewed_answer(say: Say) -> None:
    """One user's correction leaves a reviewed answer to the same question in the dataset; a reviewer's takes it out."""
    vetted = say("고래는 물고기야??", "아니요, 고래는 포유류예요.", session="a")
    pushed = [{"kind": "correction", "text": "네, 고래는 물고기예요.", "actor": "u-stranger"}]
    user = say("고래는 물고기야?", "고래요?", session="b", feedback=pushed)
    drops = select([vetted, user], DataQualityConfig()).drops
    assert drops.get(f"{vetted.id}#1") != "contradicts_correction"
    said = Feedback(1, "correction", "고래는 젖을 먹여요.", actor="review:mina", created_at=vetted.created_at)
    reviewer = replace(say("고래는 물고기야?", "고래요?", session="c"), feedback=(said,))
    drops = select([vetted, reviewer], DataQualityConfig()).drops
    assert drops.get(f"{vetted.id}#1") == "contradicts_correction"
