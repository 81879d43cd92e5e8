"""The model card beside an adapter's weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def model_card(name: str, base_name: str, facts: Mapping[str, Any]) -> str:
    """Return a README.md with the front matter the Hugging Face Hub reads; no absolute paths, no conversation text."""
    measured = facts["metrics"]
    eval_loss = measured.get("eval_loss")
    lines = [
        "---",
        f"base_model: {base_name}",
        "library_name: peft",
        "pipeline_tag: text-generation",
        "tags:",
        f"- base_model:adapter:{base_name}",
        "- lora",
        "- loraloop",
        "---",
        "",
        f"# {name}",
        "",
        f"A LoRA adapter for `{base_name}`, trained by loraloop {facts['versions']['loraloop']}.",
        "",
        "| fact | value |",
        "| --- | --- |",
        f"| dataset | {facts.get('dataset_id') or 'samples handed in by the caller'} |",
        f"| rows (train / validation) | {facts['train_samples']} / {facts['eval_samples']} |",
        f"| validation loss, nats per answer token | {'none' if eval_loss is None else f'{eval_loss:.4f}'} |",
        f"| rank / alpha | {facts['config']['lora_r']} / {facts['config']['lora_alpha']} |",
        f"| seed | {facts['config']['seed']} |",
        "",
        "Load it with PEFT: `PeftModel.from_pretrained(base, folder)`.",
        "",
    ]
    return "\n".join(lines)
