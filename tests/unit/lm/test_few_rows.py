"""Products of few rows: the same numbers, whichever side the weight stands on."""

from collections.abc import Iterator

import pytest
import torch
from torch.nn import functional as F

from loraloop.lm.few_rows import linear, multiply_few_rows

pytestmark = pytest.mark.slow  # it needs torch


@pytest.fixture(autouse=True, params=[1, 2])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    """With one thread and with several another number of rows is few."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("rows", [0, 1, 2, 4, 5, 33, 64, 65])
@pytest.mark.parametrize("biased", [False, True])
def test_the_product_is_the_usual_one(rows: int, biased: bool) -> None:
    """Within float32's rounding, in the usual shape and order, with a bias and without."""
    torch.manual_seed(rows)
    x, weight, bias = torch.randn(1, rows, 24), torch.randn(40, 24), torch.randn(40) if biased else None
    found = linear(x, weight, bias)
    assert found.is_contiguous()
    torch.testing.assert_close(found, F.linear(x, weight, bias), rtol=1e-5, atol=1e-5)


def test_other_number_formats_are_left_alone() -> None:
    """bfloat16 rounds as the gate's does, to the bit."""
    x, weight = torch.randn(3, 24, dtype=torch.bfloat16), torch.randn(40, 24, dtype=torch.bfloat16)
    assert torch.equal(linear(x, weight), F.linear(x, weight))


def test_a_layer_that_learns_still_learns() -> None:
    """What needs a gradient is multiplied as ever."""
    layer = torch.nn.Linear(24, 40)
    multiply_few_rows(layer)
    layer(torch.randn(3, 24)).sum().backward()
    assert layer.weight.grad is not None


def test_every_linear_layer_of_a_model_takes_part() -> None:
    """The product of every layer is the one of ``linear``, to the bit."""
    model = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.ReLU(), torch.nn.Linear(8, 4)).requires_grad_(False)
    x = torch.randn(3, 8)
    expected = linear(torch.relu(linear(x, model[0].weight, model[0].bias)), model[2].weight, model[2].bias)
    multiply_few_rows(model)
    assert torch.equal(model(x), expected)
