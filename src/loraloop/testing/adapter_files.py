"""Adapter folders for tests that move files and compute nothing; made in a millisecond, without torch."""

from __future__ import annotations

import json
import struct
from pathlib import Path


def plain_adapter(folder: Path, seed: int = 0, base: str = "tiny") -> Path:
    """Write a whole, valid LoRA adapter of one layer to ``folder``.

    Args:
        folder: made with its parents.
        seed: another seed is another adapter.
        base: for which the adapter says it was made.

    Returns:
        ``folder``.
    """
    folder.mkdir(parents=True)
    config = {"peft_type": "LORA", "r": 1, "lora_alpha": 1, "target_modules": ["q_proj"], "bias": "none"}
    (folder / "adapter_config.json").write_text(json.dumps({**config, "base_model_name_or_path": base}))
    layer = "base_model.model.model.layers.0.self_attn.q_proj"
    header = {
        f"{layer}.lora_{part}.weight": {"dtype": "F32", "shape": shape, "data_offsets": [8 * n, 8 * n + 8]}
        for n, (part, shape) in enumerate((("A", [1, 2]), ("B", [2, 1])))
    }
    head = json.dumps(header).encode()
    numbers = struct.pack("<4f", 1.0, 2.0, 3.0, float(seed))
    (folder / "adapter_model.safetensors").write_bytes(struct.pack("<Q", len(head)) + head + numbers)
    return folder
