"""Which device, threads and dtype are taken."""

import time
from itertools import count
from types import SimpleNamespace

import pytest
import torch

from loraloop.errors import ModelError
from loraloop.lm import probe as module
from loraloop.lm.packing import pack
from loraloop.lm.probe import chosen_device, probe, race_threads
from loraloop.types import Sample

pytestmark = pytest.mark.slow

LENGTHS = (100, 60, 40, 30)


def test_a_gpu_that_is_not_there_is_refused_with_the_setting_to_change(monkeypatch: pytest.MonkeyPatch) -> None:
    """``device = "cuda"`` without a GPU is an error that names the remedy; nothing falls back in silence."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ModelError, match="sees no GPU") as caught:
        probe(16, width=64, device="cuda")
    assert 'device = "auto"' in caught.value.hint
    assert chosen_device("auto") == "cpu"


@pytest.mark.parametrize(("wanted", "device"), [("auto", "cuda"), ("cuda", "cuda"), ("cpu", "cpu")])
def test_a_gpu_is_taken_unless_the_cpu_is_wanted(wanted: str, device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Auto takes a GPU where torch sees one; cpu leaves it alone."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert chosen_device(wanted) == device


def test_every_tensor_of_a_batch_lies_where_the_model_does() -> None:
    """All that the model reads is made on its device, and rows share larger rectangles off the CPU."""
    samples = [Sample(tuple(range(n, n + length)), (-100, *range(1, length))) for n, length in enumerate(LENGTHS)]
    packed = pack(samples, device="meta")
    maps = [part for group in packed.layout.groups for part in (group.gather_BL, group.scatter_N)]
    read = [packed.input_ids_1T, packed.position_ids_1T, packed.supervised_S, packed.targets_S, *maps]
    assert {tensor.device.type for tensor in read} == {"meta"}
    assert packed.row_S.device.type == "cpu"
    assert len(packed.layout.groups) == 1 < len(pack(samples).layout.groups)


@pytest.mark.parametrize(("free", "threads"), [(2, 2), (1, 2), (0, 1)])
def test_a_core_that_is_busy_now_and_then_does_not_decide_for_good(
    free: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two threads are twice as fast while the second core is free: always, half of the time, or never."""
    monkeypatch.setattr(module, "available_cores", lambda: 2)
    numbers, before = count(), torch.get_num_threads()

    class Model(SimpleNamespace):
        def __call__(self, **_: object) -> None:
            if torch.get_num_threads() == 1:
                time.sleep(0.01)
            else:  # 2 of 4 calls, so that one round is free and the next one is not
                time.sleep(0.005 if next(numbers) % 4 < 2 * free else 0.03)

    try:
        assert race_threads(Model(device=torch.device("cpu")), 4, seconds=0.8) == threads
    finally:
        torch.set_num_threads(before)
