"""Load a base model and its tokenizer; snapshot a live model object without touching it."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import ModelError

DTYPES = ("bfloat16", "float32")
PLAIN_TOKENIZERS = ("TokenizersBackend", "PreTrainedTokenizerFast")
"""Of transformers: without a class of their own, under the newer name and the older."""
_PLAIN_CONFIG = {
    "bos_token", "eos_token", "unk_token", "pad_token", "mask_token", "sep_token", "cls_token", "model_max_length",
    "clean_up_tokenization_spaces", "chat_template", "padding_side",
}  # fmt: skip
_NO_MATTER = {"backend", "is_local", "local_files_only"}
"""Settings of a tokenizer that do not keep its file from being read as it is: those handed on, and those left out."""


def stay_offline() -> None:
    """Set the variables that stop the model libraries from calling home or looking for downloads."""
    for name in ("HF_HUB_OFFLINE", "HF_HUB_DISABLE_TELEMETRY", "TRANSFORMERS_OFFLINE"):
        os.environ.setdefault(name, "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Silence transformers' progress bars and advice for a while; errors still show."""
    from transformers.utils import logging as hf_logging

    level = hf_logging.get_verbosity()
    bars = hf_logging.is_progress_bar_enabled()
    hf_logging.set_verbosity_error()
    hf_logging.disable_progress_bar()
    try:
        yield
    finally:
        hf_logging.set_verbosity(level)
        if bars:
            hf_logging.enable_progress_bar()


def load_tokenizer(folder: Path) -> Any:
    """Load the tokenizer of a dense folder.

    Raises:
        ModelError: the folder holds none.
    """
    stay_offline()
    from transformers import AutoTokenizer

    try:
        with quiet_transformers():
            plain = _plain_tokenizer(folder)
            return plain or AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder} holds no usable tokenizer: {error}") from error


def _plain_tokenizer(folder: Path) -> Any:
    """The tokenizer of a folder whose ``tokenizer.json`` says all there is; ``None`` where more must be looked at.

    transformers reads that file several times on its way, each time through Python's own JSON: 4.2 s of 33 MB, for
    Gemma's 262,144 words, in every process. Read once by the tokenizers library it takes 1.6 s.
    """
    from transformers import PreTrainedTokenizerFast

    told, words = folder / "tokenizer_config.json", folder / "tokenizer.json"
    template = folder / "chat_template.jinja"
    if not (told.is_file() and words.is_file()):
        return None
    config = json.loads(told.read_text(encoding="utf-8"))
    if config.pop("tokenizer_class", "") not in PLAIN_TOKENIZERS or not config.keys() <= _PLAIN_CONFIG | _NO_MATTER:
        return None
    own = {key: value for key, value in config.items() if key in _PLAIN_CONFIG and value is not None}
    if template.is_file():
        own["chat_template"] = template.read_text(encoding="utf-8")
    return PreTrainedTokenizerFast(tokenizer_file=str(words), name_or_path=str(folder), **own)


def load_model(folder: Path, dtype: str = "bfloat16", device: str = "cpu") -> Any:
    """Load the weights of a dense folder, frozen and in eval mode.

    Args:
        dtype: ``"bfloat16"`` or ``"float32"``.
        device: ``"cpu"`` or ``"cuda"``, as ``probe`` chose it.

    Raises:
        ModelError: the folder holds no causal LM that transformers knows, or the GPU's memory is too small for it.
    """
    stay_offline()
    import torch
    from transformers import AutoModelForCausalLM

    if dtype not in DTYPES:
        raise ModelError(f"dtype {dtype!r} is not one of {', '.join(DTYPES)}", hint="set [base] dtype")
    try:
        with quiet_transformers():
            model = AutoModelForCausalLM.from_pretrained(
                str(folder), dtype=getattr(torch, dtype), trust_remote_code=False, use_safetensors=True
            )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise ModelError(f"{folder} cannot be loaded as a causal language model: {error}") from error
    model.requires_grad_(False)
    try:
        return model.to(device).eval()
    except torch.cuda.OutOfMemoryError as error:
        raise ModelError(f"the GPU's memory is too small for {folder.name}", hint='set device = "cpu"') from error


def bare_model(model: Any) -> Any:
    """Return the transformers causal LM inside what a caller hands in (a wrapper with ``.model``, or the LM itself).

    Raises:
        ModelError: there is none.
    """
    inner = model if hasattr(model, "generate") and hasattr(model, "config") else getattr(model, "model", None)
    if inner is None or not hasattr(inner, "state_dict"):
        raise ModelError("the model handed in has no .model that is a transformers causal LM")
    return inner


def snapshot(model: Any, folder: Path) -> None:
    """Write a live causal LM as a dense folder for a child process; the object itself is only read.

    Args:
        model: the transformers LM, bare or wrapped in a PEFT model (the adapter is left out).
    """
    import torch
    from safetensors.torch import save_model

    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    folder.mkdir(parents=True, exist_ok=True)
    config = base.config.to_dict()
    config.pop("quantization_config", None)
    config["architectures"] = [type(base).__name__]
    (folder / "config.json").write_text(json.dumps(config, default=str), encoding="utf-8")
    tensors = _plain_state(base)
    holder = torch.nn.Module()
    for name, tensor in tensors.items():
        _place(holder, name, tensor)
    save_model(holder, str(folder / "model.safetensors"), metadata={"format": "pt"})
    logging.getLogger(__name__).info("snapshot of %s: %d tensors", type(base).__name__, len(tensors))


def _plain_state(base: Any) -> dict[str, Any]:
    """The state dict under the base's own names, without adapter weights."""
    return {
        name.replace(".base_layer.", "."): tensor.detach()
        for name, tensor in base.state_dict().items()
        if "lora_" not in name
    }


def _place(root: Any, name: str, tensor: Any) -> None:
    import torch

    *path, leaf = name.split(".")
    for step in path:
        if step not in root._modules:
            root.add_module(step, torch.nn.Module())
        root = root._modules[step]
    root.register_buffer(leaf, tensor)
