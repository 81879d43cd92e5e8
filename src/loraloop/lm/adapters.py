"""Adapters as weights of a model: attach a fresh one, apply a trained one, take it away again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ArtifactError, WrongBase
from .adapter_files import WEIGHTS, AdapterFiles, read_adapter

if TYPE_CHECKING:
    import torch

LoraPair = tuple["torch.Tensor", "torch.Tensor", float]
"""A (rank, in), B (out, rank), both in float32, and the scale: a layer's weight gains ``scale * B @ A``."""


def lora_pairs(model: Any, files: AdapterFiles) -> Iterator[tuple[str, LoraPair]]:
    """Yield the name of every linear layer of ``model`` that an adapter adapts, and its pair on the model's device.

    Raises:
        ArtifactError: it holds weights that would not be used; known for sure when all was yielded.
        WrongBase: the adapter names layers or shapes this model does not have, or none.
    """
    left = dict(files.tensors)
    modules = dict(model.named_modules())
    halves = sorted(name for name in left if ".lora_A." in name)
    for key in halves:
        name = key.removeprefix("base_model.model.").split(".lora_A.")[0]
        other = key.replace(".lora_A.", ".lora_B.")
        if other not in left:
            raise ArtifactError(f"{files.name}/{WEIGHTS}: {key} has no second half")
        a_RI, b_OR = (_tensor(*left.pop(half)).float() for half in (key, other))
        target = getattr(modules.get(name), "weight", None)
        if target is None or tuple(target.shape) != (b_OR.shape[0], a_RI.shape[1]):
            raise WrongBase(f"the adapter adapts {name} with shape {b_OR.shape[0]}x{a_RI.shape[1]}, the model does not")
        yield name, (a_RI.to(model.device), b_OR.to(model.device), _scale(files.config, name))
    if left:
        raise ArtifactError(f"{files.name}/{WEIGHTS}: {min(left)} is no half of a low-rank pair; it would be ignored")
    if not halves:
        raise WrongBase("the adapter adapts no layer of this model")


def _tensor(entry: Mapping[str, Any], raw: bytearray) -> torch.Tensor:
    """A tensor over bytes as they were read."""
    import torch

    kinds = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
    if entry["dtype"] not in kinds:
        raise ArtifactError(f"{WEIGHTS} holds numbers of type {entry['dtype']}; LoRA weights are floating-point")
    return torch.frombuffer(raw, dtype=kinds[entry["dtype"]]).reshape(entry["shape"])


def _scale(config: Mapping[str, Any], name: str) -> float:
    rank = _patterned(config.get("rank_pattern"), name, int(config["r"]))
    alpha = _patterned(config.get("alpha_pattern"), name, config["lora_alpha"])
    return float(alpha / (rank**0.5 if config.get("use_rslora") else rank))


def _patterned(patterns: Mapping[str, Any] | None, name: str, default: Any) -> Any:
    return next((v for k, v in (patterns or {}).items() if name == k or name.endswith("." + k)), default)


@contextmanager
def adapted(model: torch.nn.Module, folder: Path | None) -> Iterator[torch.nn.Module]:
    """Run ``model`` with an adapter as it will be served; afterwards the base is back exactly.

    In bfloat16 on a CPU its corrections are added beside the layers' products (``corrections.py``), else it is merged
    into the weights. ``None`` runs the base as it is. Weights touched are kept aside and copied back, never subtracted,
    so nothing drifts over many adapters.
    """
    import torch

    from .prepacked import changed

    if folder is None:
        yield model
        return
    pairs, modules = dict(lora_pairs(model, read_adapter(folder))), dict(model.named_modules())
    kept = {name: modules[name].weight.detach().clone() for name in pairs if _is_merged(modules[name])}
    handles = []
    try:
        handles = _adapt(modules, pairs)
        yield model
    finally:
        for handle in handles:
            handle.remove()
        with torch.no_grad():
            for name, weight in kept.items():
                modules[name].weight.copy_(weight)
                changed(modules[name])


def adapt(model: torch.nn.Module, folder: Path) -> None:
    """Give ``model`` an adapter, as ``adapted`` does, without a way back."""
    _adapt(dict(model.named_modules()), dict(lora_pairs(model, read_adapter(folder))))


def _is_merged(module: torch.nn.Module) -> bool:
    import torch

    from .corrections import is_corrected

    weight: Any = module.weight
    return weight.dtype == torch.float32 or not is_corrected(weight)


def _adapt(modules: Mapping[str, torch.nn.Module], pairs: Mapping[str, LoraPair]) -> list[Any]:
    """Merge, or add corrections; returns what takes these away again."""
    import torch

    from .corrections import add_corrections, factors_of
    from .prepacked import changed

    beside = {}
    with torch.no_grad():
        for name, (a_RI, b_OR, scale) in pairs.items():
            weight: Any = modules[name].weight
            if not _is_merged(modules[name]):
                beside[name] = factors_of(a_RI, b_OR, scale)
                continue
            weight.copy_((weight.float() + (b_OR @ a_RI) * scale).to(weight.dtype))
            changed(modules[name])
    return list(add_corrections(modules, beside))


def attach(model: torch.nn.Module, *, rank: int, alpha: int, dropout: float, targets: list[str] | str) -> Any:
    """Wrap ``model`` in a fresh PEFT LoRA adapter named ``default``; ``targets`` as PEFT's ``target_modules``."""
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules=targets, task_type="CAUSAL_LM")
    return get_peft_model(model, config)


def attention_projections(model: torch.nn.Module) -> list[str]:
    """The attention projection layers of the model at hand, by their last name part.

    Raises:
        WrongBase: none is found.
    """
    import torch

    found = {
        name.rsplit(".", 1)[-1]
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and ("attn" in name or "attention" in name)
    }
    if not found:
        raise WrongBase("no attention projections found in this model; name target_modules yourself")
    return sorted(found)
