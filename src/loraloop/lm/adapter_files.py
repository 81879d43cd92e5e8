"""Adapters as files: what an adapter folder may hold, and the digest by which an adapter is known.

An adapter folder is a standard PEFT folder. Adapters are code, so nothing is loaded before ``check_adapter`` passed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ArtifactError
from .safetensor_files import all_finite, tensors

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
