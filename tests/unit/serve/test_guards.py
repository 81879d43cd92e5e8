"""Guards: what a person in distress is answered, and what no child is shown, not even the beginning of it."""

import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loraloop.errors import SettingsError
from loraloop.serve.config import ServeConfig
from loraloop.serve.guards import guards_of
from loraloop.serve.sieve import BREAK, Sieve
from loraloop.testing.gateway_client import GatewayClient as Client
from loraloop.text.redact import findings

GUARDS = guards_of(ServeConfig())
DISTRESS = GUARDS[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "topic"),
    [
        ("죽고 싶어", "self_harm"),
        ("요즘 진짜 죽고싶어요..", "self_harm"),
        ("그냥 사라지고 싶다", "self_harm"),
        ("자해를 하게 돼요", "self_harm"),
        ("살기 싫어", "self_harm"),
        ("I want to die", "self_harm"),
        ("i don't want to live anymore", "self_harm"),
        ("I keep hurting myself", "self_harm"),
        ("feeling SUICIDAL", "self_harm"),
        ("아빠가 때려요", "abuse"),
        ("집에서 맞고 있어", "abuse"),
        ("삼촌이 몸을 만져요", "abuse"),
        ("my dad hits me", "abuse"),
        ("학교폭력 당했어", "bullying"),
        ("애들이 괴롭혀", "bullying"),
        ("I am being bullied", "bullying"),
        ("며칠째 굶었어요", "hunger"),
        ("엄마가 밥을 안 줘요", "hunger"),
        ("there is no food at home", "hunger"),
    ],
)
def test_distress_is_answered_with_help_lines(client: Client, text: str, topic: str) -> None:
    """A fixed reply that names help lines, in the language of the message; the model is not asked."""
    said = client.chat(text, store=True)
    (hit,) = [guard.asked(text) for guard in GUARDS if guard.asked(text)]
    assert hit.topic == topic
    reply = said.json["choices"][0]["message"]["content"]
    assert reply == hit.reply_to(text)
    assert any(number in reply for number in ("109", "1388", "112", "117", "129"))
    assert not client.engine.asked
    assert (said.headers["x-guard"], said.json["choices"][0]["finish_reason"]) == ("distress", "stop")
    assert client.chat(text, stream=True).text == reply
    assert client.metric("guard_hits_total", release="r-1", guard="distress") == 2
    assert client.talks()[0].messages[-1].content[0].kind == "guarded"


@pytest.mark.parametrize(
    "text",
    [
        "오늘 점심 뭐야?",
        "배고파 죽겠다",
        "문제 다 맞았어요!",
        "숙제하자 해서 왔어",
        "맛있어서 죽는 줄",
        "사라다 있어?",
        "Kill the process",
        "I could die laughing",
        "this cut is mine",
        "hit me up later",
        "밥을 안 먹었어",
        "집에서 밥 먹었어",
        "It hits different",
        "축구 얘기",
    ],
)
def test_ordinary_talk_is_left_to_the_model(client: Client, text: str) -> None:
    """A phrase that only sounds alike gets no help line."""
    assert DISTRESS.asked(text) is None


def test_only_what_was_said_since_the_last_answer_is_looked_at(client: Client) -> None:
    """Who got the reply once may go on to talk of other things."""
    messages = [
        {"role": "user", "content": "죽고 싶어"},
        {"role": "assistant", "content": "..."},
        {"role": "user", "content": "고마워"},
    ]
    assert "x-guard" not in client.chat(messages=messages).headers


@pytest.mark.parametrize("answer", ["너 정말 병신 같아", "that is bullshit", "What the FUCK", "Fucking great"])
def test_an_unfit_word_is_never_shown(client: Client, answer: str) -> None:
    """The reply stands in the place of the answer; counted, marked, cut off at the engine."""
    client.engine.answer = answer + " and more words come after that one"
    said = client.chat("안녕", store=True)
    assert said.json["choices"][0]["finish_reason"] == "content_filter"
    assert said.headers["x-guard"] == "unfit_words"
    assert "알맞지" in said.json["choices"][0]["message"]["content"]
    assert "not fit" in client.chat("Hello, how are you", stream=True).text
    assert client.metric("guard_hits_total", release="r-1", guard="unfit_words") == 2
    assert [part.kind for part in client.talks()[0].messages[-1].content] == ["guarded"]


@pytest.mark.parametrize(
    "answer", ["shitake mushrooms", "그 책은 보지 못했어요", "a class assignment", "시발점이 됐어요", "Scunthorpe"]
)
def test_a_word_that_only_contains_one_is_shown(client: Client, answer: str) -> None:
    """Borders of words count, and the list has its exceptions."""
    client.engine.answer = answer
    assert client.chat().json["choices"][0]["message"]["content"] == answer
    assert client.chat(stream=True).text == answer


PERSONAL = [
    (
        "민수의 번호는 {} 이고 점심은 김치찌개예요",
        ["010-1234-5678", "010 1234 5678", "0 1 0 1 2 3 4 5 6 7 8", "공일공 일이삼사 오육칠팔", "02-345-6789"],
    ),
    ("주민번호는 {}예요 알겠죠", ["900101-1234567", "900101 - 1234567"]),
    ("Write to {} about the lunch", ["kim.minsu@naver.com", "minsu7 (at) naver.com", "minsu7 골뱅이 naver.com"]),
    ("계좌는 {} 입니다 감사합니다", ["110-345-678901", "1002-345-678901"]),
    ("{} 우리은행으로 보내세요", ["1002-345-678901"]),
    ("the key is {} ok", ["sk-" + "a1B2" * 9, "ghp_" + "Z9" * 18]),
    ("접속 주소는 {} 입니다", ["61.72.13.4"]),
    ("카드 {} 맞죠", ["4111-1111-1111-1111", "4111 1111 1111 1111"]),
]


@pytest.mark.parametrize(("frame", "value"), [(frame, value) for frame, values in PERSONAL for value in values])
def test_not_even_the_beginning_of_personal_data_is_shown(frame: str, value: str) -> None:
    """However the answer arrives, letter by letter or in pieces, what is shown ends before the finding."""
    text = frame.format(value)
    begin = findings(text)[0][0]
    for seed in range(12):
        drawn, sieve, place = random.Random(seed), Sieve(GUARDS, "안녕"), 0
        while place < len(text):
            step = 1 if seed == 0 else drawn.randint(1, 9)
            sieve.push(text[place : place + step])
            assert value[:2] not in sieve.shown.removesuffix(sieve.reply)[begin:]
            place += step
        sieve.push("", last=True)
        assert sieve.hit is not None
        assert sieve.hit.guard == "personal_data"
        assert text.startswith(sieve.shown.removesuffix(sieve.reply).removesuffix(BREAK))
        assert len(sieve.shown.removesuffix(sieve.reply).removesuffix(BREAK)) <= begin


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=12), max_size=30))
def test_what_no_guard_stops_comes_through_whole(pieces: list[str]) -> None:
    """Holding back loses nothing and changes nothing, and what was shown is never taken back."""
    sieve, shown = Sieve(GUARDS, "hello"), ""
    for piece in pieces:
        shown += sieve.push(piece)
        assert sieve.shown == shown
    shown += sieve.push("", last=True)
    assert shown == "".join(pieces) or sieve.hit is not None


def test_ordinary_text_is_held_back_only_a_little() -> None:
    """Users see Korean and English text within a few words of its making."""
    for text in (
        "오늘 점심은 김치찌개와 계란말이 그리고 시원한 물김치가 나와요 맛있게 드세요",
        "Today there is soup and rice and some fruit for everyone who comes",
    ):
        sieve = Sieve(GUARDS, "hello")
        most = 0
        for place, char in enumerate(text):
            sieve.push(char)
            most = max(most, place + 1 - len(sieve.shown))
        assert most <= 20


@pytest.mark.parametrize("name", ["guard_distress", "guard_unfit_words", "guard_personal_data"])
def test_each_guard_has_its_switch(client: Client, name: str) -> None:
    """Off, it stops nothing; the others go on."""
    assert len(guards_of(ServeConfig(**{name: False}))) == 2  # type: ignore[arg-type]
    client.open(**{name: False})
    client.engine.answer = "call 010-1234-5678 you shitty one"
    guarded = {client.chat("죽고 싶어").headers.get("x-guard"), client.chat("hello").headers.get("x-guard")}
    assert name.removeprefix("guard_") not in guarded


def test_lists_of_ones_own_replace_the_built_in(tmp_path: Path) -> None:
    """A reviewed copy is used; one that cannot be read or has an empty reply is refused at start."""
    listed = {"ko": ["바보"], "en": ["fool*"], "reply": {"ko": "안 돼요", "en": "No."}}
    (tmp_path / "unfit_words.json").write_text(json.dumps(listed), encoding="utf-8")
    sieve = Sieve(guards_of(ServeConfig(guard_folder=str(tmp_path))), "Hello there")
    sieve.push("you foolish one", last=True)
    assert sieve.shown == "No."
    for broken in ("{", "[]", json.dumps({**listed, "reply": {"ko": "", "en": "x"}}), json.dumps({"ko": []})):
        (tmp_path / "unfit_words.json").write_text(broken, encoding="utf-8")
        with pytest.raises(SettingsError):
            guards_of(ServeConfig(guard_folder=str(tmp_path)))


def test_every_built_in_reply_names_a_source_for_its_numbers() -> None:
    """Each help line that a reply names stands in the list's sources."""
    listed = json.loads(
        (Path(guards_of.__code__.co_filename).parent / "guard_files" / "distress.json").read_text(encoding="utf-8")
    )
    for topic in listed["topics"]:
        for reply in topic["reply"].values():
            for number in ("109", "1388", "112", "117", "129"):
                assert number not in reply or number in listed["sources"]


def test_a_guard_folder_without_a_list_is_refused(tmp_path: Path) -> None:
    """Whoever misspelt the folder of reviewed lists is told, instead of getting the built-in ones."""
    for folder in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(SettingsError, match="holds none of"):
            guards_of(ServeConfig(guard_folder=str(folder)))
