"""People erased at random moments of capture, training, evaluation, export and after a restored backup: is a byte left?

Each of the people has a token of their own in a question, an answer and a correction. They are forgotten in groups, at
random moments of a step that runs meanwhile in a process of its own; at the end every file under the home is searched
for every token. Nothing is left out of the search: weights, database pages and write-ahead log too.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import string
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from recording import record

from loraloop.store.database import Database
from loraloop.wiring import Home, init_home, open_home

os.environ.update(HF_HUB_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1", OMP_NUM_THREADS="1")

STEPS = ("capture", "training", "evaluation", "export", "restored backup")
DEADLINE_S = 300.0


def token(rng: random.Random) -> str:
    """A word that occurs nowhere else."""
    return "".join(rng.choice(string.ascii_lowercase) for _ in range(20))


def say(home: Home, user: str, word: str, number: int) -> None:
    """One exchange of a person with their token in it, and their correction of the answer."""
    from loraloop.data.exchanges import give_feedback, record_exchange
    from loraloop.types import message

    other = "".join(random.Random(number).choices(string.ascii_lowercase, k=24))  # no question is nearly another
    said = record_exchange(
        home.store, bot=home.bot, messages=[message("user", f"what does {word} mean for {other[:12]}?")],
        answer=f"{word} is {other[12:]}", consent="granted", user=user, session=f"{word}-{number}", secret=home.secret,
    )  # fmt: skip
    give_feedback(home.store, said.id, "correction", text=f"it means {other} and {word}.", actor=said.user or "")


def found(folder: Path, words: list[str]) -> Counter[str]:
    """File -> how many of the tokens are somewhere in its bytes, whatever the file."""
    seen: Counter[str] = Counter()
    for path in (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()):
        raw = path.read_bytes()
        seen[str(path.relative_to(folder))] += sum(word.encode() in raw for word in words)
    return +seen


def prepared(folder: Path, people: dict[str, str]) -> Path:
    """A home on a tiny real base: an untouched adapter and one live that learnt from everybody."""
    from loraloop.testing.tiny import tiny_base

    suite = folder / "suite.json"
    suite.write_text('{"items": [{"prompt": "hello"}, {"prompt": "what is it"}]}')
    init_home(
        folder / "home", base__model=str(tiny_base(folder / "base")), evaluate__suites=[str(suite)],
        base__max_new_tokens=4, gate__min_heldout_rows=2, gate__latency_floor_s=30.0, train__epochs=1,
        train__min_steps=1, train__save_steps=1,
        trust__pattern_rows=0, trust__few_people_rows=0, trust__alike_rows=0,  # all say nearly the same
    )  # fmt: skip
    with open_home(folder / "home") as home:
        for number in range(40):
            say(home, f"stays-{number}", f"harmless{number}", -number - 1)
        release(home, "untouched")
        for number, (user, word) in enumerate(people.items()):
            say(home, user, word, number)
        release(home, "touched")
    return folder / "home"


def release(home: Home, name: str) -> None:
    """Train, evaluate and release by force: the question here is not which is better."""
    adapter = home.loop.train(home.loop.collect(), name)
    decision = home.loop.gate(home.loop.evaluate(adapter), actor="bench")
    home.deployer.release(decision, adapter, serving=home.serving(), actor="bench", method="force")


def started(home: Path, *words: str) -> subprocess.Popen[bytes]:
    """One command on the home, beside us."""
    command = [sys.executable, "-P", "-m", "loraloop", "--home", str(home), *words]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)


class Capture:
    """Somebody who goes on talking in the name of people while they are forgotten."""

    def __init__(self, folder: Path, people: dict[str, str]) -> None:
        self._folder, self._people, self._stop = folder, people, threading.Event()
        self._thread = threading.Thread(target=self._talk)
        self._thread.start()

    def _talk(self) -> None:
        from loraloop.errors import UnknownThing

        number = 100_000
        with open_home(self._folder) as home:
            while not self._stop.is_set():
                for user, word in self._people.items():
                    number += 1
                    try:
                        say(home, user, word, number)
                    except UnknownThing:  # forgotten between the answer and its correction
                        continue

    def stop(self) -> None:
        """End the talk, and wait until nothing more is said."""
        self._stop.set()
        self._thread.join()


def forget_all(folder: Path, people: dict[str, str], now: bool) -> list[dict[str, Any]]:
    """Forget each of some people; returns the receipts."""
    with open_home(folder) as home:
        return [home.forgetting.forget(home.pseudonyms(user), now=now, actor="bench") for user in people]


def erase_during(step: str, folder: Path, people: dict[str, str], rng: random.Random, name: str) -> dict[str, Any]:
    """Forget people at a random moment of a step; returns what is left afterwards and how long each took."""
    backup = folder.with_name("backup")
    running: subprocess.Popen[bytes] | None = None
    capture: Capture | None = None
    if step == "capture":
        capture = Capture(folder, people)
    elif step == "training":
        with open_home(folder) as home:
            say(home, "stays-new", f"fresh{name}", rng.randrange(10**6, 10**7))  # so that there is something to train
        running = started(folder, "train", "--name", f"during-{name}")
    elif step == "evaluation":
        running = started(folder, "evaluate", "touched")
    elif step == "export":
        running = started(folder, "data", "export", str(folder / f"export-{name}.jsonl"))
    else:
        shutil.rmtree(backup, ignore_errors=True)
        shutil.copytree(folder, backup, symlinks=True)
    time.sleep(rng.uniform(0.0, 6.0) if running else 0.5)
    began = time.perf_counter()
    receipts = forget_all(folder, people, now=False)
    seconds = time.perf_counter() - began
    if running:
        running.wait()
    if capture:
        capture.stop()
    if step == "restored backup":
        shutil.rmtree(folder)
        shutil.copytree(backup, folder, symlinks=True)
        shutil.rmtree(backup)
    with open_home(folder):
        pass  # whatever a restored home brought back goes now
    left = found(folder, list(people.values()))
    return {
        "step": step,
        "people": len(people),
        "seconds_for_each": round(seconds / len(people), 3),
        "files_with_tokens": dict(left),
        "conversations": sum(receipt["conversations"] for receipt in receipts),
    }


def unguarded(folder: Path, people: dict[str, str]) -> dict[str, int]:
    """What is left when rows are merely deleted: neither overwritten, nor the file rewritten, nor its log emptied."""
    real = Database.scrub
    Database.scrub = lambda self: None  # type: ignore[method-assign]
    try:
        with open_home(folder) as home:
            with home.store._database.engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA secure_delete=OFF")
            for user in people:
                home.forgetting.forget(home.pseudonyms(user), actor="bench")
            return dict(found(folder, list(people.values())))
    finally:
        Database.scrub = real  # type: ignore[method-assign]


def seconds_to_take_out(folder: Path, user: str) -> dict[str, Any]:
    """How long ``forget --now`` takes, as a command, until an untouched release is live."""
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-P", "-m", "loraloop", "--home", str(folder), "forget", user, "--now", "--json"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    seconds, receipt = time.perf_counter() - began, json.loads(done.stdout)
    with open_home(folder) as home:
        live = home.store.releases.live(home.bot)
        adapter_id = live.adapter_id if live else None
        out = adapter_id not in receipt["adapters"]
    return {"seconds": round(seconds, 2), "was_live": bool(receipt["live"]), "out_of_service": out}


def main() -> None:
    """Erase everybody, in groups, each step in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=200)
    parser.add_argument("--group", type=int, default=10, help="people forgotten together")
    parser.add_argument("--seed", type=int, default=20261125)
    chosen = parser.parse_args()
    rng = random.Random(chosen.seed)
    people = {f"child{number}": token(rng) for number in range(chosen.people)}
    runs: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="erase-") as scratch:
        folder = prepared(Path(scratch), people)
        planted = found(folder, list(people.values()))
        copy = Path(scratch) / "copy" / "home"
        shutil.copytree(folder, copy, symlinks=True)
        without_guard = unguarded(copy, dict(list(people.items())[: chosen.group]))
        shutil.rmtree(copy.parent)
        shutil.copytree(folder, copy, symlinks=True)
        at_once = seconds_to_take_out(copy, "child0")
        users = list(people)
        rng.shuffle(users)
        for number, begin in enumerate(range(0, len(users), chosen.group)):
            group = {user: people[user] for user in users[begin : begin + chosen.group]}
            runs.append(erase_during(STEPS[number % len(STEPS)], folder, group, rng, str(number)))
            print(runs[-1], file=sys.stderr, flush=True)
        at_the_end = found(folder, list(people.values()))
    result = {
        "people": chosen.people,
        "planted_in": dict(planted),
        "files_with_tokens_after_each_group": sum(len(run["files_with_tokens"]) for run in runs),
        "files_with_tokens_at_the_end": dict(at_the_end),
        "without_rewriting": without_guard,
        "with_now": at_once,
        "by_step": {step: [run for run in runs if run["step"] == step] for step in STEPS},
    }
    record("erase", result)
    if at_the_end or result["files_with_tokens_after_each_group"] or not without_guard:
        raise SystemExit("tokens are left, or the unguarded build shows none")
    if not (at_once["was_live"] and at_once["out_of_service"] and at_once["seconds"] < DEADLINE_S):
        raise SystemExit(f"--now: {at_once}")


if __name__ == "__main__":
    main()
