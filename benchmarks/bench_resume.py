"""Training killed mid-epoch and mid-accumulation resumes to the same adapter, bit for bit, in the same order."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

from recording import record

os.environ.update(HF_HUB_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1", OMP_NUM_THREADS="1")

ROWS, SAVE_STEPS, EPOCHS, ROWS_PER_STEP = 120, 4, 3, 16
STEPS_AN_EPOCH = -(-ROWS // ROWS_PER_STEP)
KILLS = {
    "mid-accumulation, first epoch": ((6, 1),),
    "mid-epoch, between steps": ((13, 0),),
    "mid-accumulation, last epoch": ((21, 1),),
    "all three, one after another": ((6, 1), (13, 0), (21, 1)),
    "in the first step, before any checkpoint": ((1, 1),),
}
"""Kill before pass ``micro`` (0-based) of step ``step`` (1-based): with ``micro`` over 0 a part of the sum is lost."""


def samples(count: int, seed: int) -> list[dict[str, Any]]:
    """Rows of random tokens: what is learnt does not matter here, only that every bit of it comes again."""
    drawn = random.Random(seed)
    made = []
    for number in range(count):
        ids = [drawn.randint(5, 90) for _ in range(drawn.randint(10, 32))]
        asked = drawn.randint(3, len(ids) - 4)
        labels = [-100] * asked + ids[asked:]
        made.append({"input_ids": ids, "labels": labels, "conversation_id": f"row-{seed}-{number}", "message_index": 1})
    return made


def spec(folder: Path, base: Path, dtype: str) -> dict[str, Any]:
    """What ``loraloop.train.child`` is told: several forward passes a step, dropout, a look now and then."""
    from loraloop.train.config import LoRATrainingConfig

    config = LoRATrainingConfig(
        batch_size=8, gradient_accumulation_steps=2, epochs=EPOCHS, min_steps=1, save_steps=SAVE_STEPS, eval_steps=5,
        patience=99, token_budget=128, lora_dropout=0.1, dtype=dtype, threads=1, max_length=64,
    )  # fmt: skip
    return {
        "config": config.model_dump(mode="json"), "base": str(base), "base_name": "bench", "out": str(folder / "out"),
        "checkpoints": str(folder / "checkpoints"), "run_digest": "bench", "train": samples(ROWS, 0),
        "validation": samples(16, 1), "max_threads": 1,
    }  # fmt: skip


def child(told: dict[str, Any], log: Path, kill: tuple[int, int] | None) -> None:
    """The training itself, as the product runs it; each forward pass is written down, and one may be the last."""
    from loraloop.lm.packed import PackedModel
    from loraloop.train.child import work
    from loraloop.train.loop import TrainingLoop

    now = {"step": 0, "micro": 0}
    step, loss_sum = TrainingLoop._step, PackedModel.loss_sum
    lines = log.open("a", buffering=1)

    def watched_step(self: Any, number: int, *rest: Any) -> None:
        now.update(step=number + 1, micro=0)
        step(self, number, *rest)

    def watched_sum(self: Any, rows: Any) -> Any:
        if kill == (now["step"], now["micro"]):
            os.kill(os.getpid(), signal.SIGKILL)
        lines.write(json.dumps([now["step"], now["micro"], [row.conversation_id for row in rows]]) + "\n")
        now["micro"] += 1
        return loss_sum(self, rows)

    TrainingLoop._step, PackedModel.loss_sum = watched_step, watched_sum  # type: ignore[method-assign]
    measured = work(told, lambda kind, **facts: None)
    (Path(told["out"]) / "measured.json").write_text(json.dumps(measured))


def attempt(folder: Path, kill: tuple[int, int] | None) -> tuple[int, list[Any]]:
    """Run the training once in a process of its own; returns its exit status and what it went through."""
    log = folder / "passes.jsonl"
    log.unlink(missing_ok=True)
    given = json.dumps([str(folder / "spec.json"), str(log), kill])
    ended = subprocess.run([sys.executable, __file__, "--child", given], capture_output=True, text=True, timeout=1800)
    if ended.returncode not in (0, -signal.SIGKILL):
        raise SystemExit(f"a training ended with {ended.returncode}\n{ended.stderr[-2000:]}")
    return ended.returncode, [json.loads(line) for line in log.read_text().splitlines()]


def trained(folder: Path, base: Path, dtype: str, kills: tuple[tuple[int, int], ...]) -> dict[str, Any]:
    """Train with kills, resuming after each; returns the adapter's digest and the order the steps took."""
    folder.mkdir()
    (folder / "spec.json").write_text(json.dumps(spec(folder, base, dtype)))
    order: dict[int, list[list[str]]] = {}
    cut: list[tuple[int, list[list[str]]]] = []
    started = []
    for kill in (*kills, None):
        status, passes = attempt(folder, kill)
        if (status == -signal.SIGKILL) is (kill is None):
            raise SystemExit(f"kill {kill}: the training ended with {status}")
        started.append(min(step for step, _, _ in passes) if passes else 0)
        for step in sorted({step for step, _, _ in passes}):
            rows = [ids for at, _, ids in passes if at == step]
            if kill is not None and step == kill[0]:
                cut.append((step, rows))
            else:
                order[step] = rows
    prefixes = all(order[step][: len(rows)] == rows for step, rows in cut)
    files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted((folder / "out").iterdir())
             if path.name != "measured.json"}  # fmt: skip
    measured = json.loads((folder / "out" / "measured.json").read_text())
    return {
        "files": files, "order": order, "cut_steps_are_prefixes": prefixes, "begun_at_step": started,
        "looks": measured["looks"], "passes_a_step": max(len(rows) for rows in order.values()),
    }  # fmt: skip


def main() -> None:
    """Run the benchmark and print one JSON line at the end; exit 1 if anything differed."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--base", choices=("tiny", "smollm2"), default="tiny")
    options.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32", help="of SmolLM2")
    options.add_argument("--cache", type=Path, help="folder with a base that was converted before")
    options.add_argument("--child", help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.child:
        told, log, kill = json.loads(chosen.child)
        child(json.loads(Path(told).read_text()), Path(log), tuple(kill) if kill else None)
        return
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        base, dtype = made_base(chosen.base, folder, chosen.cache, chosen.dtype)
        unbroken = trained(folder / "unbroken", base, dtype, ())
        again = trained(folder / "again", base, dtype, ())
        results = []
        for number, (what, kills) in enumerate(KILLS.items()):
            found = trained(folder / f"killed-{number}", base, dtype, kills)
            lost = [kill[0] - begun for kill, begun in zip(kills, found["begun_at_step"][1:], strict=True)]
            result = {
                "what": what, "killed_before_step_and_pass": kills, "same_bytes": found["files"] == unbroken["files"],
                "same_order": found["order"] == unbroken["order"] and found["cut_steps_are_prefixes"],
                "same_looks": found["looks"] == unbroken["looks"], "steps_done_again": lost,
            }  # fmt: skip
            results.append(result)
            print(json.dumps(result), flush=True)
        steps = sorted(unbroken["order"])
    fair = again["files"] == unbroken["files"] and all(b == a + 1 for a, b in pairwise(steps))
    good = [one["same_bytes"] and one["same_order"] and one["same_looks"] and max(one["steps_done_again"]) < SAVE_STEPS
            for one in results]  # fmt: skip
    record("resume", {
        "base": chosen.base, "dtype": dtype, "threads": 1, "rows": ROWS, "steps": len(steps),
        "steps_an_epoch": STEPS_AN_EPOCH, "passes_a_step": unbroken["passes_a_step"], "save_steps": SAVE_STEPS,
        "two_unbroken_runs_equal": fair, "kills": sum(len(kills) for kills in KILLS.values()), "runs": results,
        "all_equal": fair and all(good), "seconds": round(time.perf_counter() - start, 1),
    })  # fmt: skip
    sys.exit(0 if fair and all(good) else 1)


def made_base(kind: str, folder: Path, cache: Path | None, dtype: str) -> tuple[Path, str]:
    """The base's folder, and the number format it is trained in."""
    if kind == "tiny":
        from loraloop.testing.tiny import tiny_base

        return tiny_base(folder / "tiny", hidden=64, layers=4), "float32"
    from loraloop.lm.bases import find_base

    return find_base("smollm2", cache or folder / "bases").folder, dtype


if __name__ == "__main__":
    main()
