"""Settings of LoRA training; the defaults are the recipe for small chat data."""

from __future__ import annotations

import hashlib
import json

from pydantic import BaseModel, ConfigDict, Field


class LoRATrainingConfig(BaseModel):
    """How an adapter is trained."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    lora_r: int = Field(default=16, ge=1, le=512)
    """Rank of the adapter; 8, 16, 32 and 64 fit every serving engine."""
    lora_alpha: int = Field(default=32, ge=1)
    """Strength of the adapter; the update is scaled by lora_alpha / lora_r."""
    lora_dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of adapter inputs set to zero while training, 0..1."""
    target_modules: tuple[str, ...] | str | None = "all-linear"
    """Layers to adapt: "all-linear", a list of layer names, or nothing for the attention projections alone."""
    learning_rate: float = Field(default=1e-3, gt=0)
    """Peak learning rate of AdamW."""
    batch_size: int = Field(default=8, ge=1)
    """Rows in one packed batch."""
    gradient_accumulation_steps: int = Field(default=1, ge=1)
    """Packed batches in one optimiser step."""
    epochs: int = Field(default=2, ge=1)
    """Passes over the training rows, at most (early stopping may end sooner)."""
    min_steps: int = Field(default=40, ge=1)
    """Optimiser steps below which further passes are made, so that a few rows (a first correction) are learnt too."""
    max_tokens: int = Field(default=0, ge=0)
    """Tokens trained on at most, prompts included, whatever epochs and min_steps say; 0 is no limit."""
    warmup_steps: int = Field(default=20, ge=0)
    """Optimiser steps of rising learning rate, capped at a tenth of all steps."""
    output_dir: str = "./outputs/lora_adapters"
    """Folder in which adapters are found by name."""
    save_steps: int = Field(default=25, ge=1)
    """Optimiser steps between checkpoints: what a kill can cost at most."""
    eval_steps: int = Field(default=20, ge=1)
    """Optimiser steps between looks at the validation loss."""
    patience: int = Field(default=3, ge=1)
    """Looks at the validation loss without improvement before training stops; the best weights are kept."""
    max_length: int = Field(default=512, ge=16)
    """Longest sample in tokens; longer ones lose their oldest turns."""
    weight_decay: float = Field(default=0.0, ge=0)
    """Decoupled weight decay of AdamW."""
    max_grad_norm: float = Field(default=1.0, gt=0)
    """Gradients are scaled down to this Euclidean norm."""
    seed: int = 0
    """Of initial weights, row order and dropout; the same seed gives the same adapter bit for bit on one CPU."""
    dtype: str = Field(default="auto", pattern="^(auto|bfloat16|float32)$")
    """Number format of the frozen base: "bfloat16", "float32" or "auto" (the faster one here, measured at start)."""
    device: str = Field(default="auto", pattern="^(auto|cpu|cuda)$")
    """Where training runs: "cpu", "cuda" or "auto" (a GPU where torch sees one)."""
    threads: int = Field(default=0, ge=0)
    """CPU threads; 0 measures at start."""
    token_budget: int = Field(default=4096, ge=64)
    """Most tokens in one forward pass; a larger batch is cut into several (same result, less memory)."""

    def digest(self) -> str:
        """SHA-256 (hex) of what changes the trained weights; folders and cadence of saving stay outside."""
        kept = self.model_dump(mode="json", exclude={"output_dir", "save_steps", "threads"})
        return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()
