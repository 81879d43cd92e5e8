"""Swaps under constant load: no answer failed or mixed, the stall beside PEFT's, and how fast a rollback is."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench_engine import QUESTIONS, make_adapters
from recording import record

from loraloop.engines import Serving, serving_of
from loraloop.serve.engine import Ask
from loraloop.serve.proof import PROBES
from loraloop.types import Adapter, Decision, Release
from loraloop.wiring import Home, init_home, open_home

ADAPTERS = 3
"""The one before stays loaded; with three in turn each swap loads, proves and unloads for real."""
_AFTER_FLIP_S = 0.3
"""Seconds after a flip that count as part of the swap: what left is unloaded in them."""


@dataclass
class Heard:
    """What the load saw.

    Attributes:
        answers: ``(version, question, text)``. failed: error messages. begun: (time, version) of each answer.
        gaps: (begin, end) of each wait between two pieces of one answer, in seconds of the monotonic clock.
    """

    answers: list[tuple[str, int, str]] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    begun: list[tuple[float, str]] = field(default_factory=list)
    gaps: list[tuple[float, float]] = field(default_factory=list)


async def answer(serving: Serving, number: int, tokens: int, heard: Heard, version: str | None = None) -> str:
    """One answer through the routes, as a gateway asks for it."""
    question = number % len(QUESTIONS)
    words: list[str] = []
    try:
        async with serving.router.hold("live", None) as route:
            asked = version or route.version
            heard.begun.append((time.monotonic(), asked))
            last = None
            messages = ({"role": "user", "content": QUESTIONS[question]},)
            async for piece in serving.engine.stream(Ask(asked, messages, max_tokens=tokens)):
                now = time.monotonic()
                if last is not None:
                    heard.gaps.append((last, now))
                last = now
                words.append(piece.text)
        heard.answers.append((asked, question, "".join(words)))
    except Exception as error:  # whatever it is, it is an answer that failed
        heard.failed.append(f"{type(error).__name__}: {error}")
    return "".join(words)


async def load(
    serving: Serving, rate: float, total: int, tokens: int, heard: Heard, over: asyncio.Event | None = None
) -> None:
    """Open loop: requests come at random moments of a fixed rate, whether or not earlier ones are answered.

    Args:
        total: requests; fewer where it is ``over`` before.
    """
    rng, tasks = random.Random(0), []
    due = time.monotonic()
    for number in range(total):
        due += rng.expovariate(rate)
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        if over is not None and over.is_set():
            break
        tasks.append(asyncio.create_task(answer(serving, number, tokens, heard)))
    await asyncio.gather(*tasks)


def publish(home: Home, adapters: list[Path]) -> list[Adapter]:
    """Take the adapters into the home's store."""
    from loraloop.deploy.adoption import adopt

    return [adopt(path.name, path.parent, home.artifacts, home.store, bot=home.bot, now=datetime.now(UTC))
            for path in adapters]  # fmt: skip


def release_of(home: Home, adapter: Adapter, number: int) -> Release:
    """A release served without the database's pointer, so that 200 swaps do not copy 200 production folders."""
    return Release(f"rl-bench-{number}", home.bot, number + 1, adapter.id, adapter.name, adapter.base_id, "force",
                   "bench", datetime.now(UTC), serving=home.serving())  # fmt: skip


async def swaps(serving: Serving, home: Home, stored: list[Adapter], chosen: argparse.Namespace) -> dict[str, Any]:
    """Swap under load from the first answer to the last; compare every answer with the one its version gives alone.

    ``pause_ms`` is the engine's own measure: for how long its decoding loop stood still at once while a version came or
    went. The gaps between pieces are what that comes to for those who wait for answers.
    """
    heard, swapped = Heard(), []
    await serving.engine.start()
    await serving.swap.start()
    alone: dict[tuple[str, int], str] = {}
    for number, adapter in enumerate(stored):
        route = await serving.swap.serve(release_of(home, adapter, number))
        for question in range(len(QUESTIONS)):
            alone[adapter.digest[:16], question] = await answer(serving, question, chosen.tokens, Heard())
        assert route.release_id == f"rl-bench-{number}"
    loading = asyncio.create_task(load(serving, chosen.rate, chosen.answers, chosen.tokens, heard))
    done = 0
    while done < chosen.swaps:
        # spread the swaps over the whole load
        while len(heard.begun) < chosen.answers * done / chosen.swaps and not loading.done():
            await asyncio.sleep(0.002)
        start = time.monotonic()
        await serving.swap.serve(release_of(home, stored[done % ADAPTERS], done + ADAPTERS))
        swapped.append((start, time.monotonic()))
        done += 1
    await loading
    verdicts = Counter(judged(version, question, text, alone) for version, question, text in heard.answers)
    return {
        "swaps": done, "answers": len(heard.answers), "failed": len(heard.failed), "failures": heard.failed[:3],
        "own": verdicts["own"], "mixed": verdicts["mixed"], "other": verdicts["other"],
        "versions_heard": len({version for version, _, _ in heard.answers}),
        **stalls(heard, swapped),
        "pause_ms": spread(list(getattr(serving.engine, "pauses", []))),
        "prepare_under_load_ms": spread([end - begin for begin, end in swapped]),
    }  # fmt: skip


def stalls(heard: Heard, swapped: list[tuple[float, float]]) -> dict[str, Any]:
    """How long answers waited for a piece: at the flip, in the whole swap with the unloading after it, and elsewhere.

    What is compared is as long as what it is compared with, for a long time holds a wider gap than a short one; and a
    moment taken at random falls into a wide gap more often than into a narrow one, as a flip does.
    """
    step = median([end - begin for begin, end in heard.gaps])
    whole = [(begin, end + _AFTER_FLIP_S) for begin, end in swapped]
    first, last, rng, others = heard.begun[0][0], heard.gaps[-1][1], random.Random(1), []
    for _ in range(100 * len(whole)):
        begin, end = whole[len(others) % len(whole)]
        at = rng.uniform(first, max(first, last - (end - begin)))
        if len(others) < len(whole) and not any(b < at + end - begin and at < e for b, e in whole):
            others.append((at, at + end - begin))
    at_flip, at_moments = (widest_gaps(heard, [(at, at) for at in moments]) for moments in (
        [end for _, end in swapped], [begin for begin, _ in others]))  # fmt: skip
    in_swap, beside = widest_gaps(heard, whole), widest_gaps(heard, others)
    return {
        "step_ms": step * 1e3,
        "gap_at_flip_ms": spread(at_flip), "gap_at_other_moments_ms": spread(at_moments),
        "gap_in_swap_ms": spread(in_swap), "gap_in_other_times_ms": spread(beside),
        "stall_at_flip_ms": (median(at_flip) - median(at_moments)) * 1e3,
        "stall_in_swap_ms": (median(in_swap) - median(beside)) * 1e3,
        "gap_p99_ms": sorted(e - b for b, e in heard.gaps)[int(0.99 * len(heard.gaps))] * 1e3,
    }  # fmt: skip


def spread(seconds: list[float]) -> dict[str, float]:
    """The middle and the most of some times, in milliseconds; 0 where nobody waited."""
    return {"median": median(seconds) * 1e3, "max": max(seconds, default=0.0) * 1e3}


def median(seconds: list[float]) -> float:
    """The middle of some times; 0 of none."""
    return statistics.median(seconds) if seconds else 0.0


def widest_gaps(heard: Heard, times: list[tuple[float, float]]) -> list[float]:
    """For each time in which some answer waited for its next piece: the longest of those waits, in seconds."""
    found = [[e - b for b, e in heard.gaps if b <= end and begin <= e] for begin, end in times]
    return [max(gaps) for gaps in found if gaps]


def judged(version: str, question: int, text: str, alone: dict[tuple[str, int], str]) -> str:
    """``own`` where an answer is its version's, ``mixed`` where part of it is another's, else ``other`` (rounding)."""
    digest = version.split("-")[1]
    if text == alone[digest, question]:
        return "own"
    others = [said for (of, asked), said in alone.items() if of != digest and asked == question]
    tail = text[len(text) // 2 :]
    return "mixed" if any(text == said or (tail and said.endswith(tail)) for said in others) else "other"


async def loads(serving: Serving, home: Home, stored: list[Adapter], times: int) -> dict[str, float]:
    """Preparation while nobody asks: what ``load`` takes (it checks and merges), and with verification and proof."""
    loading, whole = [], []
    for number in range(times):
        adapter, name = stored[number % ADAPTERS], f"ll-alone-{number}"
        start = time.perf_counter()
        files = await asyncio.to_thread(home.artifacts.verified, adapter.digest)
        verified = time.perf_counter()
        await serving.engine.load(name, files, adapter.digest)
        loading.append(time.perf_counter() - verified)
        await serving.engine.logprobs(name, PROBES)
        whole.append(time.perf_counter() - start)
        await serving.engine.unload(name)
    return {"load_ms": statistics.median(loading) * 1e3, "prepare_ms": statistics.median(whole) * 1e3}


async def rollbacks(serving: Serving, home: Home, stored: list[Adapter], chosen: argparse.Namespace) -> dict[str, Any]:
    """Seconds from ``loraloop rollback``, another process, to the last answer begun on the withdrawn release."""
    spent, commands = [], []
    await serving.watch.start()
    for number in range(chosen.rollbacks):
        for adapter in (stored[number % ADAPTERS], stored[(number + 1) % ADAPTERS]):
            decision = Decision(
                f"dc-{number}-{adapter.id}", home.bot, adapter.id, "promote", datetime.now(UTC), "bench"
            )
            release = await asyncio.to_thread(home.deployer.release, decision, adapter, serving=home.serving())
            while serving.router.live.release_id != release.id:
                await asyncio.sleep(0.02)
        heard, withdrawn, over = Heard(), serving.router.live.version, asyncio.Event()
        loading = asyncio.create_task(load(serving, chosen.rate, 1_000_000, chosen.tokens, heard, over))
        await asyncio.sleep(0.5)
        start = time.monotonic()
        command = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "loraloop", "--home", str(home.folder), "rollback", stdout=subprocess.DEVNULL
        )
        assert await command.wait() == 0
        commands.append(time.monotonic() - start)
        await asyncio.sleep(1.0)  # asked on, so that nothing is begun on what was withdrawn later either
        over.set()
        await loading
        assert serving.router.live.version != withdrawn
        spent.append(max(at for at, version in heard.begun if version == withdrawn) - start)
        assert not heard.failed, heard.failed[:3]
    return {"rollbacks": len(spent), "rollback_s": {"median": statistics.median(spent), "max": max(spent)},
            "command_s": statistics.median(commands)}  # fmt: skip


def peft(base: Path, adapters: list[Path], dtype: str, threads: int, times: int) -> dict[str, float]:
    """PEFT's ways to the same end, on the same base: a second ``load_adapter``, and ``hotswap_adapter`` in place."""
    import torch
    from peft import PeftModel
    from peft.utils.hotswap import hotswap_adapter

    from loraloop.lm.loader import load_model

    torch.set_num_threads(threads)
    model = PeftModel.from_pretrained(load_model(base, dtype), str(adapters[0]), adapter_name="default").eval()
    loading, swapping = [], []
    for number in range(times):
        path, name = str(adapters[number % ADAPTERS]), f"a{number}"
        start = time.perf_counter()
        model.load_adapter(path, adapter_name=name)
        loading.append(time.perf_counter() - start)
        model.delete_adapter(name)
        start = time.perf_counter()
        hotswap_adapter(model, path, adapter_name="default", torch_device="cpu")
        swapping.append(time.perf_counter() - start)
    return {"load_adapter_ms": statistics.median(loading) * 1e3, "hotswap_ms": statistics.median(swapping) * 1e3}


async def measure(home: Home, adapters: list[Path], chosen: argparse.Namespace) -> dict[str, Any]:
    """Everything, on one engine."""
    stored = publish(home, adapters)
    serving = serving_of(home)
    try:
        found = await swaps(serving, home, stored, chosen)
        found |= await loads(serving, home, stored, chosen.times)
        found |= await rollbacks(serving, home, stored, chosen)
        found["engine"] = dict(getattr(serving.engine, "facts", {}))
    finally:
        await serving.close()
    return found


def main() -> None:
    """Run the benchmark and print one JSON line at the end."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--base", default="smollm2")
    options.add_argument("--answers", type=int, default=10_000)
    options.add_argument("--swaps", type=int, default=200)
    options.add_argument("--tokens", type=int, default=8)
    options.add_argument("--rate", type=float, default=6.0, help="requests a second")
    options.add_argument("--rollbacks", type=int, default=5)
    options.add_argument("--times", type=int, default=10, help="loads measured alone, ours and PEFT's")
    options.add_argument("--quick", action="store_true", help="a tiny model, 600 answers, 12 swaps")
    options.add_argument("--tiny", action="store_true", help="the whole count on a tiny model")
    options.add_argument("--peft", help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.peft:
        print(json.dumps(peft(**{k: Path(v) if k == "base" else v for k, v in json.loads(chosen.peft).items()})))
        return
    if chosen.quick:
        chosen.answers, chosen.swaps, chosen.rollbacks, chosen.times = 600, 12, 1, 3
    tiny = chosen.quick or chosen.tiny
    if tiny:
        chosen.rate = 60.0
    with tempfile.TemporaryDirectory() as folder:
        base = chosen.base
        if tiny:
            from loraloop.testing.tiny import tiny_base

            base = str(tiny_base(Path(folder) / "tiny"))
        os.environ["LORALOOP_ENGINE__DTYPE"] = (
            "float32"  # so that an answer alone and in company is the same to the letter
        )
        init_home(Path(folder) / "home", base__model=base)
        with open_home(Path(folder) / "home") as home:
            adapters = make_adapters(home.base.folder, Path(folder), ADAPTERS)
            found = asyncio.run(measure(home, adapters, chosen))
            spec = {"base": str(home.base.folder), "adapters": list(map(str, adapters)), "times": chosen.times,
                    "dtype": found["engine"]["dtype"], "threads": found["engine"]["threads"]}  # fmt: skip
            out = subprocess.run([sys.executable, __file__, "--peft", json.dumps(spec)], capture_output=True, text=True,
                                 check=True)  # fmt: skip
            found["peft"] = json.loads(out.stdout.splitlines()[-1])
    found["ratios"] = {
        "pause_over_hotswap": found["pause_ms"]["median"] / found["peft"]["hotswap_ms"],
        "stall_over_hotswap": max(0.0, found["stall_at_flip_ms"]) / found["peft"]["hotswap_ms"],
        "stall_in_swap_over_hotswap": max(0.0, found["stall_in_swap_ms"]) / found["peft"]["hotswap_ms"],
        "stall_in_swap_over_step": max(0.0, found["stall_in_swap_ms"]) / found["step_ms"],
        "load_over_load_adapter": found["load_ms"] / found["peft"]["load_adapter_ms"],
        "prepare_over_load_adapter": found["prepare_ms"] / found["peft"]["load_adapter_ms"],
    }
    found["required"] = {
        "failed": 0,
        "mixed": 0,
        "pause_over_hotswap": 0.1,
        "stall_over_hotswap": 0.1,
        "stall_in_swap_over_step": 1.0,
        "load_over_load_adapter": 1.0,
        "rollback_s": 2,
    }
    record("swap", {"model": "tiny" if tiny else chosen.base, "rate_per_s": chosen.rate, **found})


if __name__ == "__main__":
    main()
