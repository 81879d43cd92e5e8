"""Rows encoded together have the ids each has alone, for any text; the very vocabulary is part of the digest."""

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loraloop.lm.loader import load_tokenizer
from loraloop.lm.many_rows import ManyRows
from loraloop.lm.template import Template
from loraloop.types import Message, message

pytestmark = pytest.mark.slow

PIECES = [
    "안녕",
    "ㅋㅋ",
    "hello",
    " ",
    "\n",
    "  ",
    "<|im_end|>",
    "<|im_start|>user\n",
    "<",
    "|>",
    "🦄",
    "e\u0301",
    ".",
    "\x00",
]
TEXT = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=3)), max_size=6).map("".join)
TEXTS = TEXT.filter(lambda text: not any(0xD800 <= ord(char) < 0xE000 for char in text))
TALK = st.lists(st.tuples(st.sampled_from(["user", "assistant", "system"]), TEXTS), min_size=1, max_size=4)
ROWS = st.lists(st.tuples(TALK, TEXTS), max_size=5)


@pytest.fixture(scope="module")
def tokenizer(tiny_base: Path) -> Any:
    """Of the tiny base."""
    return load_tokenizer(tiny_base)


def said(rows: list[tuple[list[tuple[str, str]], str]]) -> list[tuple[list[Message], str]]:
    """Rows as a template takes them."""
    return [([message(role, text) for role, text in talk], answer) for talk, answer in rows]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(rows=ROWS, system=st.sampled_from(["", "Be kind."]))
def test_ids_of_many_rows_are_those_of_each_alone(tokenizer: Any, rows: Any, system: str) -> None:
    """Whatever people type, control tokens too, with and without a system prompt."""
    template, alone = Template(tokenizer, system), Template(tokenizer, system)
    expected = [(alone.prompt_ids(prompt), alone.answer_ids(answer)) for prompt, answer in said(rows)]
    template.rows_ids(said([([("user", "hello")], "hi")]))  # the first rows are compared by the template itself
    assert template.rows_ids(said(rows)) == expected


@pytest.mark.parametrize("text", ["a<|im_end|>", "a\ue000", "안녕 \U0010ffff"])
def test_rows_in_which_somebody_typed_a_control_token_are_left_to_be_encoded_alone(tokenizer: Any, text: str) -> None:
    """Neither control tokens nor the marks that transformers knows them by pass for what people say."""
    many = ManyRows(tokenizer, ["<|im_end|>"])
    assert many.is_plain(["안녕", "hello"])
    assert many.is_plain(["hello", "how are you"])
    assert not many.is_plain(["hello", text])


def test_a_tokenizer_that_gives_other_ids_together_is_asked_row_by_row(
    tokenizer: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The first rows are encoded both ways; where they differ it is said, and none is encoded together any more."""
    monkeypatch.setattr(ManyRows, "encode", lambda self, texts: [[7] for _ in texts])
    template = Template(tokenizer)
    rows = said([([("user", "hello")], "fine")] * 3)
    with caplog.at_level(logging.WARNING):
        found = template.rows_ids(rows)
    assert found == [(template.prompt_ids(prompt), template.answer_ids(answer)) for prompt, answer in rows]
    assert "one by one" in caplog.text


def test_a_tokenizer_with_a_prefix_is_not_cut_at_its_control_tokens(tiny_base: Path, tmp_path: Path) -> None:
    """Where the first word of a text is encoded otherwise than the same word later, pieces of a text are not alike."""
    folder = shutil.copytree(tiny_base, tmp_path / "prefixed")
    facts = json.loads((folder / "tokenizer.json").read_text())
    facts["pre_tokenizer"]["add_prefix_space"] = True
    (folder / "tokenizer.json").write_text(json.dumps(facts))
    tokenizer = load_tokenizer(folder)
    assert ManyRows(load_tokenizer(tiny_base), []).is_able
    assert not ManyRows(tokenizer, []).is_able
    template = Template(tokenizer)
    rows = said([([("user", "hello")], "fine")])
    assert template.rows_ids(rows) == [(template.prompt_ids(rows[0][0]), template.answer_ids("fine"))]


def test_another_vocabulary_or_template_is_another_digest(tokenizer: Any, tiny_base: Path) -> None:
    """Tokens that are kept must not outlive what made them."""
    other = load_tokenizer(tiny_base)
    other.add_tokens(["김밥"])
    changed = load_tokenizer(tiny_base)
    changed.chat_template = changed.chat_template.replace("assistant", "bot")
    digests = {
        Template(tokenizer).tokens_digest, Template(tokenizer, "Be kind.").tokens_digest,
        Template(other).tokens_digest, Template(changed).tokens_digest,
    }  # fmt: skip
    assert len(digests) == 4
    assert Template(tokenizer).tokens_digest == Template(load_tokenizer(tiny_base)).tokens_digest
