"""What this machine is doing now: load, memory, GPU memory."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from .facts import Machine

log = logging.getLogger(__name__)

_GPU_TIMEOUT_S = 5.0


def look_at_machine(requests: Callable[[], int] | None = None, *, gpu: bool = False) -> Machine:
    """Return how busy the machine is.

    Args:
        requests: counts requests being answered; ``None`` where nothing does.
        gpu: whether to ask ``nvidia-smi``, which takes a moment.
    """
    try:
        load = os.getloadavg()[0] / (os.cpu_count() or 1)
    except OSError:
        load = None
    return Machine(load, _free_memory_mb(), _free_gpu_memory_mb() if gpu else None, requests() if requests else None)


def _free_memory_mb() -> float | None:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) / 1024
    except (OSError, ValueError):
        pass
    return None


def _free_gpu_memory_mb() -> float | None:
    if shutil.which("nvidia-smi") is None:
        return None
    asked = ["nvidia-smi", "--query-gpu=memory.free", "--format=csv,noheader,nounits"]
    try:
        told = subprocess.run(asked, capture_output=True, text=True, timeout=_GPU_TIMEOUT_S, check=True).stdout
        return max(float(line) for line in told.splitlines() if line.strip())
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        log.warning("nvidia-smi does not say how much GPU memory is free (%s)", type(error).__name__)
        return None
