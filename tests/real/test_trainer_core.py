"""LoRATrainerCore on a tiny real model, through its child process."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from loraloop.errors import BadName, NotEnoughData, TrainingDiverged
from loraloop.lm.adapter_files import adapter_digest
from loraloop.lm.loader import load_model, load_tokenizer
from loraloop.store.artifacts import LocalArtifacts
from loraloop.train.config import LoRATrainingConfig
from loraloop.train.core import LoRATrainerCore
from loraloop.types import Sample

pytestmark = pytest.mark.real

ROWS = [
    Sample((5, 6, 10 + n, 40 + n, 41 + n, 1), (-100, -100, -100, 40 + n, 41 + n, 1), text_bytes=6) for n in range(10)
]


def trainer(base: Any, folder: Path, **update: Any) -> LoRATrainerCore:
    """A trainer that keeps everything under ``folder``."""
    config = LoRATrainingConfig(
        output_dir=str(folder / "adapters"), lora_r=4, epochs=1, min_steps=1, batch_size=4, **update
    )
    return LoRATrainerCore(base, config, artifacts=LocalArtifacts(folder))


@pytest.fixture(scope="module")
def trained(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any, list[tuple[Any, ...]]]:
    """A finished training: its folder, its result, and the progress it told."""
    folder = tmp_path_factory.mktemp("trained")
    heard: list[tuple[Any, ...]] = []
    result = trainer(str(tiny_base), folder).train_lora_adapter(
        "first", ROWS, 0.2, progress=lambda stage, done, total, **facts: heard.append((stage, done, total, facts))
    )
    return folder, result, heard


def test_training_publishes_a_standard_adapter_under_its_digest(trained: tuple[Path, Any, Any]) -> None:
    """The name leads to an object that any PEFT loader reads, without pickles and without a path of this machine."""
    folder, result, _ = trained
    published = folder / "adapters" / "first"
    assert sorted(path.name for path in published.iterdir()) == [
        "README.md", "adapter_config.json", "adapter_model.safetensors", "manifest.json",
    ]  # fmt: skip
    assert adapter_digest(published) == result.adapter.digest
    assert published.resolve().name == result.adapter.digest
    text = "".join(path.read_text() for path in published.iterdir() if path.suffix != ".safetensors")
    assert str(folder) not in text
    assert os.sep + "tmp" not in text


def test_the_manifest_says_where_the_adapter_comes_from(trained: tuple[Path, Any, Any]) -> None:
    """Base, tokenizer, settings, seed, library versions and measurements stand beside the weights."""
    folder, result, _ = trained
    facts = json.loads((folder / "adapters" / "first" / "manifest.json").read_text())["facts"]
    assert facts["base_id"] == result.adapter.base_id
    assert facts["config"]["seed"] == 0
    assert {"torch", "transformers", "peft", "loraloop"} <= facts["versions"].keys()
    assert len(facts["tokenizer_digest"]) == 64
    assert facts["metrics"]["tokens"] == 6 * result.train_samples


def test_the_result_tells_what_the_older_interface_promised(trained: tuple[Path, Any, Any]) -> None:
    """The result reads as a mapping with the eight old keys and is JSON."""
    _, result, heard = trained
    keys = {"adapter_name", "training_time", "train_loss", "train_samples", "eval_samples", "adapter_path"}
    assert keys | {"trained_at", "eval_loss"} <= set(result)
    assert result["train_samples"] + result["eval_samples"] == 10
    assert json.loads(json.dumps(dict(result), default=str))["adapter_name"] == "first"
    assert heard[-1][:3] == ("train", 2, 2)


def test_nothing_is_left_in_staging_or_at_work(trained: tuple[Path, Any, Any]) -> None:
    """After a training only what was published remains."""
    folder, _, _ = trained
    assert list((folder / "staging").iterdir()) == []
    assert list((folder / "adapters" / ".work").iterdir()) == []


def test_training_again_gives_the_same_object(trained: tuple[Path, Any, Any], tiny_base: Path) -> None:
    """The same rows, base and seed give the same digest, in another process and under another name."""
    folder, result, _ = trained
    again = trainer(str(tiny_base), folder).train_lora_adapter("again", ROWS, 0.2)
    assert again.adapter.digest == result.adapter.digest
    assert LocalArtifacts(folder).digests() == [result.adapter.digest]


def test_a_live_object_is_trained_on_a_copy(tiny_base: Path, tmp_path: Path) -> None:
    """The model handed in comes back bit for bit as it was, in the same mode, without adapter layers."""

    class Wrapper:
        model = load_model(tiny_base, "float32").train()
        tokenizer = load_tokenizer(tiny_base)

    before = {name: tensor.clone() for name, tensor in Wrapper.model.state_dict().items()}
    result = trainer(Wrapper(), tmp_path).train_lora_adapter("first", ROWS, 0.2)
    assert result.adapter.base_id.startswith("base-")
    after = Wrapper.model.state_dict()
    assert before.keys() == after.keys()
    assert all(before[name].equal(after[name]) for name in before)
    assert Wrapper.model.training
    assert not any("lora" in name for name, _ in Wrapper.model.named_modules())


def test_a_diverging_training_publishes_nothing(tiny_base: Path, tmp_path: Path) -> None:
    """A loss that is not a number is an error with a remedy, and no adapter of that name exists afterwards."""
    broken = tmp_path / "broken"
    shutil.copytree(tiny_base, broken)
    weights = load_file(str(broken / "model.safetensors"))
    weights["model.norm.weight"][:] = float("nan")
    save_file(weights, str(broken / "model.safetensors"), metadata={"format": "pt"})
    with pytest.raises(TrainingDiverged, match="step 1") as caught:
        trainer(str(broken), tmp_path).train_lora_adapter("bad", ROWS, 0)
    assert "learning_rate" in caught.value.hint
    assert not (tmp_path / "adapters" / "bad").exists()
    assert LocalArtifacts(tmp_path).digests() == []


@pytest.mark.parametrize("name", ["../x", "", "A", "a/b", "..", "a" * 65, "x\x00"])
def test_a_name_that_could_lead_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    """Adapter names are checked before anything is done."""
    with pytest.raises(BadName):
        trainer("anything", tmp_path).train_lora_adapter(name, ROWS)


def test_too_few_rows_are_refused_by_number(tmp_path: Path) -> None:
    """One valid row is not enough to train and validate; the message says how many there are."""
    with pytest.raises(NotEnoughData, match=r"1 valid samples of 2"):
        trainer("anything", tmp_path).train_lora_adapter("a", [ROWS[0], Sample((1, 2), (-100, -100))])
