"""A tokenizer whose file says everything is read from that file alone, and is the same one."""

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from loraloop.lm.convert import _plain
from loraloop.lm.loader import _plain_tokenizer, load_tokenizer

pytestmark = pytest.mark.slow

TEXTS = ["안녕? <|im_end|> x", "  two  spaces ", "a\x00b 🦄", "<|begin|>hello\n"]
TOLD = ("special_tokens_map", "all_special_ids", "added_tokens_encoder", "chat_template", "padding_side",
        "model_max_length", "clean_up_tokenization_spaces", "name_or_path")  # fmt: skip


@pytest.fixture(params=[True, False], ids=["with a chat template", "without"])
def folder(request: pytest.FixtureRequest, tiny_base: Path, tmp_path: Path) -> Path:
    """A tokenizer as a conversion writes it."""
    tokenizer = AutoTokenizer.from_pretrained(str(tiny_base))
    bare = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer.backend_tokenizer, bos_token="<|begin|>", eos_token="<|im_end|>",
        padding_side="left", chat_template=tokenizer.chat_template if request.param else None,
    )  # fmt: skip
    _plain(bare).save_pretrained(str(tmp_path))
    return tmp_path


def test_it_is_the_tokenizer_that_transformers_makes(folder: Path) -> None:
    """Ids, texts, special tokens, template, limits and the side that is padded."""
    known: Any = AutoTokenizer.from_pretrained(str(folder))
    read = _plain_tokenizer(folder)
    assert read is not None
    assert [read(text)["input_ids"] for text in TEXTS] == [known(text)["input_ids"] for text in TEXTS]
    assert [read.decode(known(text)["input_ids"]) for text in TEXTS] == [
        known.decode(known(text)["input_ids"]) for text in TEXTS
    ]
    assert {name: getattr(read, name) for name in TOLD} == {name: getattr(known, name) for name in TOLD}


@pytest.mark.parametrize("more", [{"add_bos_token": True}, {"tokenizer_class": "LlamaTokenizer"}, {"auto_map": {}}])
def test_one_with_more_to_it_is_left_to_transformers(folder: Path, more: dict[str, Any]) -> None:
    """A setting that is not known here, or a class of its own, may change what the file alone would say."""
    told = folder / "tokenizer_config.json"
    told.write_text(json.dumps(json.loads(told.read_text()) | more))
    assert _plain_tokenizer(folder) is None


def test_a_base_of_ours_can_still_be_loaded(tiny_base: Path) -> None:
    """One with more special tokens than a plain file names goes the long way."""
    assert _plain_tokenizer(tiny_base) is None
    assert load_tokenizer(tiny_base)("hi")["input_ids"]
