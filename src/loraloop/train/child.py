"""The training process: ``python -m loraloop.train.child``, spoken to by ``core.py`` only."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ..lm.child import child_main
from ..types import Sample
from .config import LoRATrainingConfig


def work(spec: dict[str, Any], say: Callable[..., None]) -> dict[str, Any]:
    """Train as the spec says and write the PEFT files to ``spec["out"]``; returns what was measured."""
    import torch

    from ..lm.adapters import attach, attention_projections
    from ..lm.fused import fuse_lora
    from ..lm.loader import load_model
    from ..lm.packed import PackedModel
    from ..lm.probe import probe
    from .loop import TrainingLoop

    config = LoRATrainingConfig(**spec["config"])
    choice = probe(512, max_threads=spec.get("max_threads"), dtype=config.dtype, device=config.device)
    if config.threads:
        torch.set_num_threads(config.threads)
    stop: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: stop.append(number))
    model = load_model(Path(spec["base"]), choice.dtype, choice.device)
    targets = config.target_modules or tuple(attention_projections(model))
    torch.manual_seed(config.seed)
    wrapped = attach(
        model,
        rank=config.lora_r,
        alpha=config.lora_alpha,
        dropout=config.lora_dropout,
        targets=targets if isinstance(targets, str) else list(targets),
    )
    fused = fuse_lora(wrapped)
    say("ready", **asdict(replace(choice, threads=torch.get_num_threads())), fused_layers=fused)
    loop = TrainingLoop(
        PackedModel(wrapped),
        tuple([Sample(**row) for row in spec[part]] for part in ("train", "validation")),  # type: ignore[arg-type]
        config,
        folder=Path(spec["checkpoints"]),
        run_digest=spec["run_digest"],
        say=say,
        cancelled=lambda: bool(stop),
    )
    measured = loop.run()
    write_adapter(wrapped, Path(spec["out"]), base_name=spec["base_name"])
    return {
        **measured,
        "dtype": choice.dtype,
        "device": choice.device,
        "trainable": sum(p.numel() for p in wrapped.parameters() if p.requires_grad),
    }


def write_adapter(wrapped: Any, out: Path, *, base_name: str) -> None:
    """Write ``adapter_config.json`` and ``adapter_model.safetensors`` so that any PEFT loader reads them.

    The config is canonical (sorted, no absolute path); weights are stored in the base's dtype, in name order.
    """
    from peft import get_peft_model_state_dict
    from safetensors.torch import save_file

    out.mkdir(parents=True, exist_ok=True)
    config = wrapped.peft_config["default"].to_dict()
    config |= {"base_model_name_or_path": base_name, "inference_mode": True}
    for key, value in config.items():
        if isinstance(value, set | tuple | frozenset):
            config[key] = sorted(value)
    (out / "adapter_config.json").write_text(json.dumps(config, indent=2, sort_keys=True, default=str) + "\n", "utf-8")
    dtype = wrapped.get_base_model().dtype
    state = {name: t.detach().to(dtype).contiguous() for name, t in sorted(get_peft_model_state_dict(wrapped).items())}
    save_file(state, str(out / "adapter_model.safetensors"), metadata={"format": "pt"})


if __name__ == "__main__":
    child_main(work)
