"""Choose the device, and measure which threads and dtype are fastest on it, instead of assuming.

On a 2-core machine torch's defaults decoded at 3-7 tokens/s where one thread gave 15-20, and bfloat16 products ran
3-5x faster than float32; on a processor without bfloat16 instructions they ran 6-7x slower.
"""

from __future__ import annotations

import os
import statistics
import time
from dataclasses import dataclass
from typing import Any

from ..errors import ModelError
from .own_time import own_s

DEVICES = ("auto", "cpu", "cuda")
MARGIN = 1.1
THREADS_MARGIN = 1.25
DECODING_ROWS = 16
"""Rows to probe with for decoding, in evaluation and in serving alike: both must come to the same dtype."""
_MANY_ROWS = 256
_LOOKS, _BETWEEN_LOOKS_S, _FAR_BEHIND = 6, 0.15, 0.25
"""For training, which goes on for minutes with what was chosen: other work's busy moment must not decide."""
_RACE_ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Choice:
    """What was measured best.

    Attributes:
        gflops: billions of multiply-adds x 2 a second of the winning matrix product.
        device: where it ran: ``"cpu"`` or ``"cuda"``.
    """

    threads: int
    dtype: str
    gflops: float
    device: str = "cpu"


def available_cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def chosen_device(wanted: str = "auto") -> str:
    """``"cuda"`` where torch sees a GPU and ``wanted`` allows it, else ``"cpu"``.

    Raises:
        ModelError: a GPU is wanted and torch sees none.
    """
    import torch

    seen = wanted != "cpu" and torch.cuda.is_available()
    if wanted == "cuda" and not seen:
        raise ModelError(
            f'device is "cuda", but torch {torch.__version__} sees no GPU',
            hint='install a torch built for your GPU, or set device = "auto"',
        )
    return "cuda" if seen else "cpu"


def probe(
    rows: int, width: int = 576, max_threads: int | None = None, dtype: str = "auto", device: str = "auto"
) -> Choice:
    """Time one matrix product of (rows, width) by (width, 3 width) for each thread count and dtype.

    Args:
        rows: tokens multiplied at once (512 for training, 1-16 for decoding).
        dtype: the one to take, or ``"auto"`` for the faster of bfloat16 and float32. bfloat16 must not be over 10 %
            slower to be taken, for it also halves the memory that is read.
        device: one of ``DEVICES``. On a GPU the threads stay as they are.

    Raises:
        ModelError: a GPU is wanted and there is none.

    That takes about 0.2 s. Training products gain from every core, and training goes on for minutes, so for it each
    choice counts by its best of several looks over a second (those far behind at the first are not looked at again),
    and fewer threads must win by a quarter to be taken: a busy moment must not slow the whole run, nor change how sums
    are rounded from one run to the next. One product says little about decoding's many small steps;
    ``race_threads`` measures those. The torch thread count is left at the winner.
    """
    import torch

    if chosen_device(device) == "cuda":
        return _probe_gpu(rows, width, dtype)
    names = ("bfloat16", "float32") if dtype == "auto" else (dtype,)
    speeds = {(threads, name): 0.0 for threads in _candidates(max_threads) for name in names}
    for look in range(_LOOKS if rows >= _MANY_ROWS else 1):
        time.sleep(_BETWEEN_LOOKS_S if look else 0)
        hopeless = _FAR_BEHIND * max(speeds.values())
        for threads, name in [choice for choice, speed in speeds.items() if not look or speed > hopeless]:
            torch.set_num_threads(threads)
            speeds[threads, name] = max(speeds[threads, name], _gflops(rows, width, getattr(torch, name)))

    def weighted(choice: tuple[int, str]) -> float:
        every_core = rows >= _MANY_ROWS and choice[0] == _candidates(max_threads)[-1]
        return speeds[choice] * (MARGIN if choice[1] == "bfloat16" else 1.0) * (THREADS_MARGIN if every_core else 1.0)

    threads, name = max(speeds, key=weighted)
    torch.set_num_threads(threads)
    return Choice(threads, name, speeds[threads, name])


def race_threads(model: Any, rows: int, max_threads: int | None = None, seconds: float = 0.0) -> int:
    """Time one decoding step of ``rows`` answers with each thread count, leave torch at the fastest and return it.

    The model itself is timed, its weights laid out as they will be (``prepacked.py``), not one product: where threads
    wait badly for one another, hundreds of small steps lose five times what the products in them gain. More threads
    must win by a tenth. A model on a GPU is not raced.

    Args:
        rows: answers decoded at once.
        max_threads: most threads; ``None`` for one a core.
        seconds: race at least so long. Each count stands for its lower quartile, so that a core which something else
            takes for half of that time does not decide; one that is never free does.
    """
    import torch

    if model.device.type != "cpu":
        return torch.get_num_threads()

    tokens_R1 = torch.zeros(rows, 1, dtype=torch.long)  # on the CPU, as the model
    spent: dict[int, list[float]] = {threads: [] for threads in _candidates(max_threads)}
    begun = own_s()
    while own_s() - begun < seconds or len(spent[1]) < _RACE_ROUNDS:
        for threads, times in spent.items():  # in turn: a slow moment of the machine is everybody's
            torch.set_num_threads(threads)
            with torch.inference_mode():
                for _ in range(2):  # the first one warms up
                    start = own_s()
                    model(input_ids=tokens_R1, use_cache=False)
            times.append(own_s() - start)

    def weighted(threads: int) -> float:
        return statistics.quantiles(spent[threads])[0] * (1.0 if threads == 1 else MARGIN)

    best = min(spent, key=weighted)
    torch.set_num_threads(best)
    return best


def _probe_gpu(rows: int, width: int, dtype: str) -> Choice:
    """bfloat16 wherever the GPU computes in it: every one that does is at least as fast so, and reads half."""
    import torch

    if dtype == "auto":
        dtype = "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    return Choice(torch.get_num_threads(), dtype, _gflops(rows, width, getattr(torch, dtype), "cuda"), "cuda")


def _candidates(max_threads: int | None) -> list[int]:
    limit = min(available_cores(), max_threads or available_cores())
    return sorted({1, 2, limit // 2, limit} & set(range(1, limit + 1)))


def _gflops(rows: int, width: int, dtype: object, device: str = "cpu") -> float:
    import torch

    a = torch.randn(rows, width).to(device, dtype)  # type: ignore[call-overload]
    b = torch.randn(3 * width, width).to(device, dtype)  # type: ignore[call-overload]

    def wait() -> None:
        if device == "cuda":
            torch.cuda.synchronize()

    a @ b.t()
    wait()
    repeats, spent = 0, 0.0
    while spent < 0.02 or repeats < 3:
        start = own_s()
        a @ b.t()
        wait()
        spent += own_s() - start
        repeats += 1
    return 2 * rows * width * 3 * width * repeats / spent / 1e9
