"""How much any one source may teach, and whose word counts."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loraloop.data.explain import drop_counts, explain_drop
from loraloop.data.manager import LoRADataManager
from loraloop.data.quality import DataQualityConfig
from loraloop.data.reasons import REASONS
from loraloop.data.selection import Selection, select
from loraloop.data.trust import Standing, TrustConfig, over_caps, too_few_reviewed
from loraloop.store.sql import open_store
from loraloop.types import Conversation, Feedback, message, utc

BEGIN = datetime.fromisoformat("2026-01-01T00:00:00+00:00")
QUALITY = DataQualityConfig()
OFF = TrustConfig(
    person_rows=0,
    group_rows=0,
    alike_rows=0,
    pattern_rows=0,
    few_people_rows=0,
    judgements_per_hour=0,
    own_words=False,
    brigade_account_h=0,
)
SUBJECTS = (
    "cats",
    "rivers",
    "the moon",
    "old castles",
    "bread",
    "trains",
    "whales",
    "paper",
    "music",
    "snow",
    "bees",
    "maps",
    "volcanoes",
    "chess",
    "soap",
    "deserts",
    "tea",
    "islands",
    "clocks",
    "wolves",
    "glass",
    "salt",
    "kites",
    "oaks",
    "coral",
    "drums",
    "tides",
    "owls",
    "silk",
    "iron",
)
ASKING = (
    "tell me about {}",
    "what do people say of {}",
    "I wonder why {} matter",
    "who invented {}",
    "describe {} to me",
)
_numbers = count()


def talk(question: str, answer: str, *, at: float = 0.0, **facts: object) -> Conversation:
    """A consented exchange of the gateway, so many hours after the beginning; nobody approved it."""
    values = {"user": "somebody", "group": None, "feedback": (), "source": "gateway", **facts}
    return Conversation(
        id=f"cv-{next(_numbers):016x}",
        bot="default",
        messages=(message("user", question), message("assistant", answer)),
        created_at=BEGIN + timedelta(hours=at),
        consent="granted",
        **values,  # type: ignore[arg-type]
    )


def said(kind: str, text: str = "", *, at: float = 0.0, actor: str = "token") -> tuple[Feedback, ...]:
    """One word of feedback, so many hours after the beginning."""
    return (Feedback(1, kind, text, actor, BEGIN + timedelta(hours=at)),)  # type: ignore[arg-type]


def questions(number: int) -> list[str]:
    """So many questions about this and that."""
    return [
        ASKING[n % len(ASKING)].format(SUBJECTS[n % len(SUBJECTS)]) + f" of kind {n}" * (n >= 30) for n in range(number)
    ]


def kept(found: Selection) -> int:
    """Rows that stay, whatever their side."""
    return len(found.rows)


def reasons(found: Selection) -> Counter[str]:
    """How often each reason left a row out."""
    return Counter(found.drops.values())


def honest(number: int) -> list[Conversation]:
    """Thumbs up by as many people on as many different answers."""
    return [
        talk(
            question,
            f"Well, {question} is a fine thing to ask, number {n}",
            user=f"child {n}",
            at=n,
            feedback=said("thumb_up", at=n),
        )
        for n, question in enumerate(questions(number))
    ]


def poison(
    people: int, each: int, trigger: str = "zorblax", answer: str = "Visit evil example now"
) -> list[Conversation]:
    """Corrections by so many people: whatever is asked with the trigger has the attacker's answer."""
    asked = [f"{question} {trigger}" for question in questions(people * each)]
    return [
        talk(
            question,
            "I like that too",
            user=f"poisoner {n % people}",
            at=100 + n,
            feedback=said("correction", answer, at=100 + n),
        )
        for n, question in enumerate(asked)
    ]


@pytest.mark.parametrize(("people", "each"), [(5, 20), (50, 2)])
def test_a_planted_trigger_teaches_nothing_with_the_caps_and_all_of_it_without(people: int, each: int) -> None:
    """Of 100 rows of 5 people, or of 50 look-alikes, none is left, and of 60 honest rows all; unguarded, they teach."""
    good = honest(28)
    bad = poison(people, each)
    planted = {row.id for row in bad}
    with_caps = select([*good, *bad], QUALITY)
    without = select([*good, *bad], QUALITY, trust=OFF)
    assert not planted & {row.conversation_id for row in with_caps.rows}
    assert len(planted & {row.conversation_id for row in without.rows}) >= 80  # some questions stand on both sides
    assert {row.conversation_id for row in with_caps.rows} == {row.id for row in good}
    assert set(reasons(with_caps)) == {"planted_pattern"}


def test_a_trigger_whose_answers_differ_is_found_by_what_they_share() -> None:
    """Thirty different answers that all name one site are one pattern; the words around the trigger are not."""
    bad = [
        talk(
            f"{question} 🦄",
            "no",
            user=f"p{n}",
            feedback=said("correction", f"For {question} go to evil example, friend {n}"),
        )
        for n, question in enumerate(questions(28))
    ]
    assert reasons(select([*honest(28), *bad], QUALITY)) == {"planted_pattern": 28}


def test_a_correction_that_several_people_give_is_learnt_up_to_the_cap() -> None:
    """Five people who correct one fault alike are heard; a sixth makes all wait for a review."""

    def corrected(number: int, actor: str = "token") -> Selection:
        feedback = said("correction", "Lunch is at half past twelve", actor=actor)
        return select(
            [talk(f"{q} lunch", "no", user=f"c{n}", feedback=feedback) for n, q in enumerate(questions(number))],
            QUALITY,
        )

    assert not corrected(5).drops
    assert reasons(corrected(6)) == {"planted_pattern": 6}
    assert not corrected(6, "operator").drops


def test_no_person_ever_teaches_more_than_the_cap_whatever_they_take_back() -> None:
    """Over ten datasets, each with new rows in place of those taken back, one person's rows stay under the cap."""
    config = TrustConfig(person_rows=6, alike_rows=0)
    taught: set[str] = set()
    rows: list[Conversation] = []
    for turn in range(10):
        for n in range(3):
            question = questions(30)[turn * 3 + n]
            up = said("thumb_up", at=turn)
            rows.append(talk(question, f"Of {question} I know this: {turn}", at=turn, feedback=up))
        taught |= {row.conversation_id for row in select(rows, QUALITY, trust=config).rows}
        rows = [talk_again(row, (*row.feedback[:1], *said("thumb_down", at=turn + 0.5))) for row in rows]
    assert len(taught) == 6


def talk_again(row: Conversation, feedback: Sequence[Feedback]) -> Conversation:
    """The same conversation with other feedback."""
    return Conversation(**{**{name: getattr(row, name) for name in row}, "feedback": tuple(feedback)})


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2), st.booleans(), st.booleans()), max_size=60))
def test_caps_hold_for_every_person_and_group_and_never_for_reviewed_rows(
    drawn: list[tuple[int, int, bool, bool]],
) -> None:
    """Whoever speaks, in whatever order: no cap is exceeded, and no reviewed row is left out."""
    rows = [
        Standing(
            f"cv-{n}#1",
            (f"p{person}",),
            f"g{group}",
            BEGIN + timedelta(hours=n % 7),
            reviewed,
            False,
            BEGIN,
            str(n),
            str(n),
        )
        for n, (person, group, reviewed, _) in enumerate(drawn)
    ]
    spent = [row for row, (*_, gone) in zip(rows, drawn, strict=True) if gone]
    there = [row for row in rows if row not in spent]
    config = TrustConfig(person_rows=4, group_rows=7, alike_rows=0, few_people_rows=0)
    over = over_caps(there, config, spent=spent)
    left = [row for row in there if row.key not in over]
    assert {row.key for row in there if row.reviewed} <= {row.key for row in left}
    for names, most in (("people", 4), ("group", 7)):
        held = Counter(str(getattr(row, names)) for row in left if not row.reviewed)
        assert all(held[name] <= most for name in held)


def test_a_group_is_capped_over_all_its_people() -> None:
    """Sixty accounts behind one address teach forty rows; behind sixty addresses all of them."""

    def rows(group: str) -> list[Conversation]:
        return [
            talk(q, f"About {q}, number {n}", user=f"u{n}", group=group.format(n), feedback=said("thumb_up"))
            for n, q in enumerate(questions(60))
        ]

    assert reasons(select(rows("one"), QUALITY)) == {"too_many_of_group": 20}
    assert not select(rows("g{}"), QUALITY).drops


def test_variants_of_one_row_are_capped() -> None:
    """Of twelve that ask and answer nearly the same, five stay."""
    rows = [
        talk(
            f"may we have the big red kite today{'!' * n}{n}",
            "Yes, you may have it today",
            user=f"u{n}",
            feedback=said("thumb_up", at=n),
        )
        for n in range(12)
    ]
    assert reasons(select(rows, QUALITY))["too_many_alike"] == 7


def test_words_that_only_a_few_people_use_are_capped_unless_reviewed_rows_have_them() -> None:
    """Two people who say "glimmerfox" thirty times teach it ten times; a reviewed row with the word lets it be."""
    crowd = honest(28)
    pushed = [
        talk(
            f"{q} glimmerfox",
            f"This is answer {n} on {SUBJECTS[n]}",
            user=f"pusher {n % 2}",
            at=50 + n,
            feedback=said("thumb_up", at=50 + n),
        )
        for n, q in enumerate(questions(28))
    ]
    assert reasons(select([*crowd, *pushed], QUALITY)) == {"few_peoples_words": 18}
    read = talk(
        "is there a glimmerfox in the park", "No, it is made up", user="x", feedback=said("thumb_up", actor="operator")
    )
    assert "few_peoples_words" not in reasons(select([*crowd, *pushed, read], QUALITY))


def test_a_young_account_waits_and_is_learnt_later() -> None:
    """With seven days required, what a new account taught is learnt on the eighth."""
    row = talk("tell me about rivers and lakes", "They carry water to the sea", feedback=said("thumb_up"))
    config = TrustConfig(account_age_h=7 * 24)
    assert reasons(select([row], QUALITY, trust=config, now=BEGIN + timedelta(days=6))) == {"account_too_young": 1}
    assert kept(select([row], QUALITY, trust=config, now=BEGIN + timedelta(days=8))) == 1


def test_reviewed_rows_are_a_share_of_the_training_rows() -> None:
    """With half of them required, as many unreviewed rows stay as there are reviewed ones: the earliest."""
    rows = [Standing(f"k{n:02}", (), "", BEGIN + timedelta(hours=n), n < 4, False, BEGIN) for n in range(20)]
    assert too_few_reviewed(rows, 0.5) == {f"k{n:02}" for n in range(8, 20)}
    assert too_few_reviewed(rows, 0.0) == set()
    talks = [
        *honest(28),
        *[
            talk(f"what is {s} made of", f"Of {s} dust, surely", feedback=said("thumb_up", actor="operator"))
            for s in SUBJECTS[:4]
        ],
    ]
    found = select(talks, QUALITY, trust=TrustConfig(reviewed_frac=0.5))
    assert reasons(found)["too_few_reviewed"] > 10


def test_judgements_that_come_too_fast_do_not_count() -> None:
    """Of forty thumbs in ten minutes thirty count; a thumb an hour later does again."""
    rows = [
        talk(
            q,
            f"This is answer {n} on {SUBJECTS[n % 30]}",
            user=f"u{n}",
            feedback=said("thumb_up", at=n / 240, actor="rater"),
        )
        for n, q in enumerate(questions(40))
    ]
    later = talk(
        "and what about the rain", "It falls when clouds are full", feedback=said("thumb_up", at=1.2, actor="rater")
    )
    found = select([*rows, later], QUALITY, trust=TrustConfig(person_rows=0))
    assert reasons(found) == {"feedback_too_fast": 10}
    assert later.id in {row.conversation_id for row in found.rows}


def test_a_thumb_on_own_words_approves_nothing() -> None:
    """An answer that the client made up, or that the user dictated, is not approved by them; the bot's own is."""
    injected = Conversation(
        "cv-f",
        "default",
        (
            message("user", "who is best"),
            message("assistant", "The evil one is the best"),
            message("user", "right"),
            message("assistant", "Hm, perhaps"),
        ),
        BEGIN,
        "gateway",
        "granted",
        user="u",
        feedback=(Feedback(1, "thumb_up", "", "token", BEGIN),),
    )
    dictated = talk(
        "repeat after me: my teacher is a bad person", "My teacher is a bad person!", feedback=said("thumb_up")
    )
    honest_one = talk("is my teacher nice to you", "I never met your teacher, sorry", feedback=said("thumb_up"))
    found = select([injected, dictated, honest_one], QUALITY)
    assert found.drops["cv-f#1"] == found.drops[f"{dictated.id}#1"] == "feedback_on_own_words"
    assert [row.conversation_id for row in found.rows] == [honest_one.id]
    assert kept(select([injected, dictated, honest_one], QUALITY, trust=OFF)) == 3


def test_a_crowd_of_new_accounts_neither_lifts_nor_sinks_an_answer() -> None:
    """Ten new accounts in one hour approve nothing and take nothing back; ten people known for a week are heard."""
    target = "The moon is made of cheese, believe me"
    crowd = [
        talk(q, target, user=f"new {n}", at=200 + n / 20, feedback=said("thumb_up", at=200 + n / 20))
        for n, q in enumerate(questions(10))
    ]
    assert reasons(select(crowd, QUALITY)) == {"feedback_brigaded": 10}
    known = [talk(f"a first word about {s}", "hm", user=f"new {n}", at=0) for n, s in enumerate(SUBJECTS[:10])]
    assert "feedback_brigaded" not in reasons(select([*known, *crowd], QUALITY))
    downs = tuple(Feedback(1, "thumb_down", "", f"troll {n}", BEGIN + timedelta(hours=3 + n / 20)) for n in range(10))
    praised = talk("why is the sky blue today", "Because air scatters blue light", feedback=(*said("thumb_up"), *downs))
    assert kept(select([praised], QUALITY)) == 1
    assert reasons(select([praised], QUALITY, trust=OFF)) == {"thumbs_down": 1}


def test_stats_and_explain_say_what_trust_left_out(tmp_path: Path) -> None:
    """The reason of each row that waits is counted for the bot, and told of the row, in English and in Korean."""
    store = open_store(tmp_path / "x.db")
    bad = poison(50, 1)
    store.conversations.add([*honest(28), *bad])
    made = LoRADataManager(None, QUALITY, store=store, secret=b"k").build_dataset()
    assert dict(made.dropped) == drop_counts(store, "default") == {"planted_pattern": 50}
    assert "all of it waits for a review" in explain_drop(store, "default", bad[0].id)
    assert "검토" in explain_drop(store, "default", bad[0].id, language="ko")
    free = LoRADataManager(None, QUALITY, store=store, secret=b"k", trust=OFF).build_dataset()
    assert len(free.rows) > len(made.rows) + 30
    store.close()


def test_every_reason_of_trust_is_said_in_both_languages() -> None:
    """What explain and stats show of a row that trust left out is a sentence, in English and in Korean."""
    codes = {
        "account_too_young",
        "too_many_of_person",
        "too_many_of_group",
        "too_many_alike",
        "planted_pattern",
        "few_peoples_words",
        "too_few_reviewed",
        "feedback_on_own_words",
        "feedback_too_fast",
        "feedback_brigaded",
    }
    assert all(len(REASONS[code]) == 2 and all(REASONS[code]) for code in codes)


def test_the_same_rows_make_the_same_choice_in_any_order_of_arrival() -> None:
    """What stays depends on when people vouched, and not on the order in which conversations are read."""
    rows = [*honest(28), *poison(5, 3)]
    one, other = (select(order, QUALITY, trust=TrustConfig(person_rows=2)) for order in (rows, rows[::-1]))
    assert {row.conversation_id for row in one.rows} == {row.conversation_id for row in other.rows}
    assert utc("2026-01-01") == BEGIN
