"""One loaded model that answers, and others of the same base beside it."""

from pathlib import Path

import pytest
import torch

from loraloop.lm.adapters import attach
from loraloop.lm.decode import Decoding
from loraloop.lm.loader import load_model
from loraloop.lm.speaker import Speaker
from loraloop.train.child import write_adapter
from loraloop.types import message

ASKED = [message("user", "hello there")]
DECODING = Decoding(max_new_tokens=12)


@pytest.fixture(scope="module")
def adapter(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter of the tiny base that changes what it says."""
    torch.manual_seed(0)
    model = attach(load_model(tiny_base, "float32"), rank=4, alpha=8, dropout=0.0, targets="all-linear")
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.2)
    folder = tmp_path_factory.mktemp("adapter") / "a"
    write_adapter(model, folder, base_name="tiny")
    return folder


def test_one_made_from_a_copy_answers_as_one_that_was_loaded(tiny_base: Path, adapter: Path) -> None:
    """The copy carries the adapter, and the base that it was made from stays the base."""
    base = Speaker(tiny_base, None, decoding=DECODING, dtype="float32")
    plain = base.answer(ASKED).text
    copied = base.beside(tiny_base, adapter, decoding=DECODING)
    assert copied is not None
    loaded = Speaker(tiny_base, adapter, decoding=DECODING, dtype="float32").answer(ASKED).text
    assert copied.answer(ASKED).text == loaded != plain
    assert base.answer(ASKED).text == plain


def test_another_base_and_merged_weights_are_never_copied(tiny_base: Path, adapter: Path, tmp_path: Path) -> None:
    """Who stands beside a speaker has its base; one with an adapter merged in has lost it."""
    base = Speaker(tiny_base, None, decoding=DECODING, dtype="float32")
    assert base.beside(tmp_path, None) is None
    worn = base.beside(tiny_base, adapter)
    assert worn is not None
    assert worn.beside(tiny_base, None) is None
