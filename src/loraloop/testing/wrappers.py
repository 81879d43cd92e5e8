"""What callers of the older interface hand in, round any small base, and adapters that change its answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any


class Plain:
    """The least a caller hands in: ``.model`` and ``.tokenizer``."""

    def __init__(self, base: Path) -> None:
        from ..lm.loader import load_model, load_tokenizer

        self.model = load_model(base, "float32")
        self.tokenizer = load_tokenizer(base)


class Speaking(Plain):
    """A wrapper with both of the optional ways to answer."""

    def generate_response(self, prompt: str, max_length: int = 150) -> str:
        """At most 12 tokens of the model's own, as plain text."""
        import torch

        ids = self.tokenizer(prompt, return_tensors="pt")["input_ids"]
        with torch.inference_mode():
            out = self.model.generate(ids, max_new_tokens=min(12, max_length), do_sample=False, pad_token_id=1)
        return str(self.tokenizer.decode(out[0, ids.shape[1] :]))

    def generate_text(
        self,
        prompt: str,
        max_new_tokens: int | None = None,
        temperature: float | None = None,
        stop_words: list[str] | None = None,
    ) -> dict[str, Any]:
        """The same in a dict."""
        return {"text": self.generate_response(prompt, max_new_tokens or 150)}


def random_adapter(base: Path, folder: Path, strength: float = 0.5, seed: int = 3) -> Path:
    """Write a LoRA adapter of random weights to ``folder``, and return that.

    Args:
        base: folder of a small base.
        strength: standard deviation of the second factor; the larger, the more answers change.
        seed: another seed is another adapter.
    """
    import torch

    from ..lm.adapters import attach
    from ..lm.loader import load_model
    from ..train.child import write_adapter

    torch.manual_seed(seed)
    model = attach(load_model(base, "float32"), rank=4, alpha=8, dropout=0.0, targets="all-linear")
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=strength)
    write_adapter(model, folder, base_name="tiny")
    return folder
