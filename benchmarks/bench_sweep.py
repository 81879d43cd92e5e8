"""SIGKILL at every write-like system call of capture, publish, checkpoint, migration, deploy, rollback and erasure."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from crash_operations import Server, broken_after, first_tables, prepare, serving
from recording import record

from loraloop.testing.tiny import tiny_base

CALLS = (
    "write,writev,pwrite64,pwritev,fsync,fdatasync,ftruncate,fallocate,rename,renameat,renameat2,mkdir,mkdirat,"
    "unlink,unlinkat,rmdir,link,linkat,symlink,symlinkat,copy_file_range,sendfile,fchmod,chmod"
)
"""A file that is merely created is seen by the call that writes to it; locks and memory maps change nothing on disk."""
OPERATIONS = ("capture", "publish", "checkpoint", "migrate", "deploy", "rollback", "dataset", "forget")
MEMORY = Path("/dev/shm")
_ATTACHED_S = 20.0


def attach(pid: int, words: list[str]) -> subprocess.Popen[str]:
    """Start strace on a process that waits, and return once it watches."""
    strace = subprocess.Popen(
        ["strace", "-f", "-p", str(pid), *words], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert strace.stderr is not None
    said = strace.stderr.readline()
    if "attached" not in said:
        strace.kill()
        raise SystemExit(f"strace cannot attach here: {said.strip()}")
    return strace


def traced(server: Server, operation: str, folder: Path, words: list[str]) -> tuple[int, list[str], str]:
    """Run one operation under strace; returns its status, what it acknowledged, and what strace wrote."""
    log = folder.with_name(f"{folder.name}.strace")
    strace = attach(server.fork(operation, folder), ["-o", str(log), *words])
    status, acknowledged, error = server.finish()
    strace.communicate(timeout=_ATTACHED_S)
    text = log.read_text(errors="replace") if log.exists() else ""
    log.unlink(missing_ok=True)
    if status == 1:
        raise SystemExit(f"{operation} failed without being killed: {error}")
    return status, acknowledged, text


def calls_of(server: Server, operation: str, source: Path, folder: Path) -> list[tuple[str, int]]:
    """The write-like system calls of an operation that nobody kills: each by name, and the how manieth of its name.

    strace counts each name apart, so that is how a call is named to it.
    """
    for _ in range(2):  # the first time the server hears what is to be loaded, which are writes of their own
        copy_home(source, folder)
        status, acknowledged, text = traced(server, operation, folder, ["-e", f"trace={CALLS}"])
        assert status == 0, text[-2000:]
        assert acknowledged, text[-2000:]
    assert broken_after(operation, folder, acknowledged) == []
    counted: Counter[str] = Counter()
    calls = []
    for name in re.findall(r"^\d+ +(\w+)\(", text, re.MULTILINE):
        counted[name] += 1
        calls.append((name, counted[name]))
    return calls


def copy_home(source: Path, folder: Path) -> None:
    """A fresh copy of a home, and no ledger of the one before."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.with_name(f"{folder.name}.tombstones").unlink(missing_ok=True)
    shutil.copytree(source, folder, symlinks=True)


def chosen(calls: list[tuple[str, int]], each: int) -> list[tuple[str, int]]:
    """Which calls to kill at: all, or so many evenly spread over them, the first and the last among them."""
    if not each or len(calls) <= each:
        return calls
    return [calls[round(n * (len(calls) - 1) / (each - 1))] for n in range(each)]


def main() -> None:
    """Run the sweep and print one JSON line at the end; exit 1 if anything was broken or lost."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument(
        "--each", type=int, default=12 if os.environ.get("CI") else 0, help="kills an operation; 0: all"
    )
    options.add_argument("--operations", nargs="*", default=list(OPERATIONS), choices=OPERATIONS)
    asked = options.parse_args()
    broken: list[str] = []
    counts: dict[str, dict[str, int]] = {}
    start = time.monotonic()
    place = MEMORY if os.access(MEMORY, os.W_OK) else None  # a kill leaves the page cache, so the disk does not matter
    with tempfile.TemporaryDirectory(dir=place) as name, serving() as server:
        source, folder = Path(name) / "source", Path(name) / "home"
        prepare(source, tiny_base(Path(name) / "tiny"))
        for operation in asked.operations:
            if operation == "migrate":
                prepared = Path(name) / "old"
                copy_home(source, prepared)
                shutil.rmtree(prepared / "production", ignore_errors=True)
                first_tables(prepared)
            else:
                prepared = source
            calls = calls_of(server, operation, prepared, folder)
            killed = 0
            for name_of_call, number in chosen(calls, asked.each):
                copy_home(prepared, folder)
                inject = f"inject={name_of_call}:signal=KILL:when={number}"
                words = ["-e", f"trace={name_of_call}", "-e", inject]
                status, acknowledged, _ = traced(server, operation, folder, words)
                killed += status == -9
                found = broken_after(operation, folder, acknowledged)
                broken += [f"{operation} at {name_of_call} {number}: {line}" for line in found]
            counts[operation] = {"calls": len(calls), "tried": len(chosen(calls, asked.each)), "killed": killed}
            print(f"{operation}: {counts[operation]}", flush=True)
    record("sweep", {
        "operations": counts, "kills": sum(one["killed"] for one in counts.values()), "broken": broken[:20],
        "broken_count": len(broken), "seconds": round(time.monotonic() - start, 1),
    })  # fmt: skip
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
