"""How a benchmark ends: one JSON line, and a dated file of it in ``benchmarks/results``."""

from __future__ import annotations

import json
import os
import platform
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def record(name: str, result: dict[str, Any]) -> None:
    """Print the result with the machine it was measured on; keep it too, except in CI, whose checkout stays clean."""
    now = datetime.now(UTC)
    packages = ("torch", "transformers", "peft", "trl", "loraloop")
    installed = {one.metadata["Name"].lower(): one.version for one in metadata.distributions()}
    whole = {
        "benchmark": name,
        "at": now.isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": {package: installed[package] for package in packages if package in installed},
        **result,
    }
    if not os.environ.get("CI"):
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / f"{now:%Y-%m-%dT%H%M}-{name}.json"
        path.write_text(json.dumps(whole, indent=1, ensure_ascii=False) + "\n")
    print(json.dumps(whole, ensure_ascii=False))


def machine() -> str:
    """The processor, as far as it says what it is, how many cores there are, and the GPU if there is one."""
    info = Path("/proc/cpuinfo")
    text = info.read_text() if info.exists() else ""
    model = next((line.split(":", 1)[1].strip() for line in text.splitlines() if line.startswith("model name")), "")
    flags = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if f" {flag}" in text]
    cpu = f"{model or platform.machine()}, {os.cpu_count()} cores, {' '.join(flags) or 'no vector flags known'}"
    return f"{cpu}, {gpu}" if (gpu := _gpu()) else cpu


def _gpu() -> str:
    if not Path("/dev/nvidia0").exists():
        return ""
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else ""
