"""Runs asked for from another process."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from statistics import median

import pytest

from loraloop.errors import BadName, StoreBusy
from loraloop.schedule.asking import Inbox
from loraloop.schedule.config import SchedulerConfig
from loraloop.schedule.scheduler import LoRAScheduler
from loraloop.testing.state import KeptState

ASK = """
import sys, time
from pathlib import Path
from loraloop.schedule.asking import Inbox
inbox = Inbox(Path(sys.argv[1]), "default")
for name in sys.stdin:
    asked = time.monotonic()
    inbox.ask(name.strip())
    print(asked, flush=True)
"""
STARTS_WITHIN_S = 0.1


def waiting_scheduler(folder: Path, begun: dict[str, float], woken: threading.Event) -> LoRAScheduler:
    """One with nothing to do for an hour but what is asked for; its trainer writes down when it began."""

    def train(name: str, rows: object) -> dict[str, str]:
        begun[name] = time.monotonic()
        woken.set()
        return {}

    config = SchedulerConfig(enable_auto_scheduling=False, check_interval_s=3600)
    made = LoRAScheduler(config, state=KeptState(), inbox=Inbox(folder, "default"))
    made.set_callbacks(trainer=train)
    return made


def test_a_run_asked_for_by_another_process_starts_within_100_ms(tmp_path: Path) -> None:
    """From the call in one process to the first line of training in another, in the middle of seven tries."""
    begun: dict[str, float] = {}
    woken = threading.Event()
    scheduler = waiting_scheduler(tmp_path, begun, woken)
    command = [sys.executable, "-c", ASK, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        scheduler.start_auto_training()
        waits = []
        for number in range(7):
            woken.clear()
            other.stdin.write(f"try-{number}\n")
            asked = float(other.stdout.readline())
            assert woken.wait(10)
            waits.append(begun[f"try-{number}"] - asked)
            time.sleep(0.03)
        other.stdin.close()
    scheduler.stop_auto_training()
    assert median(waits) < STARTS_WITHIN_S, waits
    assert not list(tmp_path.glob("triggers/default/*"))


def test_what_was_asked_while_nobody_looked_is_done_at_the_next_start_once(tmp_path: Path) -> None:
    """In the order of asking, and a second look finds nothing."""
    inbox, begun = Inbox(tmp_path, "default"), {}
    for number, name in enumerate(("one", "two")):
        request = inbox.ask(name)
        os.utime(tmp_path / "triggers" / "default" / f"{request}.json", ns=(number, number))
    scheduler = waiting_scheduler(tmp_path, begun, threading.Event())
    while scheduler.run_due() is not None:
        pass
    assert list(begun) == ["one", "two"]
    assert inbox.waiting() == []


def test_a_crash_between_keeping_and_forgetting_makes_no_second_run(tmp_path: Path) -> None:
    """A request whose job is in the memory already is only forgotten."""
    inbox, kept = Inbox(tmp_path, "default"), []
    request = inbox.ask("mine")
    with pytest.raises(KeyboardInterrupt):
        inbox.take((), lambda name, asked: (_ for _ in ()).throw(KeyboardInterrupt))
    assert inbox.waiting() == [(request, "mine")]
    inbox.take({request}, lambda name, asked: kept.append(name))
    assert (kept, inbox.waiting()) == ([], [])


def test_what_is_no_request_is_removed_and_names_are_checked(tmp_path: Path) -> None:
    """Neither a broken file nor a name that leads elsewhere starts anything or stays in the way."""
    inbox = Inbox(tmp_path, "default")
    with pytest.raises(BadName):
        inbox.ask("../x")
    inbox.ask("good")
    for number, text in enumerate(("", "[]", '{"name": "../x"}', '{"name": 3}')):
        (tmp_path / "triggers" / "default" / f"bad-{number}.json").write_text(text)
    assert [name for _, name in inbox.waiting()] == ["good"]
    assert len(list(tmp_path.glob("triggers/default/*"))) == 1


def test_one_scheduler_looks_after_a_bot(tmp_path: Path) -> None:
    """A second one is told so, and how to ask the first; another bot is not concerned."""
    inbox = Inbox(tmp_path, "default")
    assert not inbox.is_looked_after()
    with inbox.looked_after():
        assert Inbox(tmp_path, "default").is_looked_after()
        with pytest.raises(StoreBusy, match="looking on already"), Inbox(tmp_path, "default").looked_after():
            pass
        with Inbox(tmp_path, "other").looked_after():
            pass
    assert not inbox.is_looked_after()
