"""``training.lora_trainer_core`` as its callers know it."""

import copy
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from loraloop.testing.wrappers import Plain
from training.lora_data_manager import LoRADataManager
from training.lora_trainer_core import LoRATrainerCore, LoRATrainingConfig

from .callers import TRAINING_KEYS, Collector, Unchanged, holds_as_config, reads_like_a_dict, takes, wait_for


@pytest.fixture(scope="module")
def training(plain: Plain, samples: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One training of the default kind, watched while it ran."""
    folder = tmp_path_factory.mktemp("core")
    core = LoRATrainerCore(plain, LoRATrainingConfig(output_dir=str(folder / "adapters")))
    before, rows, told = Unchanged(plain), copy.deepcopy(samples), {}
    idle = core.get_training_status()
    thread = threading.Thread(target=lambda: told.update(result=core.train_lora_adapter("test_adapter", samples)))
    thread.start()
    wait_for(lambda: core.get_training_status()["is_training"])
    busy = core.get_training_status()
    thread.join()
    before.check()
    assert samples == rows
    return {"result": told["result"], "idle": idle, "busy": busy, "after": core.get_training_status()}


def test_the_config_is_the_promised_one() -> None:
    """Every field has its promised default, is taken by place and by keyword, and stays assignable."""
    holds_as_config(
        LoRATrainingConfig,
        {
            "lora_r": 16,
            "lora_alpha": 32,
            "lora_dropout": 0.1,
            "target_modules": None,
            "learning_rate": 1e-4,
            "batch_size": 4,
            "gradient_accumulation_steps": 4,
            "epochs": 3,
            "warmup_steps": 100,
            "output_dir": "./outputs/lora_adapters",
            "save_steps": 100,
            "eval_steps": 50,
        },
    )


def test_every_call_takes_what_it_always_took(plain: Plain) -> None:
    """Names, order and defaults of all parameters are the promised ones."""
    takes(LoRATrainerCore.train_lora_adapter, adapter_name=..., training_data=..., validation_split=0.1)
    takes(LoRATrainerCore.prepare_datasets, training_data=..., validation_split=0.1)
    takes(LoRATrainerCore.get_training_arguments, adapter_name=...)
    takes(LoRATrainerCore.__init__, model=..., config=None)
    assert LoRATrainerCore(plain).get_training_status()["config"]["learning_rate"] == 1e-4


@pytest.mark.slow
def test_datasets_hold_every_row_once(plain: Plain, samples: list[dict[str, Any]]) -> None:
    """Train and validation rows are ``datasets.Dataset``, in the share asked for, and no row is on both sides."""
    from datasets import Dataset

    train, validation = LoRATrainerCore(plain).prepare_datasets(samples, validation_split=0.25)
    assert isinstance(train, Dataset)
    assert isinstance(validation, Dataset)
    assert (len(train), len(validation)) == (6, 2)
    assert {"input_ids", "attention_mask", "labels"} <= set(train.column_names)
    rows = [tuple(row["input_ids"]) for part in (train, validation) for row in part]
    assert sorted(rows) == sorted(tuple(sample["input_ids"]) for sample in samples)
    train, validation = LoRATrainerCore(plain).prepare_datasets(samples)
    assert len(train) + len(validation) == len(samples)


def test_too_few_valid_samples_are_a_value_error(plain: Plain, samples: list[dict[str, Any]]) -> None:
    """Under two samples that teach something nothing is split and nothing is trained."""
    core = LoRATrainerCore(plain)
    void = {"input_ids": [5, 6, 7], "attention_mask": [1, 1, 1], "labels": [-100, -100, -100]}
    for rows in ([], samples[:1], [samples[0], void]):
        with pytest.raises(ValueError, match="at least 2"):
            core.prepare_datasets(rows)
        with pytest.raises(ValueError, match="at least 2"):
            core.train_lora_adapter("too_few", rows)
    assert core.get_training_status()["is_training"] is False


def test_training_arguments_say_what_the_config_says(plain: Plain, tmp_path: Path) -> None:
    """The arguments are transformers' own and follow the config as it is now."""
    from transformers import TrainingArguments

    config = LoRATrainingConfig(output_dir=str(tmp_path), epochs=2)
    core = LoRATrainerCore(plain, config)
    config.learning_rate = 5e-4
    arguments = core.get_training_arguments("test_adapter")
    assert isinstance(arguments, TrainingArguments)
    assert Path(str(arguments.output_dir)) == tmp_path / "test_adapter"
    assert arguments.num_train_epochs == 2
    assert arguments.learning_rate == 5e-4
    assert arguments.per_device_train_batch_size == 4
    assert arguments.gradient_accumulation_steps == 4
    assert (arguments.warmup_steps, arguments.save_steps, arguments.eval_steps) == (100, 100, 50)


@pytest.mark.real
def test_a_training_tells_what_it_gave(training: Mapping[str, Any]) -> None:
    """The result reads like a dict, counts every row, and leads to a real adapter on the attention projections."""
    result = training["result"]
    reads_like_a_dict(result, TRAINING_KEYS)
    assert result["adapter_name"] == "test_adapter"
    assert result["train_samples"] + result["eval_samples"] == 8
    assert result["eval_samples"] >= 1
    assert result["training_time"] > 0
    assert 0 < result["train_loss"] < 20
    assert 0 < result.get("eval_loss") < 20
    folder = Path(result["adapter_path"])
    assert folder.name == "test_adapter"
    assert (folder / "adapter_model.safetensors").is_file()
    text = (folder / "adapter_config.json").read_text()
    assert all(name in text for name in ("q_proj", "k_proj", "v_proj", "o_proj"))
    assert "up_proj" not in text


@pytest.mark.real
def test_the_status_follows_a_training(training: Mapping[str, Any]) -> None:
    """While an adapter is trained its name is told, before and after nothing is."""
    for status in (training["idle"], training["busy"], training["after"]):
        reads_like_a_dict(status, {"is_training", "current_adapter", "model_loaded", "config"})
        assert status["model_loaded"] is True
        assert status["config"]["lora_r"] == 16
    assert (training["busy"]["is_training"], training["busy"]["current_adapter"]) == (True, "test_adapter")
    for status in (training["idle"], training["after"]):
        assert (status["is_training"], status["current_adapter"]) == (False, None)


@pytest.mark.real
def test_the_adapter_loads_into_the_callers_own_kind_of_model(training: Mapping[str, Any], tiny_base: Path) -> None:
    """What was trained is an ordinary PEFT adapter."""
    from peft import PeftModel

    model = PeftModel.from_pretrained(Plain(tiny_base).model, training["result"]["adapter_path"])
    trained = [weight for name, weight in model.named_parameters() if "lora_B" in name]
    assert trained
    assert all(weight.abs().sum() > 0 for weight in trained)


@pytest.fixture(scope="module")
def samples(plain: Plain) -> list[dict[str, Any]]:
    """Eight samples of different lengths, as ``convert_to_training_samples`` gives them."""
    from .callers import make_records

    rows = make_records(8)
    for n, row in enumerate(rows):
        row["bot_response"] += " 맛있어요." * n
    found = LoRADataManager(Collector(rows)).convert_to_training_samples(rows, plain.tokenizer)
    assert len({len(sample["input_ids"]) for sample in found}) > 4
    return found
