"""Serving while training: waits between tokens beside our trainer, a plain one and none; the trainer's own speed."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench_engine import QUESTIONS
from recording import record

HOWS = ("off", "ours", "leftovers", "plain")
"""No trainer; ours; ours without standing still, at the lowest priority alone; one that knows nothing of users."""
ROWS_A_STEP, SETTLE_S = 4, 1.0


@dataclass
class Heard:
    """What users waited, in seconds: for the first token, and between two."""

    first: list[float] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)


class Trainer:
    """A training in a process of its own, and how far it is."""

    def __init__(self, how: str, base: Path, home: Path, folder: Path) -> None:
        told = json.dumps({"how": how, "base": str(base), "home": str(home), "folder": str(folder)})
        folder.mkdir(parents=True)
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--trainer", told], stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        self.steps: list[tuple[float, float]] = []
        """(moment, tokens so far) of each step."""
        self.stood_s = 0.0
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            fact = json.loads(line)
            if fact["kind"] == "stood":
                self.stood_s += fact["seconds"]
            else:
                self.steps.append((time.monotonic(), fact["tokens"]))

    def begun(self) -> None:
        """Return when it has done its first steps."""
        end = time.monotonic() + 120
        while len(self.steps) < 2:
            if self.process.poll() is not None or time.monotonic() > end:
                raise SystemExit("the trainer did not begin")
            time.sleep(0.02)

    def tokens_per_s(self, begin: float, end: float) -> float:
        """Its speed between two moments, by whole steps."""
        within = [one for one in self.steps if begin <= one[0] <= end]
        if len(within) < 2:
            return 0.0
        return (within[-1][1] - within[0][1]) / (within[-1][0] - within[0][0])

    def end(self) -> None:
        """Kill it; its child dies with it."""
        self.process.kill()
        self.process.wait()


def trainer(told: dict[str, str]) -> None:
    """The trainer's process: the product's own training child, or the same training with nothing round it."""
    from loraloop.lm.child import die_with_parent, run_child
    from loraloop.lm.yielding import Yielding, YieldingConfig
    from loraloop.serving_sign import SignSeen
    from loraloop.train.child import work
    from loraloop.train.config import LoRATrainingConfig

    die_with_parent()
    folder = Path(told["folder"])
    config = LoRATrainingConfig(
        batch_size=ROWS_A_STEP, gradient_accumulation_steps=1, epochs=100, save_steps=10_000, eval_steps=10_000,
        max_length=64, max_tokens=0,
    )  # fmt: skip
    rows = samples(2000)
    tokens = len(rows[0]["input_ids"]) * ROWS_A_STEP
    spec = {
        "config": config.model_dump(mode="json"), "base": told["base"], "base_name": "bench", "run_digest": "bench",
        "out": str(folder / "out"), "checkpoints": str(folder), "train": rows, "validation": [],
    }  # fmt: skip

    def tell(kind: str, **facts: Any) -> None:
        print(json.dumps({"kind": kind, **facts}), flush=True)

    def hear(fact: dict[str, Any]) -> None:
        if fact["kind"] == "progress":
            tell("step", tokens=fact["done"] * tokens)

    if told["how"] == "plain":
        work(spec, lambda kind, **facts: hear({"kind": kind, **facts}))
        return
    yielding = Yielding(YieldingConfig(to_users=told["how"] == "ours"), SignSeen(Path(told["home"])))
    yielding.hear = lambda stands, seconds: tell("stood", seconds=seconds)
    run_child("loraloop.train.child", spec, hear, log_path=folder / "log", yielding=yielding)


def samples(count: int) -> list[dict[str, Any]]:
    """Rows of random tokens: how fast they are learnt is asked, not what."""
    drawn, made = random.Random(0), []
    for number in range(count):
        ids = [drawn.randint(5, 90) for _ in range(48)]
        labels = [-100] * 24 + ids[24:]
        made.append({"input_ids": ids, "labels": labels, "conversation_id": f"row-{number}", "message_index": 1})
    return made


@contextlib.contextmanager
def training(how: str, base: Path, home: Path, folder: Path) -> Iterator[Trainer | None]:
    """Have a trainer run beside the block."""
    if how == "off":
        yield None
        return
    found = Trainer(how, base, home, folder)
    try:
        found.begun()
        yield found
    finally:
        found.end()


@contextlib.asynccontextmanager
async def engine_of(base: Path, sign: Any) -> AsyncIterator[Any]:
    """The embedded engine, with the sign that a gateway shows."""
    from loraloop.serve.embedded import EmbeddedEngine

    engine = EmbeddedEngine(base, log_path=base.parent / "engine.log")
    with sign.shown():
        await engine.start()
        try:
            yield engine
        finally:
            await engine.close()


async def asked(engine: Any, sign: Any, seconds: float, rate: float, tokens: int, seed: int) -> Heard:
    """Users ask at random moments of a fixed rate, whether or not earlier ones are answered; the same for each seed."""
    from loraloop.serve.engine import Ask

    heard, drawn, tasks = Heard(), random.Random(seed), []

    async def one(number: int) -> None:
        last = begin = time.perf_counter()
        first = True
        with sign.answering():
            messages = ({"role": "user", "content": QUESTIONS[number % len(QUESTIONS)]},)
            async for _ in engine.stream(Ask("base", messages, max_tokens=tokens)):
                now = time.perf_counter()
                (heard.first if first else heard.gaps).append(now - last)
                first, last = False, now
        assert last > begin

    begin = due = time.monotonic()
    while (due := due + drawn.expovariate(rate)) < begin + seconds:
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        tasks.append(asyncio.create_task(one(len(tasks))))
    await asyncio.gather(*tasks)
    return heard


def percentile_ms(values: Sequence[float], share: float) -> float:
    """The value in milliseconds that so large a share stays below."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))] * 1e3


def shown(heard: Heard) -> dict[str, float]:
    """Waits in milliseconds."""
    return {
        "gap_p50_ms": percentile_ms(heard.gaps, 0.5), "gap_p99_ms": percentile_ms(heard.gaps, 0.99),
        "first_p50_ms": percentile_ms(heard.first, 0.5), "first_p99_ms": percentile_ms(heard.first, 0.99),
        "gaps": len(heard.gaps),
    }  # fmt: skip


async def phase(how: str, number: int, places: tuple[Path, Path, Path], tools: tuple[Any, Any], chosen: Any) -> Any:
    """One way to train, with users and then without; returns what users waited and what was measured."""
    base, home, folder = places
    engine, sign = tools
    with training(how, base, home, folder / f"{how}-{number}") as beside:
        begin = time.monotonic()
        heard = await asked(engine, sign, chosen.seconds, chosen.rate, chosen.tokens, number)
        found: dict[str, Any] = shown(heard)
        if beside is not None:
            end = time.monotonic()
            found |= {"stood_s": beside.stood_s, "tokens_per_s_with_users": beside.tokens_per_s(begin, end)}
            await asyncio.sleep(SETTLE_S + chosen.idle)
            found["tokens_per_s_alone"] = beside.tokens_per_s(end + SETTLE_S, time.monotonic())
    return heard, found


async def contest(base: Path, home: Path, folder: Path, chosen: Any) -> dict[str, Any]:
    """All ways in turn, several times, beside one engine."""
    from loraloop.serving_sign import ServingSign

    sign = ServingSign(home)
    rounds: list[dict[str, Any]] = []
    pooled = {how: Heard() for how in HOWS}
    async with engine_of(base, sign) as engine:
        await asked(engine, sign, 3.0, chosen.rate, chosen.tokens, 99)  # the first answers warm up
        for number in range(chosen.rounds):
            found = {}
            for how in HOWS:
                heard, found[how] = await phase(how, number, (base, home, folder), (engine, sign), chosen)
                pooled[how].gaps += heard.gaps
                pooled[how].first += heard.first
                told = ", ".join(f"{key} {value:.1f}" for key, value in found[how].items())
                print(f"round {number + 1}/{chosen.rounds} {how}: {told}", flush=True)
            rounds.append(found)
        facts = dict(engine.facts)
    return {"engine": facts, "rounds": rounds, "pooled": {how: shown(heard) for how, heard in pooled.items()}}


def ratios(found: dict[str, Any]) -> dict[str, Any]:
    """What the ways make of one another: waits over the answers of all rounds, speeds as the median of the rounds."""
    rounds, pooled = found["rounds"], found["pooled"]
    beside = {
        f"p99_{how}_over_off": pooled[how]["gap_p99_ms"] / pooled["off"]["gap_p99_ms"] for how in HOWS if how != "off"
    }
    by_round = [one["ours"]["gap_p99_ms"] / one["off"]["gap_p99_ms"] for one in rounds]
    speeds = [one["ours"]["tokens_per_s_alone"] / one["plain"]["tokens_per_s_alone"] for one in rounds]
    return {**beside, "p99_ours_over_off_by_round": by_round, "idle_speed_over_plain": statistics.median(speeds)}


def main() -> None:
    """Run the benchmark and print one JSON line at the end."""
    from loraloop.lm.bases import find_base

    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--base", default="smollm2")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--seconds", type=float, default=25.0, help="of asking, each way")
    options.add_argument("--idle", type=float, default=10.0, help="seconds without a request, each way")
    options.add_argument("--rate", type=float, default=0.7, help="requests a second")
    options.add_argument("--tokens", type=int, default=24, help="longest answer")
    options.add_argument("--quick", action="store_true", help="one round on a tiny model: that it runs, not how well")
    options.add_argument("--trainer", help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.trainer:
        trainer(json.loads(chosen.trainer))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        home = folder / "home"
        home.mkdir()
        if chosen.quick:
            from loraloop.testing.tiny import tiny_base

            base = tiny_base(folder / "tiny")
            chosen.rounds, chosen.seconds, chosen.idle, chosen.rate = 1, 3.0, 2.0, 2.0
        else:
            base = find_base(chosen.base, folder / "bases").folder
        found = asyncio.run(contest(base, home, folder, chosen))
    load = {"rate_per_s": chosen.rate, "tokens": chosen.tokens, "seconds": chosen.seconds}
    required = {"p99_ours_over_off": 1.25, "idle_speed_over_plain": 0.7}
    record("coexist", {"model": "tiny" if chosen.quick else chosen.base, "load": load, **found,
                       "ratios": ratios(found), "required": required})  # fmt: skip


if __name__ == "__main__":
    main()
