"""One row of each format."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loraloop.data.formats import FORMATS, ImportOptions, detect, from_chatterbot, from_jsonl, parse_time
from loraloop.data.messages import BadRow, pseudonym

OPTIONS = ImportOptions(secret=b"k", imported_at=datetime(2026, 1, 1, tzinfo=UTC))
ROWS = {
    "jsonl": {"messages": [{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "Hello."}], "user": 7},
    "openai": {"messages": [{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "Hello."}]},
    "sharegpt": {"conversations": [{"from": "human", "value": "Hi?"}, {"from": "gpt", "value": "Hello."}]},
    "alpaca": {"instruction": "Hi?", "input": "", "output": "Hello."},
    "records": {
        "user_input": "Hi?",
        "bot_response": "Hello.",
        "quality_score": 0.9,
        "timestamp": "2026-01-05T00:00:00",
    },
}


@pytest.mark.parametrize("name", ROWS)
def test_each_format_is_recognised_and_read_alike(name):
    """The same question and answer come out of every format, unapproved and without consent unless the row says so."""
    assert detect(ROWS[name]) == name
    (found,) = FORMATS[name](ROWS[name], OPTIONS)
    assert [(m.role, m.text, m.approved_by) for m in found.messages] == [
        ("user", "Hi?", None),
        ("assistant", "Hello.", None),
    ]
    assert (found.consent, found.source) == ("unknown", f"import:{name}")


def test_a_review_of_the_whole_file_approves_its_answers():
    """With the reviewed option every answer is approved, and consent can be stated for the file."""
    options = ImportOptions(approved_by="review", consent="granted")
    (found,) = FORMATS["sharegpt"](ROWS["sharegpt"], options)
    assert (found.messages[1].approved_by, found.consent) == ("review", "granted")
    assert found.messages[0].approved_by is None


def test_openai_weight_zero_withholds_approval():
    """A message that OpenAI's format says not to learn is not learnt, even from a reviewed file."""
    row = {"messages": [{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "No!", "weight": 0}]}
    (found,) = FORMATS["openai"](row, ImportOptions(approved_by="review"))
    assert found.messages[1].approved_by is None


def test_chatterbot_talks_are_public_and_reviewed():
    """A bare chatterbot import is public, written by people, and turns alternate."""
    (found,) = from_chatterbot(["Hi?", "Hello.", "How are you?", "Well."], ImportOptions())
    assert [m.role for m in found.messages] == ["user", "assistant", "user", "assistant"]
    assert [m.approved_by for m in found.messages] == [None, "review", None, "review"]
    assert (found.consent, found.user) == ("public", None)


def test_sharegpt_system_and_tools_keep_their_place():
    """A system prompt comes first, and a function call is kept as a part that is no text."""
    row = {
        "system": "Be kind.",
        "conversations": [
            {"from": "human", "value": "Weather?"},
            {"from": "function_call", "value": '{"name": "weather"}'},
            {"from": "observation", "value": "sunny"},
            {"from": "gpt", "value": "It is sunny."},
        ],
    }
    (found,) = FORMATS["sharegpt"](row, OPTIONS)
    assert [m.role for m in found.messages] == ["system", "user", "assistant", "tool", "assistant"]
    assert found.messages[2].content[0].kind == "tool_call"


def test_alpaca_input_and_history_come_before_the_answer():
    """The input follows the instruction, and earlier pairs come first."""
    row = {"instruction": "Translate", "input": "bap", "output": "meal", "history": [["Ready?", "Yes."]]}
    (found,) = FORMATS["alpaca"](row, OPTIONS)
    assert [m.text for m in found.messages] == ["Ready?", "Yes.", "Translate\n\nbap", "meal"]


def test_an_image_is_kept_by_kind_without_its_payload():
    """What is no text keeps its kind and loses its content."""
    content = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": "data:..."}}]
    row = {"messages": [{"role": "user", "content": content}, {"role": "assistant", "content": "A cat."}]}
    (found,) = from_jsonl(row, OPTIONS)
    assert [(p.kind, p.text) for p in found.messages[0].content] == [("text", "What is this?"), ("image_url", "")]


def test_everything_is_redacted_before_it_is_a_value():
    """Personal data in messages, corrections and names is gone, and the user is a keyed pseudonym."""
    row = {
        "messages": [
            {"role": "user", "content": "내 번호는 010-1234-5678이야"},
            {"role": "assistant", "content": "메일은 kim@naver.com 이지?"},
        ],
        "user": "kim@naver.com",
        "session": "010-1234-5678",
        "feedback": [{"kind": "correction", "text": "카드는 4111-1111-1111-1111", "actor": "kim@naver.com"}],
    }
    (found,) = from_jsonl(row, OPTIONS)
    told = repr(found)
    assert not any(secret in told for secret in ("1234", "kim", "4111"))
    assert found.user == pseudonym("KIM@naver.com", b"k") != pseudonym("kim@naver.com", b"other")
    assert found.feedback[0].actor == found.user


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"messages": []}, "no messages"),
        ({"messages": "Hi"}, "no messages"),
        ({"messages": [{"role": "king", "content": "Hi"}]}, "no known role"),
        ({"messages": [{"role": "user"}]}, "is empty"),
        ({"messages": [{"role": "user", "content": "  "}]}, "is empty"),
        ({"messages": [{"role": "user", "content": 7}]}, "content of type int"),
        ({"messages": [{"role": "user", "content": "\ud800"}]}, "surrogate"),
        ({"messages": [{"role": "assistant", "content": "a", "approved_by": "me"}]}, "approved_by is none of"),
        ({"messages": ["Hi"]}, "is no object"),
        ({"consent": "maybe"}, "consent is none of"),
        ({"quality_score": 2}, "outside 0..1"),
        ({"quality_score": "high"}, "no number"),
        ({"created_at": "yesterday"}, "ISO 8601"),
        ({"created_at": True}, "ISO 8601"),
        ({"feedback": "meh"}, "thumb_up"),
        ({"feedback": [{"kind": "up", "message_index": 0}]}, "no answer"),
        ({"feedback": [{"kind": "correction"}]}, "no text"),
        ({"approved_by": "me"}, "approved_by is none of"),
        ({"user": ["kim"]}, "user is no text"),
    ],
)
def test_a_bad_row_says_what_is_wrong(change, reason):
    """Each fault has its reason, and none quotes what the row says."""
    with pytest.raises(BadRow, match=reason):
        from_jsonl({**ROWS["jsonl"], **change}, OPTIONS)


@pytest.mark.parametrize("row", [{}, {"text": "x"}, [], "x", 7, None])
def test_a_row_of_no_format_is_refused(row):
    """A row without known keys is not guessed at; a bare list never passes for a reviewed corpus."""
    with pytest.raises(BadRow, match="no known format"):
        detect(row)


def test_times_are_utc_whatever_they_come_as():
    """ISO, seconds, milliseconds and naive datetimes name the same moment."""
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    seconds = moment.timestamp()
    for value in (moment, moment.replace(tzinfo=None), "2026-01-02T12:04:05+09:00", seconds, seconds * 1000):
        assert parse_time(value) == moment


def test_the_same_talk_with_consent_is_another_conversation():
    """Imported again with the consent that was missing, a talk can be learnt."""
    ids = {FORMATS["openai"](ROWS["openai"], ImportOptions(consent=c))[0].id for c in (None, "granted", "granted")}
    assert len(ids) == 2


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["messages", "role", "from", "content", "value", "text", "kind", "feedback", "user"]), inner
        )
    ),
    max_leaves=12,
)


@given(st.sampled_from(sorted(FORMATS)), JSON, JSON)
@pytest.mark.slow
def test_no_json_breaks_a_parser(name, first, second):
    """Any JSON value either becomes conversations or gives a reason."""
    keys = ("messages", "conversations", "instruction", "output", "user_input", "bot_response", "history", "feedback")
    for row in (first, {key: first for key in keys}, {**dict.fromkeys(keys, second), "messages": first}):
        if name != "chatterbot" and not isinstance(row, dict):
            continue
        try:
            found = FORMATS[name](row, OPTIONS)
        except BadRow as refused:
            said = str(refused)
        else:
            said = "conversations" if all(c.messages and c.id.startswith("cv-") for c in found) else ""
        assert said


def test_a_number_of_a_schema_lets_no_name_in():
    """Rows with our number may be anybody's: only pseudonyms stay as they are, and what was once stored redacted."""
    talk = [{"role": "user", "content": "Which meal?"}, {"role": "assistant", "content": "The soup."}]
    options = ImportOptions(secret=b"k")
    for name in ("mina", "u-cafe", "민지", 12345):
        row = {"schema_version": 1, "messages": talk, "user": name, "group": "mina's tablet"}
        (found,) = from_jsonl(row, options)
        assert (found.user, found.group) == (pseudonym(name, b"k"), pseudonym("mina's tablet", b"k"))
        assert found.user != name
    for kept in ("u-0123456789abcdef", "u-[PHONE]a1b2"):
        (found,) = from_jsonl({"schema_version": 1, "messages": talk, "user": kept, "group": kept}, options)
        assert (found.user, found.group) == (kept, kept)
