"""``LoRATrainerCore`` under its older path, with the older defaults and their assignable config."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

from loraloop.train import config as train_config
from loraloop.train import core

from . import names
from .translation import frozen_as

__all__ = ["LoRATrainerCore", "LoRATrainingConfig"]


@dataclass
class LoRATrainingConfig:
    """How an adapter is trained; each setting is explained in ``loraloop.train.config``.

    ``target_modules=None`` means the attention projections of the model at hand. Warm-up never takes more than a tenth
    of the steps.
    """

    lora_r: int = 16
    lora_alpha: int = 32
    lora_dropout: float = 0.1
    target_modules: Sequence[str] | str | None = None
    learning_rate: float = 1e-4
    batch_size: int = 4
    gradient_accumulation_steps: int = 4
    epochs: int = 3
    warmup_steps: int = 100
    output_dir: str = "./outputs/lora_adapters"
    save_steps: int = 100
    eval_steps: int = 50

    def frozen(self) -> train_config.LoRATrainingConfig:
        """The trainer's frozen config, as of now; what a larger config has besides stays outside.

        Raises:
            SettingsError: a value cannot be used.
        """
        values = {field.name: getattr(self, field.name) for field in fields(LoRATrainingConfig)}
        return frozen_as(
            train_config.LoRATrainingConfig, {**values, "output_dir": str(self.output_dir), "min_steps": 1}
        )


class LoRATrainerCore(core.LoRATrainerCore):
    """The trainer; where no config is given, the older defaults hold. Adapters are called as the caller does."""

    default_config: Callable[[], Any] = LoRATrainingConfig
    folder_name: Callable[[str], str] = staticmethod(names.folder_name)
