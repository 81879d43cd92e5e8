"""Three processes write, read and checkpoint one SQLite file: is anything lost, is a lock seen, how long is a wait."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from recording import record

from loraloop.errors import LoraloopError
from loraloop.store.sql import SqlStore, open_store
from loraloop.types import Conversation, message

ROLES = ("gateway", "worker", "dashboard")
WANTED_COMMITS_A_SECOND, MOST_P99_MS = 200_000 / 600, 100.0


def work(role: str, path: Path, seconds: float) -> dict[str, Any]:
    """Commit, one after the other, for so long; returns how many, the waits, and what went wrong."""
    waits: list[float] = []
    errors: list[str] = []
    reads = 0
    store = open_store(path)
    print("ready", flush=True)
    sys.stdin.readline()
    end = time.monotonic() + seconds
    while (begin := time.monotonic()) < end:
        number = len(waits)
        try:
            commit(store, role, number)
            waits.append(time.monotonic() - begin)
            if role == "dashboard":
                store.conversations.count("b")
                store.events.tail("b", 20)
                reads += 2
        except LoraloopError as error:
            errors.append(f"{type(error).__name__}: {error}")
    store.close()
    return {"role": role, "commits": len(waits), "reads": reads, "errors": errors, "waits": waits}


def commit(store: SqlStore, role: str, number: int) -> None:
    """One commit, as the role makes them: an exchange, a heartbeat, a note."""
    if role == "gateway":
        from datetime import UTC, datetime

        said = (message("user", f"what is {number}?"), message("assistant", f"it is {number}."))
        store.conversations.add([Conversation(f"cv-{number:016x}", "b", said, datetime.now(UTC), "chat", "granted")])
    else:
        store.state.write(f"{role}", {"step": number})


def broken_after(path: Path, told: list[dict[str, Any]]) -> list[str]:
    """What is wrong with the file, and which acknowledged commits are not in it."""
    store = open_store(path)
    found = store.faults()
    by_role = {one["role"]: one["commits"] for one in told}
    stored = store.conversations.count("b")
    if stored < by_role["gateway"]:
        found.append(f"{by_role['gateway'] - stored} acknowledged conversations are lost")
    for role in ("worker", "dashboard"):
        last = (store.state.read(role) or {}).get("step")
        if last is None or last < by_role[role] - 1:
            found.append(f"the last commit of the {role} is lost: {last} of {by_role[role] - 1}")
    store.close()
    return found


def main() -> None:
    """Run the benchmark and print one JSON line at the end; exit 1 if anything was lost, broken or seen."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=10.0 if os.environ.get("CI") else 600.0)
    options.add_argument("--role", choices=ROLES, help=argparse.SUPPRESS)
    options.add_argument("--file", type=Path, help="a new database file; a temporary one if left out")
    asked = options.parse_args()
    if asked.role:
        print(json.dumps(work(asked.role, asked.file, asked.seconds)))
        return
    with tempfile.TemporaryDirectory() as name:
        path = asked.file or Path(name) / "loraloop.db"
        open_store(path).close()
        words = [sys.executable, __file__, "--seconds", str(asked.seconds), "--file", str(path), "--role"]
        workers = [
            subprocess.Popen([*words, role], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for role in ROLES
        ]
        for worker in workers:
            assert worker.stdout is not None
            assert worker.stdout.readline() == "ready\n"
        outs = []
        for worker in workers:
            assert worker.stdin is not None
            worker.stdin.write("go\n")
            worker.stdin.flush()
        for worker in workers:
            out, _ = worker.communicate(timeout=asked.seconds + 300)
            outs.append(json.loads(out.strip().splitlines()[-1]))
        broken = broken_after(path, outs)
        size = path.stat().st_size
    waits = np.concatenate([np.array(one.pop("waits")) for one in outs]) * 1000
    commits = sum(one["commits"] for one in outs)
    errors = [error for one in outs for error in one["errors"]]
    result = {
        "seconds": asked.seconds, "commits": commits, "commits_a_second": round(commits / asked.seconds, 1),
        "by_role": {one["role"]: one["commits"] for one in outs}, "reads": sum(one["reads"] for one in outs),
        "wait_ms": {f"p{q:g}": round(float(np.percentile(waits, q)), 2) for q in (50, 90, 99, 99.9)},
        "longest_wait_ms": round(float(waits.max()), 1), "visible_errors": len(errors), "errors": errors[:5],
        "broken": broken, "size_bytes": size, "load": os.getloadavg()[0],
        "met": {
            "rate": bool(commits / asked.seconds >= WANTED_COMMITS_A_SECOND),
            "p99": bool(np.percentile(waits, 99) <= MOST_P99_MS), "whole": not broken, "no_errors": not errors,
        },
    }  # fmt: skip
    record("store", result)
    sys.exit(1 if broken or errors else 0)


if __name__ == "__main__":
    main()
