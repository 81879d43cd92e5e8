"""The oldest path: ``NaviyamLoRATrainer``, the refactored trainer under the names its callers reach for.

Use ``training.lora_trainer_refactored``. Times are local and without a zone here, as those callers compare them with
``datetime.now()``.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from loraloop.errors import DeployError, UnknownThing

from . import lora_trainer_core
from .history import TrainingHistory, best_of, old_keys
from .lora_trainer_refactored import NaviyamLoRATrainerRefactored, start_auto_lora_training
from .names import folder_in
from .trainer_config import config_from, schedule_part, setting

__all__ = ["LoRATrainingConfig", "NaviyamLoRATrainer", "create_lora_trainer", "start_auto_lora_training"]

warnings.warn(
    "training.lora_trainer is the oldest path; use training.lora_trainer_refactored", DeprecationWarning, stacklevel=2
)

log = logging.getLogger(__name__)


@dataclass
class LoRATrainingConfig(lora_trainer_core.LoRATrainingConfig):
    """Training, collecting and scheduling in one; assignable, read at each use."""

    min_samples_for_training: int = 50
    max_samples_per_batch: int = 200
    quality_threshold: float = 0.7
    training_interval_hours: float = 6
    auto_training_enabled: bool = True
    max_daily_trainings: int = 4


class NaviyamLoRATrainer(NaviyamLoRATrainerRefactored):
    """The refactored trainer with the oldest one's names, keys and attributes; see there for the arguments.

    Attributes:
        training_history: what each training gave, oldest first. active_adapters: name -> folder.
        adapter_performance: name -> what was last measured. current_adapter_version: trainings so far.
        last_training_time: when the last one began, or ``None``. All of them survive a restart.
    """

    def __init__(self, model: Any, config: Any, data_collector: Any) -> None:
        super().__init__(model, LoRATrainingConfig() if config is None else config_from(config), data_collector)
        self.auto_training_enabled = bool(setting(self.config, "enable_auto_scheduling"))
        self._history = TrainingHistory(self._store.state, "training.history")
        kept = self._history.load()
        self.training_history: list[dict[str, Any]] = kept["training_history"]
        self.active_adapters: dict[str, str] = kept["active_adapters"]
        self.adapter_performance: dict[str, dict[str, Any]] = kept["adapter_performance"]
        self.current_adapter_version: int = kept["current_adapter_version"]
        self.last_training_time: datetime | None = kept["last_training_time"]
        self.scheduler.config = schedule_part(self.config, paused=self._daily_limit_reached)

    def start_auto_training(self) -> None:
        """Let training start by itself, unless ``auto_training_enabled`` is off."""
        if not setting(self.config, "enable_auto_scheduling"):
            log.warning("auto training is off: auto_training_enabled = False")
            return
        super().start_auto_training()

    def train_lora_adapter(  # type: ignore[override]
        self, adapter_name: str, training_data: Sequence[Mapping[str, Any]] | None, save_best: bool = True
    ) -> dict[str, Any]:
        """Train an adapter; evaluating and deploying it are calls of their own here.

        Args:
            training_data: samples or records; nothing collects them from the data collector.
            save_best: keep the weights that are best on rows held out; else train on all rows and keep the last.

        Returns:
            What ``LoRATrainerCore.train_lora_adapter`` returns, and ``status, training_loss,
            training_duration_minutes, training_samples, timestamp``.

        Raises:
            BadName, NotEnoughData, TrainingError, ModelError: no adapter was made.
        """
        with self._cycle:
            self.is_training = True
            started = datetime.now()
            try:
                trained = self._train(adapter_name, training_data, 0.1 if save_best else 0.0)
            finally:
                self.is_training = False
            told = old_keys(trained, started)
            self.training_history.append(told)
            self.active_adapters[adapter_name] = trained.adapter_path
            self.adapter_performance.pop(adapter_name, None)  # measured on the adapter that had the name before
            self.current_adapter_version += 1
            self.last_training_time = started
            self._keep()
        return {**dict(trained), **told}

    def get_training_status(self) -> dict[str, Any]:
        """Return the refactored status, and what the oldest one told."""
        last = self.last_training_time
        following = last + timedelta(hours=setting(self.config, "training_interval_hours")) if last else None
        return {
            **super().get_training_status(),
            "last_training_time": last.isoformat() if last else None,
            "current_adapter_version": self.current_adapter_version,
            "active_adapters": list(self.active_adapters),
            "training_history_count": len(self.training_history),
            "next_training_check": following.isoformat() if following else "soon",
        }

    def get_adapter_performance_report(self) -> dict[str, Any]:
        """Return the refactored report, and ``total_adapters, best_adapter, average_score, performance_history``."""
        return {**super().get_adapter_performance_report(), **best_of(self.adapter_performance)}

    def cleanup_old_adapters(self, keep_count: int | None = None) -> dict[str, Any]:
        """Remove old adapters as the refactored trainer does, and forget those that are gone."""
        with self._cycle:
            result = super().cleanup_old_adapters(keep_count)
            self.active_adapters = {n: path for n, path in self.active_adapters.items() if Path(path).exists()}
            held = {n: p for n, p in self.adapter_performance.items() if n in self.active_adapters}
            self.adapter_performance = held
            self._keep()
        return result

    # -- what old callers reach for ------------------------------------------------------------------------------------

    def _collect_training_data(self) -> list[Mapping[str, Any]]:
        """Samples of the good records of the last days."""
        return self._samples(None)

    def _is_high_quality_data(self, d: Mapping[str, Any]) -> bool:
        return self.data_manager.is_high_quality_data(d)

    def _convert_to_training_sample(self, d: Mapping[str, Any]) -> dict[str, Any] | None:
        """One record as a sample; ``None`` where it has no text or too long an answer."""
        samples = self.data_manager.convert_to_training_samples([d], self.model.tokenizer)
        return samples[0] if samples else None

    def _should_trigger_training(self) -> bool:
        """Whether training would start by itself now."""
        if self.is_training:
            return False
        last, hours = self.last_training_time, setting(self.config, "training_interval_hours")
        if last is not None and datetime.now().astimezone() - last.astimezone() < timedelta(hours=hours):
            return False
        return self.scheduler.should_trigger_training()

    def _evaluate_adapter_performance(self, name: str) -> dict[str, Any]:
        """The evaluator's performance with ``individual_scores, test_count, evaluation_timestamp``."""
        with self._cycle:
            measured = self._evaluate(name)
            performance = {
                "individual_scores": [],
                **measured,
                "test_count": measured["total_test_cases"],
                "evaluation_timestamp": datetime.now().isoformat(),
            }
            if not performance.get("error"):
                self.adapter_performance[name] = performance
                self._keep()
        return performance

    def _should_deploy_new_adapter(self, name: str, performance: Mapping[str, Any]) -> bool:
        """Whether a performance meets the thresholds and is better than every other adapter's here.

        A performance of a score alone is judged by the score.
        """
        judged = {"test_cases_passed": 1, "total_test_cases": 1, **performance}
        if not self.evaluator.should_deploy_adapter(name, judged, self._threshold()):
            return False
        others = {
            other: one for other, one in self.adapter_performance.items() if other != name and one.get("valid", True)
        }
        return self.evaluator.compare_adapters({**others, name: judged}) == name

    def _deploy_adapter(self, name: str) -> dict[str, Any]:
        """Deploy an adapter the caller decided on; recorded as forced where it was not measured or falls short.

        Raises:
            UnknownThing: (a ValueError) there is no such adapter. DeployError: it could not go live.
        """
        performance = self.adapter_performance.get(name, {})
        with self._cycle:
            if not folder_in(self._adapters, name).is_dir():
                raise UnknownThing(f"there is no adapter {name!r} in {self._adapters}", hint="train it first")
            result = self._deploy(name, performance)
            if "reason" in result:
                result = self.deployment_manager.deploy_adapter(name, performance, force_deploy=True)
        if not result["success"]:
            raise DeployError(result["error"], hint=result["hint"])
        return result

    # -- what the scheduler calls --------------------------------------------------------------------------------------

    def _scheduled_training(self, name: str, data: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        return self.train_lora_adapter(name, data)

    def _scheduled_evaluation(self, name: str) -> dict[str, Any]:
        return self._evaluate_adapter_performance(name)

    def _daily_limit_reached(self) -> bool:
        """Whether ``max_daily_trainings`` were done today; more are done only when somebody asks for them."""
        most = getattr(self.config, "max_daily_trainings", None)
        today = sum(one["timestamp"].date() == datetime.now().date() for one in self.training_history)
        return most is not None and today >= most

    def _keep(self) -> None:
        self._history.keep(
            {
                "training_history": self.training_history,
                "active_adapters": self.active_adapters,
                "adapter_performance": self.adapter_performance,
                "current_adapter_version": self.current_adapter_version,
                "last_training_time": self.last_training_time,
            }
        )


def create_lora_trainer(model: Any, data_collector: Any, config: Any = None) -> NaviyamLoRATrainer:
    """Return a trainer of the oldest kind."""
    return NaviyamLoRATrainer(model, config, data_collector)
