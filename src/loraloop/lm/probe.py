"""Measure which threads and dtype are fastest here, instead of assuming.

On a 2-core machine torch's defaults decoded at 3-7 tokens/s where one thread gave 15-20, and bfloat16 products ran
3-5x faster than float32; on a processor without bfloat16 instructions they ran 6-7x slower.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

DTYPE_MARGIN = 1.1
THREADS_MARGIN = 1.25
DECODING_MARGIN = 1.5
DECODING_ROWS = 16
"""Rows to probe with for decoding, in evaluation and in serving alike: both must come to the same dtype."""
_MANY_ROWS = 256


@dataclass(frozen=True, slots=True)
class Choice:
    """What was measured best.

    Attributes:
        gflops: billions of multiply-adds x 2 a second of the winning matrix product.
    """

    threads: int
    dtype: str
    gflops: float


def available_cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def probe(rows: int, width: int = 576, max_threads: int | None = None, dtype: str = "auto") -> Choice:
    """Time one matrix product of (rows, width) by (width, 3 width) for each thread count and dtype; about 0.2 s.

    Args:
        rows: tokens multiplied at once (512 for training, 1-16 for decoding).
        dtype: the one to take, or ``"auto"`` for the faster of bfloat16 and float32. bfloat16 must not be over 10 %
            slower to be taken, for it also halves the memory that is read.

    Training products gain from every core, so there fewer threads must win by a quarter to be taken: a busy moment must
    not change how sums are rounded from one run to the next. The torch thread count is left at the winner.
    """
    import torch

    limit = min(available_cores(), max_threads or available_cores())
    best: tuple[float, Choice] | None = None
    for threads in sorted({1, 2, limit // 2, limit} - {0}):
        if threads > limit:
            continue
        torch.set_num_threads(threads)
        for name in ("bfloat16", "float32") if dtype == "auto" else (dtype,):
            speed = _gflops(rows, width, getattr(torch, name))
            weighted = speed * (DTYPE_MARGIN if name == "bfloat16" else 1.0)
            if rows >= _MANY_ROWS and threads == limit:
                weighted *= THREADS_MARGIN
            if rows < _MANY_ROWS and threads == 1:
                weighted *= DECODING_MARGIN
            if best is None or weighted > best[0]:
                best = weighted, Choice(threads, name, speed)
    if best is None:
        raise ValueError("nothing to probe")
    torch.set_num_threads(best[1].threads)
    return best[1]


def _gflops(rows: int, width: int, dtype: object) -> float:
    import torch

    a = torch.randn(rows, width).to(dtype)  # type: ignore[call-overload]
    b = torch.randn(3 * width, width).to(dtype)  # type: ignore[call-overload]
    a @ b.t()
    repeats, spent = 0, 0.0
    while spent < 0.02 or repeats < 3:
        start = time.perf_counter()
        a @ b.t()
        spent += time.perf_counter() - start
        repeats += 1
    return 2 * rows * width * 3 * width * repeats / spent / 1e9
