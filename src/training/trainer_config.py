"""The config of the trainer as a whole, and every form in which callers hand it in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from loraloop.errors import SettingsError
from loraloop.schedule import config as schedule_config

from .lora_data_manager import DataQualityConfig
from .lora_scheduler import SchedulerConfig
from .lora_trainer_core import LoRATrainingConfig
from .translation import Shared, refuse_unknown

_OLDEST_NAMES = {"enable_auto_scheduling": "auto_training_enabled"}


@dataclass
class RefactoredLoRAConfig(LoRATrainingConfig):
    """Training, and what the other four components need; assignable, read at each use."""

    min_samples_for_training: int = 50
    max_samples_per_batch: int = 200
    quality_threshold: float = 0.7
    training_interval_hours: float = 6
    enable_auto_scheduling: bool = True
    deployment_threshold: float = 0.7
    keep_adapter_count: int = 5


SETTINGS = {field.name: field.default for field in fields(RefactoredLoRAConfig)}
"""Every setting of the trainer and its default."""


def config_from(given: Any) -> LoRATrainingConfig:
    """Return the trainer's config from whatever a caller hands in.

    Args:
        given: ``None``, a mapping of settings, a config object of any generation (kept, so that what is assigned to it
            later counts), or any other object with attributes of these names (copied).

    Raises:
        SettingsError: a key is no setting (the nearest one is named), or the object has none of them.
    """
    if isinstance(given, LoRATrainingConfig):
        return given
    if given is None or isinstance(given, Mapping):
        refuse_unknown(given or {}, SETTINGS)
        return RefactoredLoRAConfig(**(given or {}))
    names = {name: outer for name in SETTINGS if (outer := name_in(given, name)) is not None}
    if not names:
        raise SettingsError(f"a {type(given).__name__} is no config", hint="hand in None, a dict or a config object")
    return RefactoredLoRAConfig(**{name: getattr(given, outer) for name, outer in names.items()})


def name_in(config: Any, name: str) -> str | None:
    """Return the attribute in which a config object keeps a setting, or ``None`` where it does not."""
    return next((n for n in (name, _OLDEST_NAMES.get(name, name)) if hasattr(config, n)), None)


def setting(config: Any, name: str) -> Any:
    """Return a setting of the trainer as of now; its default where the config object does not have it."""
    outer = name_in(config, name)
    return SETTINGS[name] if outer is None else getattr(config, outer)


def quality_part(config: Any) -> Shared[Any]:
    """Return what the data manager reads of the trainer's config."""
    return Shared(DataQualityConfig(), config, _shared(config, fields(DataQualityConfig)))


def schedule_part(config: Any, paused: Callable[[], bool] = lambda: False) -> Shared[schedule_config.SchedulerConfig]:
    """Return what the scheduler reads of the trainer's config.

    Args:
        paused: asked at each look; while it says so nothing starts by itself, and what is asked for by hand does.
    """
    return Pausable(SchedulerConfig(), config, _shared(config, fields(SchedulerConfig)), paused)


class Pausable(Shared[schedule_config.SchedulerConfig]):
    """The scheduler's part of a larger config, with automatic runs off for a while; see ``schedule_part``."""

    __slots__ = ("_paused",)

    def __init__(self, own: SchedulerConfig, owner: Any, names: Mapping[str, str], paused: Callable[[], bool]) -> None:
        super().__init__(own, owner, names)
        object.__setattr__(self, "_paused", paused)

    def frozen(self) -> schedule_config.SchedulerConfig:
        """The scheduler's frozen config, as the larger one and the pause say now."""
        found = super().frozen()
        return found.model_copy(update={"enable_auto_scheduling": False}) if self._paused() else found


def _shared(config: Any, parts: Any) -> dict[str, str]:
    names = [part.name for part in parts if part.name in SETTINGS]
    return {name: outer for name in names if (outer := name_in(config, name)) is not None}
