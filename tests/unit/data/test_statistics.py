"""Numbers about data: true, readable, and without words that only one person said."""

from collections.abc import Callable

from loraloop.cli.data_page import counts, data_page, line
from loraloop.data.manager import LoRADataManager
from loraloop.data.statistics import Week, statistics
from loraloop.data.topics import topics
from loraloop.store.sql import SqlStore
from loraloop.types import Conversation, Feedback, utc

Say = Callable[..., Conversation]


def test_topics_tell_groups_apart_by_words_that_several_people_said() -> None:
    """Food and weather are two topics; what one person alone says stands in none."""
    food = [(f"u{n}", f"떡볶이는 맛있어 김밥도 먹자 {n}") for n in range(6)]
    rain = [(f"v{n}", f"rainy weather brings umbrellas {n}") for n in range(5)]
    alone = [("u1", "떡볶이 비밀이야 홍길동네 강아지"), ("u1", "홍길동네 떡볶이"), ("u1", "홍길동네 강아지")]
    found = topics([*food, *rain, *alone])
    words = [set(topic.words) for topic in found]
    assert any("떡볶이" in some and "weather" not in some for some in words)
    assert any({"weather", "umbrellas"} <= some and "떡볶이" not in some for some in words)
    assert not any("홍길동네" in some or "비밀이야" in some for some in words)
    assert found == topics([*food, *rain, *alone])
    assert topics([]) == topics([("u1", "hm")]) == []


def test_statistics_count_what_is_there_and_what_became_of_it(say: Say, store: SqlStore) -> None:
    """Conversations, languages, consent, lengths, splits, reasons, shares and approval all add up."""
    talks = [say(f"비는 왜 오나요 {n}", f"구름에서 물방울이 떨어져요 {n}", user=f"u{n}") for n in range(40)]
    own = [
        say(f"why is snow white {n}", f"it scatters the light of day {n}", user=f"w{n}", source="chat")
        for n in range(10)
    ]
    dull = say("what now", "hm")
    store.conversations.add([*talks, *own, dull])
    store.conversations.add_feedback(dull.id, Feedback(1, "thumb_down", "", "u", utc("2026-03-04T10:00:00")))
    store.conversations.add_feedback(own[0].id, Feedback(1, "thumb_up", "", "u", utc("2026-03-05T10:00:00")))
    store.conversations.add_feedback(own[1].id, Feedback(1, "thumb_up", "", "review:kim", utc("2026-03-05T10:00:00")))
    dataset = LoRADataManager(None, store=store, secret=b"k").build_dataset()
    found = statistics(store, "default")
    assert (found.conversations, found.people, found.answers) == (51, 51, 51)
    assert (found.languages["ko"], found.languages["en"]) == (40, 11)
    assert sum(found.answer_chars.values()) == sum(found.question_chars.values()) == 51
    assert found.dataset == dataset.id
    assert sum(found.rows.values()) + sum(found.dropped.values()) == 51
    taught = {row.conversation_id for row in dataset.split("train")}
    assert found.self_written == len(taught & {one.id for one in own})
    assert found.approval == (Week("2026-03-02", 1, 2),)


def test_words_of_the_nameless_and_of_who_refuses_to_teach_are_no_topic(say: Say, store: SqlStore) -> None:
    """Whoever gives no name may be one person in many sessions; who does not consent is not read for topics at all."""
    told = [(f"sledge snowman mittens {n}", {"session": f"s{n}"}) for n in range(5)]
    told += [(f"sledge toboggan mittens {n}", {}) for n in range(5)]
    told += [(f"dungeon lizards kingdom {n}", {"user": f"u{n}", "consent": "unknown"}) for n in range(5)]
    told += [(f"noodles pepper chopsticks {n}", {"user": f"v{n}"}) for n in range(5)]
    store.conversations.add([say(text, "yes, indeed", **facts) for text, facts in told])
    found = {word for topic in statistics(store, "default").topics for word in topic.words}
    assert found == {"noodles", "pepper", "chopsticks"}


def test_the_page_holds_every_number_and_nobody_s_words(say: Say, store: SqlStore) -> None:
    """Self-contained, escaped, with plots; no conversation is quoted on it."""
    secret = "우리집 비밀번호는 해바라기"
    store.conversations.add(
        [say(f"{secret} {n}", f"알겠어요 비밀이네요 {n}", session=f"s{n}", source="<b>x</b>") for n in range(4)]
    )
    page = data_page(statistics(store, "default"), "default", "drift words", {})
    assert "해바라기" not in page or page.count("해바라기") <= 1
    assert secret not in page
    assert "<b>x</b>" not in page
    assert "&lt;b&gt;x" in page
    assert "drift words" in page
    assert "<svg" in page
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_plots_of_nothing_are_nothing_and_a_line_stays_in_its_picture() -> None:
    """No judgement draws no line; all points lie inside."""
    assert counts({"a": 0}) == line(()) == line((Week("2026-01-05", 0, 0),)) == ""
    drawn = line((Week("2026-01-05", 0, 3), Week("2026-02-02", 3, 3)))
    points = [tuple(map(float, point.split(","))) for point in drawn.partition('points="')[2].partition('"')[0].split()]
    assert all(0 <= x <= 520 and 0 <= y <= 150 for x, y in points)
    assert points[0][1] > points[1][1]
