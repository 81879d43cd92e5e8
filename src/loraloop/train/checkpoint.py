"""Checkpoints that are whole or absent: tensors in safetensors, facts in JSON, both behind one digest.

Nothing is pickled, so resuming runs no code. The two newest are kept; a damaged one is passed over, aloud.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..failpoints import reached
from ..lm.safetensor_files import file_digest

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)

_KEEP = 2


def save(folder: Path, step: int, tensors: dict[str, torch.Tensor], facts: dict[str, Any]) -> Path:
    """Write ``folder/checkpoint-<step>`` durably and drop all but the two newest."""
    from safetensors.torch import save_file

    final, staged = folder / f"checkpoint-{step:07d}", folder / f".staged-{step:07d}"
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir(parents=True)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, str(staged / "state.safetensors"))
    record = {**facts, "step": step, "state_sha256": file_digest(staged / "state.safetensors")}
    (staged / "state.json").write_text(json.dumps(record), encoding="utf-8")
    for path in (*staged.iterdir(), staged):
        _fsync(path)
    reached("checkpoint.staged")
    shutil.rmtree(final, ignore_errors=True)
    os.replace(staged, final)
    reached("checkpoint.renamed")
    _fsync(folder)
    for old in sorted(folder.glob("checkpoint-*"))[:-_KEEP]:
        shutil.rmtree(old, ignore_errors=True)
    return final


def load_newest(folder: Path, run_digest: str) -> tuple[dict[str, torch.Tensor], dict[str, Any]] | None:
    """Return tensors and facts of the newest whole checkpoint of this very run, or ``None``.

    Args:
        run_digest: of base, rows and config; a checkpoint of another run is not used.
    """
    from safetensors.torch import load_file

    for path in sorted(folder.glob("checkpoint-*"), reverse=True):
        try:
            facts = json.loads((path / "state.json").read_text(encoding="utf-8"))
            if facts["state_sha256"] != file_digest(path / "state.safetensors"):
                raise ValueError("its numbers differ from their digest")
        except (OSError, ValueError, KeyError) as error:
            log.warning("checkpoint %s is damaged (%s); trying the one before", path.name, error)
            continue
        if facts.get("run_digest") != run_digest:
            log.warning("checkpoint %s belongs to another run (data, base or settings changed); not used", path.name)
            continue
        return load_file(str(path / "state.safetensors")), facts
    return None


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
