"""Where an adapter comes from: the digest of its run and the facts of its manifest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from ..lm.bases import Base
from ..types import Sample
from .config import LoRATrainingConfig


def run_digest(base: str, config: LoRATrainingConfig, samples: tuple[Sequence[Sample], Sequence[Sample]]) -> str:
    """Return the SHA-256 (hex) of everything that decides a run: base, settings and rows."""
    hasher = hashlib.sha256(f"{base} {config.digest()}".encode())
    for part in samples:
        hasher.update(json.dumps([[s.input_ids, s.labels] for s in part]).encode())
    return hasher.hexdigest()


def adapter_facts(
    base: Base,
    config: LoRATrainingConfig,
    samples: tuple[Sequence[Sample], Sequence[Sample]],
    dataset_id: str | None,
    metrics: Mapping[str, Any],
) -> dict[str, Any]:
    """Return what the manifest says beside the digests: where the adapter comes from and what training measured."""
    from .. import __version__

    libraries = ("torch", "transformers", "peft", "safetensors", "tokenizers")
    return {
        "base_id": base.id,
        "dataset_id": dataset_id,
        "train_samples": len(samples[0]),
        "eval_samples": len(samples[1]),
        "config": config.model_dump(mode="json", exclude={"output_dir"}),
        "config_digest": config.digest(),
        "tokenizer_digest": _tokenizer_digest(base.folder),
        "metrics": dict(metrics),
        "versions": {"loraloop": __version__, **{name: metadata.version(name) for name in libraries}},
    }


def _tokenizer_digest(folder: Path) -> str | None:
    """SHA-256 over the tokenizer and template files of the base; ``None`` when a live object came without."""
    files = [folder / name for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")]
    present = [path.read_bytes() for path in files if path.is_file()]
    return hashlib.sha256(b"\x00".join(present)).hexdigest() if present else None
