"""``LoRADataManager`` under its older path, and its assignable config."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from loraloop.data import quality
from loraloop.data.manager import LoRADataManager

from .translation import frozen_as

__all__ = ["DataQualityConfig", "LoRADataManager"]


@dataclass
class DataQualityConfig:
    """Which records are good enough to learn from; each setting is explained in ``loraloop.data.quality``."""

    min_input_length: int = 3
    min_response_length: int = 5
    quality_threshold: float = 0.7
    max_samples_per_batch: int = 200
    exclude_error_patterns: Sequence[str] | None = None

    def frozen(self) -> quality.DataQualityConfig:
        """The data manager's frozen config, as of now.

        Raises:
            SettingsError: a value cannot be used.
        """
        return frozen_as(quality.DataQualityConfig, vars(self))
