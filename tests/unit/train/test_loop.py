"""The training loop on a tiny model: repeatable, resumable, stoppable, and honest about divergence."""

from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch

from loraloop.errors import TrainingCancelled, TrainingDiverged
from loraloop.lm.adapters import attach
from loraloop.lm.fused import fuse_lora
from loraloop.lm.loader import load_model
from loraloop.lm.packed import PackedModel
from loraloop.train.config import LoRATrainingConfig
from loraloop.train.loop import TrainingLoop
from loraloop.train.order import IGNORED
from loraloop.types import Sample

pytestmark = pytest.mark.slow
ROWS = [Sample((5, 6, 10 + n, 40 + n, 41 + n, 2), (IGNORED, IGNORED, IGNORED, 40 + n, 41 + n, 2)) for n in range(12)]
HELD = [Sample((5, 6, 30, 60, 61, 2), (IGNORED, IGNORED, IGNORED, 60, 61, 2))]
CONFIG = LoRATrainingConfig(
    lora_r=4, batch_size=4, epochs=3, min_steps=1, save_steps=2, eval_steps=3, learning_rate=5e-3
)


def make(
    base: Path,
    folder: Path,
    config: LoRATrainingConfig = CONFIG,
    *,
    held: list[Sample] = HELD,
    cancelled: Callable[[], bool] = lambda: False,
    said: list[tuple[str, dict[str, Any]]] | None = None,
) -> tuple[TrainingLoop, Any]:
    """A loop over the tiny base, and its model."""
    torch.set_num_threads(1)
    torch.manual_seed(config.seed)
    model = attach(load_model(base, "float32"), rank=4, alpha=8, dropout=config.lora_dropout, targets="all-linear")
    fuse_lora(model)

    def say(kind: str, **facts: Any) -> None:
        if said is not None:
            said.append((kind, facts))

    loop = TrainingLoop(
        PackedModel(model), (ROWS, held), config, folder=folder, run_digest="run", say=say, cancelled=cancelled
    )
    return loop, model


def weights(model: Any) -> dict[str, torch.Tensor]:
    """The adapter's weights."""
    return {name: w.detach().clone() for name, w in model.named_parameters() if w.requires_grad}


def test_training_lowers_the_loss_and_moves_only_the_adapter(tiny_base: Path, tmp_path: Path) -> None:
    """The loss falls well under where it began, and not one weight of the base changes."""
    loop, model = make(tiny_base, tmp_path, held=[])
    frozen = {name: w.clone() for name, w in model.named_parameters() if not w.requires_grad}
    measured = loop.run()
    assert measured["train_loss"] < 0.9 * measured["first_loss"]
    assert measured["steps"] == 9 == measured["planned_steps"]
    assert all(torch.equal(frozen[name], w) for name, w in model.named_parameters() if not w.requires_grad)


def test_the_same_seed_gives_the_same_weights_bit_for_bit(tiny_base: Path, tmp_path: Path) -> None:
    """Two runs with one seed agree exactly, dropout included; another seed does not."""
    config = CONFIG.model_copy(update={"lora_dropout": 0.1})
    found = []
    for number, seed in enumerate((0, 0, 1)):
        loop, model = make(tiny_base, tmp_path / str(number), config.model_copy(update={"seed": seed}))
        loop.run()
        found.append(weights(model))
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])
    assert not all(torch.equal(found[0][name], found[2][name]) for name in found[0])


@pytest.mark.fault(42)
def test_a_run_that_was_cut_continues_to_the_very_same_weights(tiny_base: Path, tmp_path: Path) -> None:
    """Cancelled after five steps and started again, training ends where the uninterrupted run ends, bit for bit."""
    whole, expected = make(tiny_base, tmp_path / "whole")
    whole.run()
    asked: list[int] = []
    cut, _ = make(tiny_base, tmp_path / "cut", cancelled=lambda: len(asked) >= 5 or asked.append(1) is not None)
    with pytest.raises(TrainingCancelled, match="step 5 of 9"):
        cut.run()
    again, model = make(tiny_base, tmp_path / "cut")
    measured = again.run()
    assert measured["resumed_from_step"] == 5
    assert all(torch.equal(tensor, weights(model)[name]) for name, tensor in weights(expected).items())


@pytest.mark.fault(41)
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(tiny_base: Path, tmp_path: Path) -> None:
    """A flipped byte in the newest checkpoint costs one interval, not the run and not its correctness."""
    asked: list[int] = []
    cut, _ = make(tiny_base, tmp_path, cancelled=lambda: len(asked) >= 5 or asked.append(1) is not None)
    with pytest.raises(TrainingCancelled):
        cut.run()
    newest = sorted(tmp_path.glob("checkpoint-*"))[-1] / "state.safetensors"
    raw = bytearray(newest.read_bytes())
    raw[-1] ^= 1
    newest.write_bytes(raw)
    again, _ = make(tiny_base, tmp_path)
    assert again.run()["resumed_from_step"] == 4


@pytest.mark.fault(43)
def test_a_checkpoint_of_another_run_is_not_used(tiny_base: Path, tmp_path: Path) -> None:
    """Other data, base or settings means another run digest, and training begins anew."""
    make(tiny_base, tmp_path)[0].run()
    assert sorted(tmp_path.glob("checkpoint-*"))
    other, _ = make(tiny_base, tmp_path)
    other._run_digest = "another"
    assert other.run()["resumed_from_step"] == 0


def test_the_best_weights_on_held_out_rows_are_kept(tiny_base: Path, tmp_path: Path) -> None:
    """Where training makes held-out rows worse, the weights of the best look come back and training stops early."""
    config = CONFIG.model_copy(update={"epochs": 20, "eval_steps": 1, "patience": 2, "learning_rate": 3e-2})
    loop, _ = make(tiny_base, tmp_path, config)
    measured = loop.run()
    looks = dict(measured["looks"])
    assert measured["stopped_early"]
    assert measured["eval_loss"] == min(looks.values()) == looks[measured["best_step"]]
    assert measured["best_step"] < measured["steps"] < measured["planned_steps"]
    assert loop._packed.row_nll(HELD)[0] / 3 == pytest.approx(measured["eval_loss"], rel=1e-4)


@pytest.mark.fault(45)
def test_a_loss_that_is_no_number_stops_training(tiny_base: Path, tmp_path: Path) -> None:
    """A NaN is an error that names the step, not an adapter."""
    loop, model = make(tiny_base, tmp_path)
    with torch.no_grad():
        next(w for w in model.parameters() if w.requires_grad).fill_(float("nan"))
    with pytest.raises(TrainingDiverged, match="step 1"):
        loop.run()


def test_progress_tells_loss_and_speed_of_every_step(tiny_base: Path, tmp_path: Path) -> None:
    """Each step is heard once, in order, with a loss and a speed."""
    said: list[tuple[str, dict[str, Any]]] = []
    make(tiny_base, tmp_path, said=said)[0].run()
    steps = [facts for kind, facts in said if kind == "progress"]
    assert [facts["done"] for facts in steps] == list(range(1, 10))
    assert all(facts["loss"] > 0 and facts["tokens_per_s"] > 0 for facts in steps)


def test_speed_is_measured_in_the_trainings_own_time(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seconds are those of a clock that stands still while the process does, as it may for users."""
    own = count()
    monkeypatch.setattr("loraloop.train.loop.own_s", lambda: float(next(own)))
    loop, _ = make(tiny_base, tmp_path, held=[])
    measured = loop.run()
    assert measured["training_seconds"] == measured["steps"] == 9
