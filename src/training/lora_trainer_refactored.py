"""The five components behind the older system's one object, and the functions that make it.

Everything durable stands beside ``output_dir``: ``loraloop.db`` (history, live pointer, scheduler), production and
backup folders. Whether an adapter goes live is decided by the older, absolute thresholds and, where one is live, by
the gate: both answer the same test cases, and what is shown to be worse is kept out. Proof of benefit, which the gate
of ``loraloop turn`` asks for, needs held-out rows, and this interface never had any.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from loraloop.deploy.adoption import adopt
from loraloop.errors import LoraloopError, ModelError, SettingsError, UsageError
from loraloop.evaluate.config import EvaluationConfig
from loraloop.store.artifacts import LocalArtifacts
from loraloop.store.sql import open_store
from loraloop.train.core import TrainingResult

from .deciding import decide, live_folder, told
from .lora_data_manager import LoRADataManager
from .lora_deployment_manager import LoRADeploymentManager
from .lora_evaluator import LoRAEvaluator
from .lora_scheduler import LoRAScheduler
from .lora_trainer_core import LoRATrainerCore
from .names import folder_in
from .seen_rows import SeenRows
from .trainer_config import RefactoredLoRAConfig, config_from, quality_part, schedule_part, setting

__all__ = ["NaviyamLoRATrainerRefactored", "RefactoredLoRAConfig", "create_lora_trainer", "start_auto_lora_training"]

log = logging.getLogger(__name__)

_BOT = "default"
_ACTOR = "training"
_ALL = 1_000_000


class NaviyamLoRATrainerRefactored:
    """Collects, trains, evaluates, schedules and deploys through the five components, one cycle at a time.

    Args:
        model: an object with ``.model`` and ``.tokenizer``, and ``.generate_response`` where it answers by itself; only
            read.
        config: see ``trainer_config.config_from``; what is assigned to it later counts from then on, but for
            ``output_dir``.
        data_collector: an object with ``get_recent_data(days)``.

    Attributes:
        data_manager, trainer_core, evaluator, scheduler, deployment_manager: the components.
        is_training: whether a cycle is under way. auto_training_enabled: whether training starts by itself.

    Raises:
        SettingsError: the config cannot be used. StoreError: the database beside ``output_dir`` cannot be opened.
    """

    def __init__(self, model: Any, config: Any, data_collector: Any) -> None:
        self.model, self.data_collector = model, data_collector
        self.config = config_from(config)
        self.is_training = False
        self.auto_training_enabled = False
        self._cycle = threading.RLock()
        self._compose(Path(self.config.output_dir))
        self._threshold()
        try:
            self.deployment_manager.recover()
        except LoraloopError as error:
            log.warning("what is live could not be checked: %s; %s", error, error.hint)

    def _compose(self, adapters: Path) -> None:
        home, quality, schedule = adapters.parent, quality_part(self.config), schedule_part(self.config)
        for part in (self.config, quality, schedule):
            part.frozen()  # a wrong value is told now, not hours later
        self._adapters, self._artifacts = adapters, LocalArtifacts(adapters)
        self._store = open_store(home / "loraloop.db")
        self.data_manager = LoRADataManager(self.data_collector, quality)
        self.trainer_core = LoRATrainerCore(self.model, self.config, artifacts=self._artifacts)
        self.evaluator = LoRAEvaluator(self.model, EvaluationConfig(adapter_dir=str(adapters)))
        self.evaluator.live = lambda: live_folder(self.deployment_manager)
        self.deployment_manager = LoRADeploymentManager(
            adapters,
            home / "production_adapters",
            home / "adapter_backups",
            store=self._store,
            artifacts=self._artifacts,
        )
        count = SeenRows(
            self.data_collector, self.data_manager.is_high_quality_data, self._store.state, "training.seen_rows"
        )
        self.scheduler = LoRAScheduler(schedule, state=self._store.state, key="training.scheduler", new_rows=count)
        self.scheduler.set_callbacks(
            self._scheduled_data, self._scheduled_training, self._scheduled_evaluation, self._scheduled_deployment
        )

    # -- the older interface ------------------------------------------------------------------------------------------

    def start_auto_training(self) -> None:
        """Let training start by itself, and by ``manual_trigger_training``."""
        self.scheduler.start_auto_training()
        self.auto_training_enabled = self.scheduler.is_running

    def stop_auto_training(self) -> None:
        """Let nothing start by itself any more."""
        self.scheduler.stop_auto_training()
        self.auto_training_enabled = False

    def train_lora_adapter(
        self, adapter_name: str, training_data: Sequence[Mapping[str, Any]] | None, validation_split: float = 0.1
    ) -> dict[str, Any]:
        """Train, evaluate and, where the thresholds are met, deploy; waits for a cycle that is under way.

        Args:
            adapter_name: may be used again.
            training_data: samples or records; nothing collects them from the data collector.
            validation_split: share held out, 0..1.

        Returns:
            What ``LoRATrainerCore.train_lora_adapter`` returns, ``performance`` and ``deployment``.

        Raises:
            BadName, NotEnoughData, TrainingError, ModelError: no adapter was made. A failed evaluation or deployment
            is told in the result.
        """
        with self._cycle:
            self.is_training = True
            try:
                trained = self._train(adapter_name, training_data, validation_split)
                performance = self._evaluate(adapter_name)
                deployment = self._deploy(adapter_name, performance)
            finally:
                self.is_training = False
        return {**dict(trained), "performance": performance, "deployment": deployment}

    def get_training_status(self) -> dict[str, Any]:
        """Return ``is_training, auto_training_enabled, current_adapter, scheduler, production, components``."""
        core, scheduler = self.trainer_core.get_training_status(), self.scheduler.get_scheduler_status()
        return {
            "is_training": self.is_training or core["is_training"],
            "auto_training_enabled": self.auto_training_enabled,
            "current_adapter": core["current_adapter"],
            "scheduler": scheduler,
            "production": self.deployment_manager.get_current_production_info(),
            "components": {
                "data_manager": {"settings": quality_part(self.config).frozen().model_dump()},
                "trainer_core": core,
                "evaluator": {"test_cases": len(self.evaluator.test_cases)},
                "scheduler": {"is_running": scheduler["is_running"]},
                "deployment_manager": {"adapter_dir": str(self._adapters)},
            },
        }

    def get_adapter_performance_report(self) -> dict[str, Any]:
        """Return ``current_production, recent_deployments, total_deployments, scheduler_stats``."""
        return {
            "current_production": self.deployment_manager.get_current_production_info(),
            "recent_deployments": self.deployment_manager.get_deployment_history(limit=5),
            "total_deployments": len(self.deployment_manager.get_deployment_history(limit=_ALL)),
            "scheduler_stats": self.scheduler.get_scheduler_status()["statistics"],
        }

    def cleanup_old_adapters(self, keep_count: int | None = None) -> dict[str, Any]:
        """Remove old adapters but the newest ``keep_count`` (``None``: ``keep_adapter_count``) and the live one."""
        keep = setting(self.config, "keep_adapter_count") if keep_count is None else keep_count
        with self._cycle:
            return self.deployment_manager.cleanup_old_adapters(int(keep))

    # -- what the refactored system added ------------------------------------------------------------------------------

    def manual_trigger_training(self, adapter_name: str | None = None) -> bool:
        """Start a cycle at once under a name, in the background; ``False`` where auto training was not started."""
        return self.scheduler.manual_trigger_training(adapter_name)

    def rollback_adapter(self, target_adapter: str | None = None) -> dict[str, Any]:
        """Go back to an adapter that was live before (``None``: the one before this)."""
        return self.deployment_manager.rollback_adapter(target_adapter)

    def get_data_statistics(self) -> dict[str, Any]:
        """Return statistics of the records that would be trained on now."""
        return self.data_manager.get_data_statistics(self.data_manager.collect_training_data())

    def compare_adapter_performance(self, names: Sequence[str]) -> str:
        """Evaluate each adapter and return the best one's name; empty where none gave a valid answer."""
        with self._cycle:
            measured = {name: self._evaluate(name) for name in dict.fromkeys(names)}
        valid = {name: performance for name, performance in measured.items() if performance.get("valid", False)}
        for name in measured.keys() - valid.keys():
            why = measured[name].get("error") or measured[name].get("reason")
            log.warning("adapter %s is not compared: %s", name, why)
        return self.evaluator.compare_adapters(valid) or ""

    def force_deploy_adapter(self, adapter_name: str) -> dict[str, Any]:
        """Deploy an adapter whatever its performance is; it is measured, for the history."""
        with self._cycle:
            performance = self._evaluate(adapter_name)
            return self.deployment_manager.deploy_adapter(adapter_name, performance, force_deploy=True)

    def close(self) -> None:
        """Stop auto training and let go of the database."""
        self.stop_auto_training()
        self._store.close()

    # -- one cycle, step by step ---------------------------------------------------------------------------------------

    def _train(self, name: str, data: Sequence[Mapping[str, Any]] | None, validation_split: float) -> TrainingResult:
        if Path(self.config.output_dir) != self._adapters:
            raise SettingsError(f"output_dir was {self._adapters} when this was made", hint="make a new trainer")
        result = self.trainer_core.train_lora_adapter(name, self._samples(data), validation_split)
        self._store.adapters.put(result.adapter)
        return result

    def _samples(self, data: Sequence[Mapping[str, Any]] | None) -> list[Mapping[str, Any]]:
        """Samples of what a caller handed in, or of what the collector has."""
        rows = list(data) if data is not None and len(data) else self.data_manager.collect_training_data()
        records = [row for row in rows if "input_ids" not in row]
        if not records:
            return list(rows)
        tokenizer = getattr(self.model, "tokenizer", None)
        if tokenizer is None:
            raise ModelError(
                "the model handed in has no .tokenizer", hint="hand in an object with .model and .tokenizer"
            )
        samples = self.data_manager.convert_to_training_samples(records, tokenizer)
        return [row for row in rows if "input_ids" in row] + list(samples)

    def _evaluate(self, name: str) -> dict[str, Any]:
        return self.evaluator.evaluate_adapter_performance(name)

    def _deploy(self, name: str, performance: Mapping[str, Any]) -> dict[str, Any]:
        try:
            now = datetime.now(UTC)
            adapter = adopt(name, self._adapters, self._artifacts, self._store, bot=_BOT, now=now, find=folder_in)
            decision = decide(adapter, performance, self._threshold(), actor=_ACTOR, now=now)
            self._store.decisions.put(decision)
            if not self.evaluator.should_deploy_adapter(name, performance, self._threshold()):
                return told(name, performance, decision)
            release = self.deployment_manager.release(
                decision, adapter, serving={"base_id": adapter.base_id}, actor=_ACTOR, performance=performance
            )
        except LoraloopError as error:
            log.warning("adapter %s could not be deployed: %s", name, error)
            return {**told(name, performance), "error": str(error), "hint": error.hint}
        path = self.deployment_manager.get_current_production_info()["production_path"]
        return told(name, performance, decision, release, path)

    def _threshold(self) -> float:
        value = setting(self.config, "deployment_threshold")
        if not isinstance(value, int | float) or not 0 <= value <= 1:
            raise SettingsError(f"deployment_threshold is {value!r}, it must be a number from 0 to 1")
        return float(value)

    # -- what the scheduler calls --------------------------------------------------------------------------------------

    def _scheduled_data(self) -> list[Mapping[str, Any]]:
        return self._samples(None)

    def _scheduled_training(self, name: str, data: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        with self._cycle:
            self.is_training = True
            try:
                return self._train(name, data, 0.1)
            finally:
                self.is_training = False

    def _scheduled_evaluation(self, name: str) -> dict[str, Any]:
        with self._cycle:
            return self._evaluate(name)

    def _scheduled_deployment(self, name: str, performance: Mapping[str, Any]) -> dict[str, Any]:
        with self._cycle:
            return self._deploy(name, performance)


def create_lora_trainer(
    model: Any, data_collector: Any, config: Any = None, *, config_dict: Mapping[str, Any] | None = None
) -> NaviyamLoRATrainerRefactored:
    """Return a trainer.

    Args:
        config: ``None``, a dict of settings, or a config object of either generation (``max_daily_trainings`` is
            heeded by the oldest trainer alone).
        config_dict: the same under the older keyword.

    Raises:
        SettingsError: a key is no setting; the nearest one is named. UsageError: both were given.
    """
    if config is not None and config_dict is not None:
        raise UsageError("config and config_dict are one and the same", hint="hand in one of them")
    return NaviyamLoRATrainerRefactored(model, config if config_dict is None else config_dict, data_collector)


def start_auto_lora_training(trainer: NaviyamLoRATrainerRefactored) -> dict[str, Any]:
    """Start auto training and return the trainer's status."""
    trainer.start_auto_training()
    return trainer.get_training_status()
