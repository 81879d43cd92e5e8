"""Adapters as files and as weights: check, digest, attach, apply.

An adapter folder is a standard PEFT folder. Adapters are code, so nothing is loaded before ``check_adapter`` passed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ArtifactError, WrongBase
from .safetensor_files import all_finite, tensors

if TYPE_CHECKING:
    import torch

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
ALLOWED_FILES = frozenset({CONFIG, WEIGHTS, "README.md", "manifest.json", "loraloop.json"})
MAX_RANK = 512
_IDENTITY_KEYS = (
    "peft_type",
    "r",
    "lora_alpha",
    "use_rslora",
    "target_modules",
    "bias",
    "rank_pattern",
    "alpha_pattern",
)
_REFUSED_WHEN_SET = ("auto_mapping", "modules_to_save", "use_dora", "layer_replication", "trainable_token_indices")


def read_config(folder: Path) -> dict[str, Any]:
    """Return ``adapter_config.json`` as plain data.

    Raises:
        ArtifactError: it is missing, no JSON, or asks for what we do not load (code, full matrices, DoRA).
    """
    path = folder / CONFIG
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ArtifactError(f"no adapter at {folder.name}: {CONFIG} is missing") from error
    except (ValueError, OSError) as error:
        raise ArtifactError(f"{folder.name}/{CONFIG} cannot be read ({error})") from error
    if not isinstance(config, dict) or str(config.get("peft_type")) != "LORA":
        raise ArtifactError(f"{folder.name}/{CONFIG} does not describe a LoRA adapter")
    refused = [key for key in _REFUSED_WHEN_SET if config.get(key)]
    if refused:
        raise ArtifactError(f"{folder.name}/{CONFIG} asks for {', '.join(refused)}, which is not loaded here")
    rank = config.get("r")
    if not isinstance(rank, int) or not 1 <= rank <= MAX_RANK:
        raise ArtifactError(f"{folder.name}/{CONFIG}: rank {rank!r} is outside 1..{MAX_RANK}")
    return config


@dataclass(frozen=True, slots=True)
class AdapterFiles:
    """An adapter's files as they were read and checked, once.

    Attributes:
        tensors: header entry and raw bytes of each weight, by name. digest: see ``adapter_digest``.
    """

    name: str
    config: Mapping[str, Any]
    tensors: Mapping[str, tuple[Mapping[str, Any], bytearray]]
    digest: str


def check_adapter(folder: Path) -> None:
    """Refuse anything that is not a whole, plain, finite LoRA adapter in safetensors.

    Raises:
        ArtifactError: a file is missing, truncated, foreign, a link, or holds NaN or infinity.
    """
    adapter_digest(folder)


def adapter_digest(folder: Path) -> str:
    """Return the SHA-256 of an adapter's canonical config and weights (names, types, shapes, bytes), as hex.

    Timings, cards, metrics and PEFT's unordered lists stay outside, so equal adapters have equal digests.

    Raises:
        ArtifactError: see ``check_adapter``.
    """
    hasher = _hasher(read_config(folder))
    for _ in _checked_tensors(folder, hasher):
        pass
    return hasher.hexdigest()


def read_adapter(folder: Path) -> AdapterFiles:
    """Read an adapter's files once: what was checked is what can be loaded, whatever happens to the files meanwhile.

    Raises:
        ArtifactError: see ``check_adapter``.
    """
    config = read_config(folder)
    hasher = _hasher(config)
    found = {name: (entry, raw) for name, entry, raw in _checked_tensors(folder, hasher)}
    return AdapterFiles(folder.name, config, found, hasher.hexdigest())


def _hasher(config: Mapping[str, Any]) -> hashlib._Hash:
    return hashlib.sha256(json.dumps(canonical_config(config), sort_keys=True).encode())


def _checked_tensors(folder: Path, hasher: hashlib._Hash) -> Iterator[tuple[str, dict[str, Any], bytearray]]:
    """Every weight in name order, after it was checked and added to the digest."""
    _refuse_foreign_files(folder)
    weights = folder / WEIGHTS
    if not weights.is_file():
        raise ArtifactError(f"no adapter at {folder.name}: {WEIGHTS} is missing")
    count = 0
    for name, entry, raw in tensors(weights):
        if "lora_" not in name:
            raise ArtifactError(f"{folder.name}/{WEIGHTS}: tensor {name} is no LoRA weight")
        if not all_finite(entry, raw):
            raise ArtifactError(f"{folder.name}/{WEIGHTS}: tensor {name} holds NaN or infinity")
        hasher.update(json.dumps([name, entry["dtype"], entry["shape"]]).encode())
        hasher.update(raw)
        count += 1
        yield name, entry, raw
    if count == 0:
        raise ArtifactError(f"{folder.name}/{WEIGHTS} holds no weights")


def canonical_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of a PEFT config that change what the adapter computes, with sets in sorted order."""
    kept = {key: config.get(key) for key in _IDENTITY_KEYS}
    targets = kept["target_modules"]
    kept["target_modules"] = sorted(targets) if isinstance(targets, list | tuple | set) else targets
    return kept


def _refuse_foreign_files(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_symlink() or not path.is_file():
            raise ArtifactError(f"{folder.name}/{path.name} is a link, folder or device; only plain files are loaded")
        if path.suffix in {".bin", ".pt", ".pth", ".pkl", ".py", ".ckpt"}:
            raise ArtifactError(f"{folder.name}/{path.name} could run code when loaded; only safetensors is accepted")


def lora_factors(
    model: torch.nn.Module, adapter: Path | AdapterFiles
) -> dict[str, tuple[torch.Tensor, torch.Tensor, float]]:
    """Return ``{module name: (A, B, scale)}`` in float32 for every adapted linear layer of ``model``.

    Shapes: A is (rank, in), B is (out, rank); the layer's weight gains ``scale * B @ A``. On the layer's device.

    Args:
        adapter: its folder, or its files as they were read.

    Raises:
        ArtifactError: see ``check_adapter``, or it holds weights that would not be used.
        WrongBase: the adapter names layers or shapes this model does not have.
    """
    files = read_adapter(adapter) if isinstance(adapter, Path) else adapter
    weights = {name: _tensor(entry, raw) for name, (entry, raw) in files.tensors.items()}
    modules = dict(model.named_modules())
    factors: dict[str, tuple[torch.Tensor, torch.Tensor, float]] = {}
    for key in sorted(k for k in weights if ".lora_A." in k):
        name = key.removeprefix("base_model.model.").split(".lora_A.")[0]
        other = key.replace(".lora_A.", ".lora_B.")
        if other not in weights:
            raise ArtifactError(f"{files.name}/{WEIGHTS}: {key} has no second half")
        a_RI, b_OR = weights.pop(key).float(), weights.pop(other).float()
        target = getattr(modules.get(name), "weight", None)
        if target is None or tuple(target.shape) != (b_OR.shape[0], a_RI.shape[1]):
            raise WrongBase(f"the adapter adapts {name} with shape {b_OR.shape[0]}x{a_RI.shape[1]}, the model does not")
        factors[name] = (a_RI.to(target.device), b_OR.to(target.device), _scale(files.config, name))
    if weights:
        raise ArtifactError(
            f"{files.name}/{WEIGHTS}: {min(weights)} is no half of a low-rank pair; it would be ignored"
        )
    if not factors:
        raise WrongBase("the adapter adapts no layer of this model")
    return factors


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
    factors, modules = lora_factors(model, folder), dict(model.named_modules())
    kept = {name: modules[name].weight.detach().clone() for name in factors if _is_merged(modules[name])}
    handles = []
    try:
        handles = _adapt(modules, factors)
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
    _adapt(dict(model.named_modules()), lora_factors(model, folder))


def _is_merged(module: torch.nn.Module) -> bool:
    import torch

    from .corrections import is_corrected

    weight: Any = module.weight
    return weight.dtype == torch.float32 or not is_corrected(weight)


def _adapt(modules: Mapping[str, torch.nn.Module], factors: Mapping[str, tuple[Any, Any, float]]) -> list[Any]:
    """Merge, or add corrections; returns what takes these away again."""
    import torch

    from .corrections import add_corrections, factors_of
    from .prepacked import changed

    beside = {}
    with torch.no_grad():
        for name, (a_RI, b_OR, scale) in factors.items():
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
