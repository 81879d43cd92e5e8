"""What the oldest trainer remembers and tells: its keys, its totals, and how they survive a restart."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from loraloop.ports import StateStore
from loraloop.train.core import TrainingResult
from loraloop.types import plain


def old_keys(trained: TrainingResult, started: datetime) -> dict[str, Any]:
    """Return a training in the oldest trainer's words.

    Args:
        started: local time, without a zone.
    """
    return {
        "adapter_name": trained.adapter_name,
        "status": "completed",
        "training_loss": trained.train_loss,
        "training_duration_minutes": trained.training_time / 60,
        "training_samples": trained.train_samples,
        "eval_samples": trained.eval_samples,
        "adapter_path": trained.adapter_path,
        "timestamp": started,
        "adapter_id": trained.adapter.id,
    }


def best_of(performances: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return ``total_adapters, best_adapter, average_score, performance_history`` of what was measured.

    Where nothing was, the best adapter's name is ``None``.

    Example:
        >>> best_of({"a": {"overall_score": 0.5}})["best_adapter"]
        {'name': 'a', 'score': 0.5}
    """
    scores = {name: float(one.get("overall_score") or 0.0) for name, one in performances.items()}
    best = max(scores, key=lambda name: scores[name], default=None)
    return {
        "total_adapters": len(scores),
        "best_adapter": {"name": best, "score": scores[best] if best is not None else 0.0},
        "average_score": sum(scores.values()) / len(scores) if scores else 0.0,
        "performance_history": [
            {"adapter": name, "score": score, "evaluated_at": performances[name].get("evaluation_timestamp")}
            for name, score in scores.items()
        ],
    }


class TrainingHistory:
    """Keeps the oldest trainer's attributes in a state store, under one key."""

    def __init__(self, state: StateStore, key: str) -> None:
        self._state, self._key = state, key

    def load(self) -> dict[str, Any]:
        """Return what was last kept, times as datetimes; empty attributes where nothing was."""
        kept = {
            "training_history": [],
            "active_adapters": {},
            "adapter_performance": {},
            "current_adapter_version": 0,
            "last_training_time": None,
            **(self._state.read(self._key) or {}),
        }
        history = [{**one, "timestamp": datetime.fromisoformat(one["timestamp"])} for one in kept["training_history"]]
        last = kept["last_training_time"]
        return {
            **kept,
            "training_history": history,
            "last_training_time": datetime.fromisoformat(last) if last else None,
        }

    def keep(self, attributes: Mapping[str, Any]) -> None:
        """Write them durably."""
        self._state.write(self._key, _as_text(plain(attributes)))


def _as_text(value: Any) -> Any:
    """Times as ISO 8601 text, all the way down."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, dict):
        return {key: _as_text(item) for key, item in value.items()}
    return [_as_text(item) for item in value] if isinstance(value, list) else value
