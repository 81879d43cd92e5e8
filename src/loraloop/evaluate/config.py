"""Settings of the evaluation."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class EvaluationConfig(BaseModel):
    """How adapters are asked."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    suites: tuple[str, ...] = ()
    """Suites to ask: names of built-in ones or paths of files; none means the built-in ones of the bot's language."""
    max_new_tokens: int = Field(default=40, ge=1, le=4096)
    """Longest answer, in tokens."""
    temperature: float = Field(default=0.0, ge=0, le=2)
    """Randomness of answers; 0 always takes the likeliest token."""
    seed: int = 0
    """Of the drawing of answers; candidate, live adapter and base draw alike."""
    batch_size: int = Field(default=64, ge=1)
    """Questions answered at once, at most; fewer where they are long."""
    latency_items: int = Field(default=3, ge=1)
    """Questions answered once more, one at a time, to measure the time of a single request."""
    max_heldout_rows: int = Field(default=400, ge=1)
    """Most held-out rows whose loss is measured; the first ones of the gate split."""
    dtype: str = Field(default="auto", pattern="^(auto|bfloat16|float32)$")
    """Number format of the weights: "bfloat16", "float32" or "auto" (the faster one here, as in serving)."""
    threads: int = Field(default=0, ge=0)
    """CPU threads; 0 measures at start."""
    adapter_dir: str = "./outputs/lora_adapters"
    """Folder in which adapters are found by name."""
