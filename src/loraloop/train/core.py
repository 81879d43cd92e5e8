"""LoRATrainerCore: trains one adapter in a child process and publishes it.

The model handed in is only read. Not covered here: choosing the data, judging the adapter, serving it.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import TrainingError
from ..lm.adapter_files import adapter_digest
from ..lm.bases import Base, base_id, find_base
from ..lm.child import run_child
from ..ports import ArtifactStore, Clock, Frozen, Progress
from ..store.artifacts import LocalArtifacts
from ..store.location import checked_name, inside
from ..types import Adapter, Record, Sample
from .card import model_card
from .config import LoRATrainingConfig
from .inputs import columns, valid_samples
from .order import split_samples
from .provenance import adapter_facts, run_digest

if TYPE_CHECKING:
    from datasets import Dataset as HFDataset
    from transformers import TrainingArguments

    from ..lm.yielding import Yielding

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TrainingResult(Record):
    """What a training gave.

    Attributes:
        training_time: seconds, loading included. train_loss, eval_loss: nats per answer token (``eval_loss`` is
            ``None`` without validation rows).
    """

    adapter_name: str
    training_time: float
    train_loss: float
    train_samples: int
    eval_samples: int
    adapter_path: str
    trained_at: str
    eval_loss: float | None
    adapter: Adapter
    metrics: Mapping[str, Any]


class LoRATrainerCore:
    """Trains LoRA adapters for one base model.

    Args:
        model: what to adapt: a wrapper with ``.model`` or a transformers causal LM (trained on a copy, the object
            comes back as it was), or the name of a base (folder, ``.gguf``, ``package:NAME``, hub id) or a ``Base``.
        config: frozen, or any object with ``.frozen()`` (read at each call); ``None`` is the recipe.
        artifacts: where adapters are published; ``None`` keeps them under ``config.output_dir``.
        cache: where a GGUF base is kept in dense form; ``None`` is ``output_dir/.bases``.
        yielding: makes the training give way to users; ``None`` lets it run at a low priority.

    Attributes:
        default_config: makes the config where none is given. folder_name: the name an adapter is kept under.
    """

    default_config: Callable[[], Any] = LoRATrainingConfig
    folder_name: Callable[[str], str] = staticmethod(checked_name)

    def __init__(
        self,
        model: Any,
        config: LoRATrainingConfig | Frozen[LoRATrainingConfig] | None = None,
        *,
        artifacts: ArtifactStore | None = None,
        cache: Path | None = None,
        bot: str = "default",
        clock: Clock | None = None,
        yielding: Yielding | None = None,
    ) -> None:
        self.model = model
        self.config = config if config is not None else type(self).default_config()
        self._artifacts, self._cache, self._bot, self._clock = artifacts, cache, bot, clock
        self._yielding = yielding
        self._current: str | None = None

    def train_lora_adapter(
        self,
        adapter_name: str,
        training_data: Sequence[Any],
        validation_split: float = 0.1,
        *,
        validation_data: Sequence[Any] | None = None,
        dataset_id: str | None = None,
        progress: Progress | None = None,
    ) -> TrainingResult:
        """Train an adapter and publish it under its digest, with ``adapter_name`` as alias.

        Args:
            adapter_name: 1 to 64 of ``a-z 0-9 - _``; may be used again, the newest then has the name.
            training_data: samples, or mappings with ``input_ids`` and ``labels`` (and ``attention_mask``).
            validation_split: share of rows held out for early stopping when ``validation_data`` is not given, 0..1.

        Raises:
            BadName, NotEnoughData, TrainingDiverged, TrainingCancelled, TrainingError, ModelError.
        """
        folder = self.folder_name(adapter_name)
        config = self._frozen()
        samples = valid_samples(training_data)
        if validation_data is None:
            train, validation = split_samples(samples, validation_split, config.seed)
        else:
            train, validation = samples, valid_samples(validation_data, least=0)
        if self._current is not None:
            raise TrainingError(f"already training {self._current!r} here", hint="wait for it, or use a second trainer")
        self._current = adapter_name
        started = datetime.now(UTC)
        log.info("training %s: %d rows, %d for validation", adapter_name, len(train), len(validation))
        try:
            with ExitStack() as stack:
                base = self._base(stack)
                adapter = self._train(
                    adapter_name, base, config, (train, validation), dataset_id=dataset_id, progress=progress
                )
        finally:
            self._current = None
        seconds = (datetime.now(UTC) - started).total_seconds()
        log.info("trained %s as %s in %.1f s", adapter_name, adapter.id, seconds)
        return TrainingResult(
            adapter_name=adapter_name,
            training_time=seconds,
            train_loss=adapter.metrics["train_loss"],
            train_samples=len(train),
            eval_samples=len(validation),
            adapter_path=str(inside(Path(config.output_dir), folder)),
            trained_at=adapter.created_at.isoformat(),
            eval_loss=adapter.metrics["eval_loss"],
            adapter=adapter,
            metrics=adapter.metrics,
        )

    def prepare_datasets(
        self, training_data: Sequence[Any], validation_split: float = 0.1
    ) -> tuple[HFDataset, HFDataset]:
        """Return train and validation rows as ``datasets.Dataset``; no prompt stands on both sides.

        Raises:
            NotEnoughData: (a ValueError) under 2 valid samples.
        """
        from datasets import Dataset as HFDataset

        train, validation = split_samples(valid_samples(training_data), validation_split, self._frozen().seed)
        return HFDataset.from_list(columns(train)), HFDataset.from_list(columns(validation))

    def get_training_arguments(self, adapter_name: str) -> TrainingArguments:
        """The same settings as ``transformers.TrainingArguments``, for callers who drive a ``Trainer`` themselves."""
        from transformers import TrainingArguments

        config = self._frozen()
        return TrainingArguments(
            output_dir=str(inside(Path(config.output_dir), self.folder_name(adapter_name))),
            num_train_epochs=config.epochs,
            per_device_train_batch_size=config.batch_size,
            per_device_eval_batch_size=config.batch_size,
            gradient_accumulation_steps=config.gradient_accumulation_steps,
            learning_rate=config.learning_rate,
            lr_scheduler_type="cosine",
            warmup_steps=config.warmup_steps,
            weight_decay=config.weight_decay,
            max_grad_norm=config.max_grad_norm,
            save_steps=config.save_steps,
            eval_steps=config.eval_steps,
            eval_strategy="steps",
            seed=config.seed,
            report_to=[],
            remove_unused_columns=False,
        )

    def get_training_status(self) -> dict[str, Any]:
        """``is_training, current_adapter, model_loaded, config``."""
        return {
            "is_training": self._current is not None,
            "current_adapter": self._current,
            "model_loaded": self.model is not None,
            "config": self._frozen().model_dump(),
        }

    def _frozen(self) -> LoRATrainingConfig:
        return self.config if isinstance(self.config, LoRATrainingConfig) else self.config.frozen()

    def _base(self, stack: ExitStack) -> Base:
        """The base on disk; a live object is written to a temporary folder for the child."""
        if isinstance(self.model, Base):
            return self.model
        if isinstance(self.model, str | Path):
            return find_base(str(self.model), self._cache or Path(self._frozen().output_dir) / ".bases")
        from ..lm.loader import bare_model, snapshot

        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="loraloop-base-")))
        snapshot(bare_model(self.model), folder)
        found = base_id(folder)
        return Base(id=found, folder=folder, source=found)

    def _train(
        self,
        name: str,
        base: Base,
        config: LoRATrainingConfig,
        samples: tuple[Sequence[Sample], Sequence[Sample]],
        *,
        dataset_id: str | None,
        progress: Progress | None,
    ) -> Adapter:
        artifacts = self._artifacts or LocalArtifacts(Path(config.output_dir))
        digest_of_run = run_digest(base.id, config, samples)
        work = Path(config.output_dir) / ".work" / digest_of_run[:16]
        work.mkdir(parents=True, exist_ok=True)
        staged = artifacts.staging()
        base_name = base.id if Path(base.source).is_absolute() else base.source
        spec = {
            "config": config.model_dump(mode="json"),
            "base": str(base.folder), "base_name": base_name, "out": str(staged),
            "checkpoints": str(work), "run_digest": digest_of_run,
            "train": [dict(sample) for sample in samples[0]],
            "validation": [dict(sample) for sample in samples[1]],
        }  # fmt: skip
        try:
            metrics = run_child(
                "loraloop.train.child", spec, _forward(progress), log_path=work / "train.log", yielding=self._yielding
            )
            facts = adapter_facts(base, config, samples, dataset_id, metrics)
            (staged / "README.md").write_text(model_card(name, base_name, facts), encoding="utf-8")
            digest = adapter_digest(staged)
            folder = artifacts.publish(staged, digest, facts)
        except BaseException:
            shutil.rmtree(staged, ignore_errors=True)
            raise
        shutil.rmtree(work, ignore_errors=True)
        artifacts.alias(Path(config.output_dir), self.folder_name(name), digest)
        now = self._clock.now() if self._clock else datetime.now(UTC)
        return Adapter(
            id=f"ad-{digest[:16]}",
            bot=self._bot,
            name=name,
            digest=digest,
            base_id=base.id,
            path=str(folder),
            created_at=now,
            dataset_id=dataset_id,
            config_digest=config.digest(),
            metrics=metrics,
        )


def _forward(progress: Progress | None) -> Callable[[dict[str, Any]], None]:
    def hear(fact: dict[str, Any]) -> None:
        kind = fact.pop("kind")
        if kind == "progress" and progress is not None:
            progress("train", fact.pop("done"), fact.pop("total"), **fact)
        else:
            log.info("training %s: %s", kind, fact)

    return hear
