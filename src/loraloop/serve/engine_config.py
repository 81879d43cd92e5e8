"""Settings of what runs the model for users."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class EngineConfig(BaseModel):
    """What runs the model for users."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    kind: Literal["embedded", "vllm"] = "embedded"
    """Who runs the model: a process of our own on this machine, or vLLM servers that run already."""
    max_rows: int = Field(default=16, ge=1, le=256)
    """Answers that the embedded engine writes at once; more wait."""
    threads: int = Field(default=0, ge=0, le=256)
    """Threads of the embedded engine; 0 measures which number is fastest here."""
    dtype: Literal["auto", "bfloat16", "float32"] = "auto"
    """Number format of the embedded engine's weights; auto takes the faster one here, as the evaluation does."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where the embedded engine computes; auto takes a GPU where torch sees one."""
    urls: tuple[str, ...] = ()
    """Addresses of the vLLM servers (http://HOST:PORT); a version is served by all of them or by none."""
    vllm_base: str = ""
    """The name under which the vLLM servers serve the base; empty for the first one that they list."""
    timeout_s: float = Field(default=60.0, gt=0, le=3600)
    """Seconds after which a silent vLLM server counts as away."""
    hung_after_s: float = Field(default=300.0, ge=5, le=3600)
    """Seconds after which the embedded engine's process, which has said nothing, hangs: it is ended and started again.
    It speaks every second, but for one step that takes longer; raise this where a single step can take minutes."""
    watch_s: float = Field(default=0.1, gt=0, le=60)
    """Seconds between two looks at what the database says is live."""
    confirm_after_s: float = Field(default=3600.0, ge=0, le=31_536_000)
    """Seconds after which a release on trial that answered without engine errors is confirmed; 0 leaves it to you."""
    proof_tolerance_nats: float = Field(default=0.02, gt=0, le=10)
    """Least difference that proves something when the served weights are checked; more where the engine is noisier."""
