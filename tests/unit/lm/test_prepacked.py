"""Weights laid out in blocks: the same numbers, never those of a weight that has changed since."""

import copy
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from loraloop.lm import prepacked as module
from loraloop.lm.adapters import adapted
from loraloop.lm.loader import load_model
from loraloop.lm.prepacked import can_prepack, linear, prepack, prepack_linears
from loraloop.testing.wrappers import random_adapter

pytestmark = pytest.mark.slow  # it needs torch

IDS = torch.tensor([[5, 9, 12, 7, 30]])


@pytest.fixture(params=[1, 2])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    """With one thread and with several products are cut differently."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("rows", [0, 1, 2, 5, 33, 300])
@pytest.mark.parametrize("biased", [False, True])
def test_the_product_is_the_usual_one(threads: int, rows: int, biased: bool) -> None:
    """Within float32's rounding, in the usual shape, with a bias and without, also where the rows have gaps."""
    torch.manual_seed(rows)
    x, weight, bias = torch.randn(1, rows, 48)[..., ::2], torch.randn(40, 24), torch.randn(40) if biased else None
    found = linear(x, prepack(weight), bias)
    torch.testing.assert_close(found, F.linear(x, weight, bias), rtol=1e-5, atol=1e-5)


def test_bfloat16_answers_as_before_whether_laid_out_or_not(tiny_base: Path) -> None:
    """It is laid out where the processor multiplies in it, elsewhere left alone; the answers stay what they were."""
    model = load_model(tiny_base, "bfloat16")
    assert can_prepack(model) == torch.ops.mkldnn._is_mkldnn_bf16_supported()
    before = model(input_ids=IDS).logits
    prepack_linears(model)
    with torch.inference_mode():
        torch.testing.assert_close(model(input_ids=IDS).logits, before, rtol=0, atol=2e-2)


def test_a_processor_without_bfloat16_leaves_it_alone(tiny_base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """float32 is laid out everywhere, bfloat16 only where it is multiplied as it is; any other format never."""
    monkeypatch.setattr(module, "_formats", lambda: (torch.float32,))
    assert can_prepack(load_model(tiny_base, "float32"))
    assert not can_prepack(load_model(tiny_base, "bfloat16"))
    monkeypatch.undo()
    assert not can_prepack(load_model(tiny_base, "float32").to(torch.float64))


def test_a_large_model_is_left_alone(tiny_base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a second copy of the layers would take too much memory, none is made."""
    monkeypatch.setattr(module, "MOST_BYTES", 1000)
    assert not can_prepack(load_model(tiny_base, "float32"))


def test_a_layer_that_learns_still_learns() -> None:
    """What needs a gradient is multiplied as ever, whether the layer's own or that of what it is given."""
    layer = torch.nn.Linear(24, 40)
    prepack_linears(layer)
    x = torch.randn(3, 24, requires_grad=True)
    layer(x).sum().backward()
    assert layer.weight.grad is not None
    frozen = layer.requires_grad_(False)
    x.grad = None
    frozen(x).sum().backward()
    assert x.grad is not None


def test_a_merged_adapter_and_the_base_after_it_answer_with_their_own_weights(tiny_base: Path, tmp_path: Path) -> None:
    """The copy in blocks follows the weight, when an adapter is merged in and when it leaves."""
    adapter = random_adapter(tiny_base, tmp_path / "adapter")
    usual, ours = load_model(tiny_base, "float32"), load_model(tiny_base, "float32")
    prepack_linears(ours)
    with torch.inference_mode():
        before = ours(input_ids=IDS).logits
        with adapted(usual, adapter), adapted(ours, adapter):
            torch.testing.assert_close(ours(input_ids=IDS).logits, usual(input_ids=IDS).logits, rtol=1e-4, atol=1e-4)
            assert not torch.allclose(ours(input_ids=IDS).logits, before, atol=1e-2)
        assert torch.equal(ours(input_ids=IDS).logits, before)


def test_a_copy_of_a_model_has_copies_of_its_own(tiny_base: Path) -> None:
    """A model that has answered can be copied, and the copy's weights changed, without the first one's noticing."""
    model = load_model(tiny_base, "float32")
    prepack_linears(model)
    with torch.inference_mode():
        before = model(input_ids=IDS).logits
        other = copy.deepcopy(model)
        other.lm_head.weight.mul_(2)
        assert not torch.equal(other(input_ids=IDS).logits, before)
        assert torch.equal(model(input_ids=IDS).logits, before)
