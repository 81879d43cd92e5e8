"""Existing code, word for word, on wrappers with and without an answer of their own."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from loraloop.testing.wrappers import Plain, Speaking
from training.lora_data_manager import LoRADataManager
from training.lora_deployment_manager import LoRADeploymentManager
from training.lora_evaluator import LoRAEvaluator

from .callers import GOOD, TRAINING_KEYS, Collector, Unchanged, make_records, reads_like_a_dict, wait_for

EXISTING_CODE = """
from training.lora_trainer_refactored import create_lora_trainer
trainer = create_lora_trainer(model, data_collector, config)
trainer.start_auto_training()
result = trainer.train_lora_adapter("test_adapter", training_data)
trainer.manual_trigger_training("custom_adapter")
trainer.rollback_adapter("previous_adapter")
stats = trainer.get_data_statistics()
best = trainer.compare_adapter_performance(["adapter1", "adapter2"])
"""


@pytest.mark.real
@pytest.mark.parametrize("speaks", [True, False], ids=["with_generate_response", "without"])
def test_existing_code_runs_word_for_word(
    speaks: bool,
    plain: Plain,
    speaking: Speaking,
    adapter_folders: Mapping[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every line runs: trained, manually trained, gone back to what was live before; the model stays as it was."""
    monkeypatch.chdir(tmp_path)
    for name, folder in zip(("previous_adapter", "adapter1", "adapter2"), adapter_folders.values(), strict=True):
        shutil.copytree(folder, tmp_path / "outputs" / "lora_adapters" / name)
    LoRADeploymentManager().deploy_adapter("previous_adapter", GOOD)
    LoRADeploymentManager().deploy_adapter("adapter1", GOOD)
    model, collector = speaking if speaks else plain, Collector(make_records(8))
    before = Unchanged(model)
    data = LoRADataManager(collector).convert_to_training_samples(make_records(8), model.tokenizer) if speaks else []
    names: dict[str, Any] = {"model": model, "data_collector": collector, "config": None, "training_data": data}
    exec(EXISTING_CODE, names)
    trainer = names["trainer"]
    try:
        wait_for(lambda: trainer.scheduler.total_training_runs == 1, 120)
        assert trainer.scheduler.successful_runs == 1
    finally:
        trainer.close()
    reads_like_a_dict(names["result"], TRAINING_KEYS | {"performance", "deployment"})
    assert names["result"]["train_samples"] + names["result"]["eval_samples"] == 8
    assert "error" not in names["result"]["performance"]
    assert (tmp_path / "outputs" / "lora_adapters" / "custom_adapter").exists()
    assert names["stats"]["count"] == 8
    assert names["best"] in ("adapter1", "adapter2")
    told = [(one["adapter_name"], one["deployment_method"]) for one in LoRADeploymentManager().get_deployment_history()]
    assert ("previous_adapter", "rollback") in told
    live, kept = (tmp_path / "outputs" / folder / "adapter_model.safetensors" for folder in
                  ("production_adapters/current", "lora_adapters/previous_adapter"))  # fmt: skip
    assert live.read_bytes() == kept.read_bytes()
    if not speaks:
        assert isinstance(LoRAEvaluator(plain).generate_test_response("안녕하세요"), str)
    before.check()
