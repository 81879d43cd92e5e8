"""The training loop: packed steps, validation looks, best weights kept, checkpoints, cancel."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from ..errors import TrainingCancelled, TrainingDiverged
from ..lm.own_time import own_s
from ..lm.packed import PackedModel
from ..lm.packing import supervised_tokens
from ..lm.recorded import RecordedGradients
from ..types import Sample
from . import checkpoint
from .config import LoRATrainingConfig
from .order import Plan, all_steps, learning_rate_factor

Say = Callable[..., None]


@dataclass
class _Progress:
    """What a checkpoint must remember besides weights."""

    step: int = 0
    losses: list[float] = field(default_factory=list)
    looks: list[tuple[int, float]] = field(default_factory=list)
    best_loss: float = math.inf
    best_step: int = 0
    tokens: int = 0
    seconds: float = 0.0


class TrainingLoop:
    """Trains the adapter of one model on one set of samples.

    Args:
        packed: the model with a fresh fused adapter.
        train, validation: samples; validation may be empty (then the last weights are kept).
        folder: where checkpoints go.
        run_digest: of base, rows and config.
        cancelled: asked before every step.
    """

    def __init__(
        self,
        packed: PackedModel,
        samples: tuple[Sequence[Sample], Sequence[Sample]],
        config: LoRATrainingConfig,
        *,
        folder: Path,
        run_digest: str,
        say: Say,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        self._packed, self._config = packed, config
        self._train, self._validation = samples
        self._folder, self._run_digest = folder, run_digest
        self._say, self._cancelled = say, cancelled
        self._add_gradients = (RecordedGradients(packed) if packed.on_gpu else packed).add_gradients
        self._weights = {n: p for n, p in packed.model.named_parameters() if p.requires_grad}
        self._optimizer = torch.optim.AdamW(
            self._weights.values(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
        )
        self._best: dict[str, torch.Tensor] = {}
        self._progress = _Progress()

    def run(self) -> dict[str, Any]:
        """Train to the end (or from the last checkpoint to the end) and leave the best weights in the model.

        Returns:
            What was measured: losses in nats per answer token, tokens, seconds, steps.

        Raises:
            TrainingDiverged: the loss is not a number or exploded.
            TrainingCancelled: cancelled; a checkpoint was written.
        """
        resumed = self._resume()
        config = self._config
        plan = Plan(
            config.batch_size * config.gradient_accumulation_steps, config.epochs, config.min_steps, config.max_tokens
        )
        steps = all_steps(self._train, plan, config.seed)
        stopped_early = False
        for step in range(self._progress.step, len(steps)):
            if self._cancelled():
                self._save()
                raise TrainingCancelled(f"cancelled at step {step} of {len(steps)}")
            self._step(step, len(steps), [self._train[row] for row in steps[step]])
            last = step + 1 == len(steps)
            if self._validation and ((step + 1) % self._config.eval_steps == 0 or last):
                stopped_early = self._look() and not last
            if (step + 1) % self._config.save_steps == 0 and not last:
                self._save()
            if stopped_early:
                break
        self._restore_best()
        return self._measured(len(steps), stopped_early, resumed)

    def _step(self, step: int, steps: int, rows: Sequence[Sample]) -> None:
        start = own_s()
        torch.manual_seed(self._config.seed * 1_000_003 + step)
        self._packed.model.train()
        total = self._add_gradients(rows, self._config.token_budget)
        self._refuse_divergence(step, total)
        torch.nn.utils.clip_grad_norm_(self._weights.values(), self._config.max_grad_norm)
        for group in self._optimizer.param_groups:
            group["lr"] = self._config.learning_rate * learning_rate_factor(step, steps, self._config.warmup_steps)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=False)  # recorded passes add to the same memory each time
        progress = self._progress
        progress.step = step + 1
        progress.losses.append(total)
        progress.tokens += sum(len(sample.input_ids) for sample in rows)
        progress.seconds += own_s() - start
        self._say("progress", done=step + 1, total=steps, loss=total, tokens_per_s=progress.tokens / progress.seconds)

    def _refuse_divergence(self, step: int, loss: float) -> None:
        first = self._progress.losses[0] if self._progress.losses else loss
        if not math.isfinite(loss) or loss > 3 * first + 5:
            raise TrainingDiverged(f"loss {loss:.3g} at step {step + 1} (it began at {first:.3g}); no adapter was made")

    def _look(self) -> bool:
        """Measure the validation loss; keep the weights if best; return whether patience is used up."""
        progress = self._progress
        self._packed.model.eval()
        loss = sum(self._packed.row_nll(self._validation)) / max(1, supervised_tokens(self._validation))
        progress.looks.append((progress.step, loss))
        self._say("look", step=progress.step, eval_loss=loss)
        if math.isfinite(loss) and loss < progress.best_loss:
            progress.best_loss, progress.best_step = loss, progress.step
            self._best = {name: weight.detach().clone() for name, weight in self._weights.items()}
        since = sum(step > progress.best_step for step, _ in progress.looks)
        return since >= self._config.patience

    def _restore_best(self) -> None:
        with torch.no_grad():
            for name, weight in self._best.items():
                self._weights[name].copy_(weight)
        self._packed.model.eval()

    def _save(self) -> None:
        tensors = {f"weight.{name}": weight.detach() for name, weight in self._weights.items()}
        tensors |= {f"best.{name}": weight for name, weight in self._best.items()}
        for name, weight in self._weights.items():
            for key, value in self._optimizer.state[weight].items():
                tensors[f"adam.{key}.{name}"] = value
        facts = {"run_digest": self._run_digest, "threads": torch.get_num_threads(), **vars(self._progress)}
        checkpoint.save(self._folder, self._progress.step, tensors, facts)

    def _resume(self) -> int:
        """Continue from the newest whole checkpoint, if any; return its step."""
        found = checkpoint.load_newest(self._folder, self._run_digest)
        if found is None:
            return 0
        tensors, facts = found
        with torch.no_grad():
            for name, weight in self._weights.items():
                weight.copy_(tensors[f"weight.{name}"])
                self._optimizer.state[weight] = {
                    key: tensors[f"adam.{key}.{name}"].to(weight.device) for key in ("step", "exp_avg", "exp_avg_sq")
                }
                if f"best.{name}" in tensors:
                    self._best[name] = tensors[f"best.{name}"].to(weight.device)
        torch.set_num_threads(int(facts["threads"]))  # another thread count would round differently
        kept = {key: facts[key] for key in vars(self._progress)}
        self._progress = _Progress(**kept)
        self._progress.looks = [(int(step), float(loss)) for step, loss in kept["looks"]]
        self._say("resumed", step=self._progress.step)
        return self._progress.step

    def _measured(self, steps: int, stopped_early: bool, resumed: int) -> dict[str, Any]:
        progress = self._progress
        tail = progress.losses[-max(1, len(progress.losses) // 10) :]
        return {
            "train_loss": sum(tail) / max(1, len(tail)),
            "first_loss": progress.losses[0] if progress.losses else None,
            "eval_loss": progress.best_loss if progress.looks else None,
            "looks": progress.looks,
            "best_step": progress.best_step,
            "steps": progress.step,
            "planned_steps": steps,
            "stopped_early": stopped_early,
            "resumed_from_step": resumed,
            "tokens": progress.tokens,
            "training_seconds": progress.seconds,
            "tokens_per_s": progress.tokens / max(1e-9, progress.seconds),
            "packing": self._packed.mode,
            "threads": torch.get_num_threads(),
        }
