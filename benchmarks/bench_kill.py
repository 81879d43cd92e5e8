"""SIGKILL at random moments of a turn: afterwards nothing is broken, the live adapter verifies, the turn finishes."""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from recording import record

os.environ.update(HF_HUB_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1", OMP_NUM_THREADS="1")


_TRIES = 3
_GONE_S = 15.0
"""A child that is still importing when its parent is killed finds out by itself as soon as it begins."""
MARK = "LORALOOP_BENCH"
"""Variable by which the processes of one home are found again."""


def loraloop(home: Path, *words: str) -> subprocess.Popen[str]:
    """Start one command on a home."""
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "loraloop", "--home", str(home), *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env={**os.environ, MARK: str(home)},
    )  # fmt: skip


def must(home: Path, *words: str, codes: tuple[int, ...] = (0,)) -> str:
    """Run one command to its end; anything but an expected exit code ends the benchmark."""
    process = loraloop(home, *words)
    out, err = process.communicate(timeout=600)
    if process.returncode not in codes:
        raise SystemExit(f"loraloop {' '.join(words)} ended with {process.returncode}\n{out[-2000:]}\n{err[-2000:]}")
    return out


def rows(path: Path, begin: int, count: int) -> Path:
    """Write small conversations as the older records, each of words of its own, so that none is nearly another."""
    syllables = [a + b for a in "bdfgklmnprstvz" for b in ("a", "e", "i", "o", "u", "an", "or", "il")]
    with path.open("w", encoding="utf-8") as file:
        for n in range(begin, begin + count):
            drawn = random.Random(n)
            words = ["".join(drawn.choices(syllables, k=drawn.randint(2, 3))) for _ in range(10)]
            record = {
                "user_input": f"{' '.join(words[:5])}?",
                "bot_response": f"{' '.join(words[5:])}, my friend.",
                "quality_score": 0.9,
                "timestamp": f"2026-01-{n % 28 + 1:02d}T10:00:00",
            }
            file.write(json.dumps(record) + "\n")
    return path


def prepared_home(folder: Path) -> Path:
    """A home with a tiny real base and one adapter live, and new conversations that have not been learnt yet."""
    from loraloop.testing.tiny import tiny_base
    from loraloop.wiring import init_home

    home = folder / "home"
    base = tiny_base(folder / "tiny", hidden=64, layers=4)
    init_home(
        home,
        base__model=str(base),
        train__save_steps=3,
        train__epochs=3,
        train__min_steps=1,
        gate__loss_margin_nats=100.0,
        gate__require_better=False,
        evaluate__max_new_tokens=8,
    )
    must(home, "import", str(rows(folder / "one.jsonl", 0, 160)), "--reviewed", "--consent", "granted")
    must(home, "turn", "--name", "first", codes=(0, 1))
    must(home, "deploy", "first", "--force", "--reason", "benchmark")
    must(home, "import", str(rows(folder / "two.jsonl", 160, 160)), "--reviewed", "--consent", "granted")
    return home


def orphans(home: Path) -> list[str]:
    """Training or evaluation processes that still run for this home."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().decode(errors="replace")
                environ = (entry / "environ").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if ".child" in words and "loraloop" in words and f"{MARK}={home}\0" in environ:
                found.append(entry.name)
    return found


def left_over(home: Path) -> tuple[list[str], float]:
    """Processes that outlive their parent though they had the time to notice, and the seconds until the last went."""
    start = time.perf_counter()
    while (left := orphans(home)) and time.perf_counter() - start < _GONE_S:
        time.sleep(0.05)
    return left, round(time.perf_counter() - start, 2)


class Pace:
    """Seconds of an undisturbed turn, as last measured; a machine that other work leaves alone turns faster."""

    def __init__(self, whole_s: float) -> None:
        self.whole_s = whole_s

    def kill_at(self, source: Path, home: Path, share: float) -> tuple[int, float]:
        """Kill a turn on a copy when ``share`` of it should be done; returns its exit code and the seconds it had.

        A turn that was over by then tells how long one takes now, and another copy is tried with that, twice at most.
        """
        for _ in range(_TRIES):
            shutil.rmtree(home, ignore_errors=True)
            shutil.copytree(source, home, symlinks=True)
            after_s, start = share * self.whole_s, time.perf_counter()
            turn = loraloop(home, "turn", "--name", "second")
            try:
                turn.wait(timeout=after_s)
            except subprocess.TimeoutExpired:
                os.kill(turn.pid, signal.SIGKILL)
            turn.communicate()
            if turn.returncode == -signal.SIGKILL:
                break
            self.whole_s = min(self.whole_s, time.perf_counter() - start)
        return turn.returncode, after_s


def one_kill(source: Path, home: Path, pace: Pace, share: float) -> dict[str, Any]:
    """Kill a turn when ``share`` of it should be done, then look, then let a turn finish."""
    code, after_s = pace.kill_at(source, home, share)
    left, gone_s = left_over(home)
    doctor = loraloop(home, "doctor", "--json")
    told, _ = doctor.communicate(timeout=300)
    status = json.loads(must(home, "status", "--json"))
    finish = loraloop(home, "turn", "--name", "second")
    _, err = finish.communicate(timeout=600)
    fault = ""
    if code not in (-signal.SIGKILL, 0, 1):
        fault = f"the turn ended with {code}"
    elif left:
        fault = f"orphans {left}"
    elif doctor.returncode != 0:
        fault = f"doctor: {told[-600:]}"
    elif finish.returncode not in (0, 1):
        fault = f"the turn after it ended with {finish.returncode}: {err[-600:]}"
    shutil.rmtree(home, ignore_errors=True)
    killed = code == -signal.SIGKILL
    return {"after_s": round(after_s, 2), "killed": killed, "gone_s": gone_s, "fault": fault, "status": status}


def timed_turn(source: Path, home: Path) -> float:
    """Seconds of a turn that nobody kills."""
    shutil.copytree(source, home, symlinks=True)
    start = time.perf_counter()
    must(home, "turn", "--name", "second", codes=(0, 1))
    return time.perf_counter() - start


def main() -> None:
    """Run the benchmark and print one JSON line at the end; exit 1 if anything was broken."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--kills", type=int, default=10 if os.environ.get("CI") else 50)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--jobs", type=int, default=2, help="homes killed side by side")
    chosen = options.parse_args()
    moments = random.Random(chosen.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = prepared_home(folder)
        with ThreadPoolExecutor(chosen.jobs) as pool:
            whole_s = min(pool.map(lambda n: timed_turn(source, folder / f"timed-{n}"), range(chosen.jobs)))
            print(f"an undisturbed turn takes {whole_s:.1f} s", flush=True)
            # Stratified: one kill in each equal slice of the turn, so that no part of it is missed by chance.
            shares = [(n + moments.random()) / chosen.kills for n in range(chosen.kills)]
            pace, results = Pace(whole_s), []
            for found in pool.map(
                lambda n: one_kill(source, folder / f"kill-{n}", pace, shares[n]), range(chosen.kills)
            ):
                results.append(found)
                told = found["fault"] or "whole"
                print(f"kill {len(results)}/{chosen.kills} after {found['after_s']:5.2f} s: {told}", flush=True)
    faults = [found for found in results if found["fault"]]
    live = Counter(str((found["status"].get("live") or {}).get("adapter_name")) for found in results)
    record("kill", {
        "kills": chosen.kills, "killed_in_time": sum(found["killed"] for found in results),
        "turn_s": round(whole_s, 1), "longest_orphan_s": max(found["gone_s"] for found in results),
        "broken": len(faults), "live_after_kill": dict(live),
        "faults": [f["fault"] for f in faults][:5],
    })  # fmt: skip
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
