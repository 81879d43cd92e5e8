"""Durable jobs as OpenAI's clients read them, and what such a client may ask for. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from ..jobs import Job, JobEvent
from ..types import Adapter
from .feedback import parsed
from .job_board import Recipe
from .problems import Problem

CONVERSATIONS = "conversations"
"""The ``training_file`` that means: everything that may be learnt now."""
_EVENT = "ftevent-"
_LEVELS = {"JobErred": "error", "JobCrashed": "error", "JobStopped": "warn", "JobPutBack": "warn"}
_WORDS = {
    "JobQueued": "The job waits for a worker.",
    "JobBegun": "A worker has begun.",
    "JobStageDone": "A stage is done: {stage}.",
    "JobSucceeded": "The job is done.",
    "JobErred": "The try ended in an error.",
    "JobCrashed": "The process of the job died or hung.",
    "JobStopped": "The job was stopped.",
    "JobPutBack": "The loop is being turned already; the job waits.",
    "JobAsked": "Asked for: {wish}.",
}
Short = Annotated[str, StringConstraints(max_length=512)]


class Automatic(BaseModel):
    """Hyperparameters; they stand in the settings of the home, and a client leaves them to it."""

    model_config = ConfigDict(extra="forbid")
    n_epochs: Literal["auto"] = "auto"
    batch_size: Literal["auto"] = "auto"
    learning_rate_multiplier: Literal["auto"] = "auto"


class Supervised(BaseModel):
    """How a supervised job is trained."""

    model_config = ConfigDict(extra="forbid")
    hyperparameters: Automatic = Automatic()


class Method(BaseModel):
    """The method; only supervised training is done here."""

    model_config = ConfigDict(extra="forbid")
    type: Literal["supervised"]
    supervised: Supervised = Supervised()


class JobBody(BaseModel):
    """A turn to be done as a job."""

    model_config = ConfigDict(extra="forbid")
    model: Annotated[str, StringConstraints(min_length=1, max_length=256)]
    training_file: Annotated[str, StringConstraints(min_length=1, max_length=128)]
    suffix: Annotated[str, StringConstraints(max_length=64)] | None = None
    seed: int | None = None
    metadata: Annotated[dict[Annotated[str, StringConstraints(max_length=64)], Short], Field(max_length=16)] | None = (
        None
    )
    method: Method | None = None
    hyperparameters: Automatic | None = None
    integrations: Annotated[list[Any], Field(max_length=0)] | None = None
    validation_file: None = None


def parse_job(raw: bytes, recipe: Recipe) -> JobBody:
    """Return a checked body.

    Raises:
        Problem: 400 that names the field at fault, or 404 for a model that is not trained here.
    """
    body = parsed(JobBody, raw)
    if body.model not in ("base", recipe.model):
        raise Problem(404, "only the base is trained here: base", param="model", code="model_not_found")
    if body.seed not in (None, recipe.seed):
        raise Problem(400, f"the seed is set in [train]: {recipe.seed}", param="seed", code="invalid_value")
    if body.training_file != CONVERSATIONS and not body.training_file.startswith("ds-"):
        said = f"nothing is uploaded here: name {CONVERSATIONS!r}, or the id of a stored dataset (ds-...)"
        raise Problem(400, said, param="training_file", code="invalid_value")
    return body


def job(one: Job, adapter: Adapter | None, recipe: Recipe) -> dict[str, Any]:
    """Return a job; what is put aside counts as failed, and ``progress`` and ``verdict`` say what OpenAI's do not.

    ``fine_tuned_model`` is the release made of the adapter, which may be asked; ``None`` where the gate held it.
    """
    done = one.status == "succeeded"
    numbers = {"n_epochs": recipe.epochs, "batch_size": recipe.batch_size, "learning_rate_multiplier": 1.0}
    failed = one.status in ("failed", "quarantined")
    return {
        "id": one.id,
        "object": "fine_tuning.job",
        "created_at": _seconds(one.created_at),
        "finished_at": _seconds(one.finished_at) if one.finished_at else None,
        "model": recipe.model,
        "fine_tuned_model": one.stages.get("deploy", {}).get("release_id") if done else None,
        "organization_id": "loraloop",
        "status": "failed" if failed else one.status,
        "hyperparameters": numbers,
        "method": {"type": "supervised", "supervised": {"hyperparameters": numbers}},
        "training_file": one.stages.get("collect", {}).get("dataset_id", CONVERSATIONS),
        "validation_file": None,
        "result_files": [],
        "trained_tokens": int(adapter.metrics.get("tokens", 0)) if done and adapter else None,
        "error": {"code": one.status, "message": one.error, "param": None} if failed else None,
        "seed": recipe.seed,
        "estimated_finish": None,
        "integrations": [],
        "metadata": dict(one.metadata),
        "progress": {"stage": one.stage, "done": one.steps, "total": one.total},
        "verdict": one.stages.get("gate", {}).get("verdict"),
    }


def event(one: JobEvent) -> dict[str, Any]:
    """Return what happened to a job."""
    return {
        "id": f"{_EVENT}{one.number}",
        "object": "fine_tuning.job.event",
        "created_at": _seconds(one.at),
        "level": _LEVELS.get(one.kind, "info"),
        "message": _WORDS[one.kind].format(**one.facts),
        "type": "message",
        "data": dict(one.facts),
    }


def event_number(id: str | None) -> int | None:
    """Return the number of an event's id.

    Raises:
        Problem: 404, it is none.
    """
    if id is None:
        return None
    number = id.removeprefix(_EVENT)
    if not id.startswith(_EVENT) or not number.isascii() or not number.isdigit() or len(number) > 18:
        raise Problem(404, "there is no such event", param="after", code="unknown_event")
    return int(number)


def checkpoints(one: Job, adapter: Adapter | None) -> list[dict[str, Any]]:
    """Return the weights that can be used: those of the best step, which the adapter is; no other is kept."""
    if adapter is None:
        return []
    step = int(adapter.metrics.get("best_step") or adapter.metrics.get("steps") or 0)
    measured = {"train_loss": adapter.metrics.get("train_loss"), "valid_loss": adapter.metrics.get("eval_loss")}
    return [
        {
            "id": f"ftckpt-{adapter.id}",
            "object": "fine_tuning.job.checkpoint",
            "created_at": _seconds(adapter.created_at),
            "fine_tuned_model_checkpoint": adapter.name,
            "fine_tuning_job_id": one.id,
            "step_number": step,
            "metrics": {"step": float(step), **{k: v for k, v in measured.items() if v is not None}},
        }
    ]


def _seconds(at: datetime) -> int:
    return int(at.timestamp())
