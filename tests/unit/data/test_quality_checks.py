"""Which answers may be learnt from: every check on Korean and English, their order, and what real talk it costs."""

import sys
import types
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from loraloop.data.candidates import CandidateRow, candidates
from loraloop.data.formats import ImportOptions
from loraloop.data.importers import files_of, read_file
from loraloop.data.quality import BUILT_IN, CHECKS, DataQualityConfig, faults_of, reason_to_drop, tells_of_distress
from loraloop.data.reasons import REASONS
from loraloop.data.words import holds
from loraloop.errors import SettingsError
from loraloop.settings import load_settings
from loraloop.types import Conversation

Say = Callable[..., Conversation]
DROPPED = {
    "fit_words": ("unfit_words", "닥쳐, 이 병신아", "shut it, you are stupid"),
    "whole_encoding": ("encoding_damaged", "오늘은 \ufffd\ufffd를 먹자", "I donâ€™t know this one"),
    "filled_template": ("template_unfilled", "{이름}님 안녕하세요", "Hello [Your Name], welcome"),
    "no_contact": ("leads_elsewhere", "오픈채팅으로 들어와요", "see http://example.xyz for it"),
    "long_enough": ("answer_too_short", "응", "ok"),
    "no_error_phrase": ("error_phrase", "오류가 발생했습니다. 나중에 봐요", "An error occurred, try it tomorrow"),
    "says_something_once": ("answer_repeats_itself", "네 네 네 네 네 네 네", "no no no no no no no"),
    "not_cut_short": ("answer_cut_short", "김밥과 떡볶이, 그리고", "You should eat something warm because"),
    "in_language": ("other_language", "今日は天気がいいですね", "Привет, как дела"),
}
GOOD = ("떡볶이는 매워서 우유랑 먹으면 좋아요.", "Noodles are good when it is cold outside.", "마약김밥이 맛있대요")
DISTRESS = (
    "죽고 싶어",
    "아빠가 자꾸 때려요",
    "친구들이 왕따시켜요",
    "I want to die",
    "my dad hits me",
    "they bully me",
)
NO_DISTRESS = (
    "배고파 죽겠어",
    "모기를 때려잡았어",
    "게임에서 졌어",
    "this joke kills me",
    "I hit the ball",
    "dye my hair",
)


def row_of(conversation: Conversation) -> CandidateRow:
    """Its last answer."""
    return list(candidates(conversation))[-1]


def test_a_text_is_asked_once_for_all_answers_of_a_conversation_and_forgotten_with_them(say: Say) -> None:
    """Each prompt holds all that was said before; nobody's words outlast the rows they stand in."""
    asked: list[str] = []
    talk = say("first question", "first answer", "second question", "second answer")
    for row in list(candidates(talk)):
        for said in row.prompt:
            row.heard.of(asked.append, said.text)
    assert asked == [message.text for message in talk.messages[:3]]
    next(candidates(talk)).heard.of(asked.append, talk.messages[0].text)
    assert len(asked) == 4


@pytest.mark.parametrize(
    ("name", "reason", "answer"), [(name, *_) for name, (r, *bad) in DROPPED.items() for _ in [(r, b) for b in bad]]
)
def test_each_check_drops_for_its_reason_and_only_while_it_is_asked(
    say: Say, name: str, reason: str, answer: str
) -> None:
    """A bad answer is dropped by its check, and kept when that one is switched off."""
    question = "오늘 뭐 먹을까?" if any("가" <= char <= "힣" for char in answer) else "what shall we eat today?"
    row = row_of(say(question, answer))
    assert reason_to_drop(row, DataQualityConfig()) == reason
    others = tuple(check for check in BUILT_IN if check != name)
    assert reason not in list(faults_of(row, DataQualityConfig(checks=others)))


@pytest.mark.parametrize("answer", GOOD)
def test_a_good_answer_passes_every_check(say: Say, answer: str) -> None:
    """Ordinary talk is kept, also where it holds a bad word inside a good one."""
    assert reason_to_drop(row_of(say("what shall we eat today?", answer)), DataQualityConfig()) is None


def test_the_first_check_of_the_settings_gives_the_reason(say: Say) -> None:
    """Checks are asked in the order in which the settings name them."""
    row = row_of(say("what shall we eat today?", "no no no no no {name}"))
    for first, second in (("filled_template", "says_something_once"), ("says_something_once", "filled_template")):
        found = reason_to_drop(row, DataQualityConfig(checks=(first, second)))
        assert found == DROPPED[first][0]


def test_a_correction_is_not_judged_by_taste_but_by_what_harms(say: Say) -> None:
    """A person may answer "No."; an insult or a link is no answer."""
    said = say("is it raining?", "maybe it is, maybe not")
    for text, reason in (("No.", None), ("죄송해요, 몰라요", None), ("you are stupid", "unfit_words"),
                         ("go to http://x.com", "leads_elsewhere")):  # fmt: skip
        told = say("is it raining?", "maybe it is, maybe not", feedback=[{"kind": "correction", "text": text}])
        assert reason_to_drop(row_of(told), DataQualityConfig()) == reason, text
    assert row_of(said).approved_by == "review"


@pytest.mark.parametrize("text", DISTRESS)
def test_talk_of_a_child_in_distress_is_never_learnt_whatever_the_settings_check(say: Say, text: str) -> None:
    """Every answer after such words is left out, even with all checks switched off."""
    row = row_of(say(text, "that sounds hard, please talk to someone", "and now?", "call somebody you trust"))
    assert reason_to_drop(row, DataQualityConfig(checks=())) == "distress_disclosure"


@pytest.mark.parametrize(
    ("unfit", "ordinary"),
    [
        ("아 시발", "나이시발"),
        ("섹스", "유니섹스"),
        ("자위", "독자위"),
        ("그냥 죽어라", "굶어죽어라"),
        ("꺼져라", "네가 꺼져라"),
        ("보지 사진", "안보지 사진"),
        ("저 새끼", "저 새끼손가락"),
        ("fuck", "snafuck"),
    ],
)
def test_what_stands_before_or_after_an_unfit_word_makes_it_an_ordinary_one(unfit: str, ordinary: str) -> None:
    """The same letters inside of another word insult nobody."""
    assert holds("unfit", unfit)
    assert holds("unfit", f"아니, {unfit}")
    assert not holds("unfit", ordinary)


@pytest.mark.parametrize("text", NO_DISTRESS)
def test_ordinary_words_are_no_distress(text: str) -> None:
    """What only sounds like it is let be."""
    assert not tells_of_distress(text)


def test_an_unknown_check_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    """A slip of the pen in the settings says what was meant."""
    (tmp_path / "loraloop.toml").write_text('[data]\nchecks = ["long_enuogh"]\n')
    with pytest.raises(SettingsError, match="did you mean long_enough"):
        load_settings(tmp_path)
    with pytest.raises(ValidationError):
        DataQualityConfig(checks=("nothing_like_it_at_all",))


def test_a_check_of_ones_own_is_asked_in_its_place(say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    """PACKAGE.MODULE:FUNCTION drops with its own code; one that is not there is named."""
    module = types.ModuleType("own_checks")
    module.no_shouting = lambda row, config: "shouting" if row.answer.isupper() else None  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "own_checks", module)
    config = DataQualityConfig(checks=("own_checks:no_shouting", *BUILT_IN))
    assert reason_to_drop(row_of(say("what is it?", "IT IS A CAT!")), config) == "shouting"
    assert reason_to_drop(row_of(say("what is it?", "it is a cat!")), config) is None
    with pytest.raises(SettingsError, match="own_checks:nothing"):
        reason_to_drop(row_of(say("what is it?", "it is a cat")), DataQualityConfig(checks=("own_checks:nothing",)))


def test_words_of_ones_own_are_dropped_and_a_bad_list_is_named(say: Say, tmp_path: Path) -> None:
    """A file of expressions adds to the built-in lists."""
    (tmp_path / "words.txt").write_text("# ours\nbanana\\s?split\n", "utf-8")
    (tmp_path / "bad.txt").write_text("(\n", "utf-8")
    row = row_of(say("what shall we eat?", "a Banana Split, please"))
    assert reason_to_drop(row, DataQualityConfig(unfit_words=(str(tmp_path / "words.txt"),))) == "unfit_words"
    for name in ("bad.txt", "absent.txt"):
        with pytest.raises(SettingsError, match=name):
            reason_to_drop(row, DataQualityConfig(unfit_words=(str(tmp_path / name),)))


def test_every_check_has_a_name_a_place_and_its_reason_in_words() -> None:
    """The list of the settings is the list of functions, and each code has its sentences."""
    assert tuple(CHECKS) == BUILT_IN
    assert {reason for reason, *_ in DROPPED.values()} <= set(REASONS)


@pytest.mark.parametrize(("language", "most_frac"), [("korean", 0.0), ("english", 0.001)])
@pytest.mark.slow
def test_the_new_checks_cost_no_real_talk(language: str, most_frac: float) -> None:
    """Of every answer of chatterbot-corpus at most one in a thousand is dropped by what is no rule of length."""
    pytest.importorskip("chatterbot_corpus")
    rows = [
        row
        for path in files_of([f"package:chatterbot-corpus/{language}"])
        for said in read_file(path, "chatterbot", ImportOptions(), lambda bad: None)
        for row in candidates(said)
    ]
    counted = Counter(fault for row in rows for fault in faults_of(row, DataQualityConfig()))
    new = (
        "unfit_words",
        "encoding_damaged",
        "template_unfilled",
        "leads_elsewhere",
        "answer_cut_short",
        "other_language",
    )
    assert len(rows) > 600
    assert sum(counted[reason] for reason in new) <= most_frac * len(rows), counted
    told = {said.text for row in rows for said in row.prompt if said.role == "user"}
    assert sum(map(tells_of_distress, told)) <= 2


def test_every_word_of_one_s_own_list_is_heeded(say: Say, tmp_path: Path) -> None:
    """With capitals as without, and the first line of a file as Windows writes it; a line that meets all is refused."""
    listed = tmp_path / "words.txt"
    listed.write_bytes("\ufeff메롱\r\n# a remark\r\nZebra\r\n".encode())
    config = DataQualityConfig(unfit_words=(str(listed),))
    for answer, reason in (("메롱, 김밥이나 먹어요.", "unfit_words"), ("That is a zebra, dear.", "unfit_words"),
                           ("ZEBRA is what you are.", "unfit_words"), ("That is a horse, dear.", None)):  # fmt: skip
        (row,) = candidates(say("what is that over there?", answer))
        assert reason_to_drop(row, config) == reason
    for number, line in ((1, "("), (3, "zebra|")):
        bad = tmp_path / f"bad{number}.txt"
        bad.write_text("# a remark\n" * (number - 1) + line)
        with pytest.raises(SettingsError, match=rf"bad{number}.txt:{number}: "):
            reason_to_drop(row, DataQualityConfig(unfit_words=(str(bad),)))
