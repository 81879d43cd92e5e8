"""Run a heavy step in a child process that serves nobody: capped threads, low priority, dies with its parent.

Spec goes in on standard input and facts come back as JSON lines on standard output, so no conversation text touches
the disk; what the libraries print goes to a log file.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from .. import errors
from ..errors import LoraloopError, TrainingError

LOWEST_PRIORITY = 10
_PR_SET_PDEATHSIG = 1
_TRACEBACK = "Traceback (most recent call last):"
_ABOUT_MODULES = ("ImportError", "ModuleNotFoundError")
_RUNNING: set[int] = set()
"""Process ids of the children that run now; each leads a group of its own."""


def child_command(module: str) -> list[str]:
    """How a module of ours is run; its own folder must not shadow installed packages."""
    return [sys.executable, "-P", "-m", module]


def child_environment() -> dict[str, str]:
    """What a child needs in its environment: this package, wherever that came from, and no calls home."""
    source = str(Path(__file__).resolve().parents[2])
    paths = [source, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)), "HF_HUB_OFFLINE": "1"}
    return env | {"HF_HUB_DISABLE_TELEMETRY": "1", "TOKENIZERS_PARALLELISM": "false"}


def die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent is gone (Linux; elsewhere its pipes tell it)."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) if sys.platform == "linux" else None


def run_child(
    module: str,
    spec: Mapping[str, Any],
    on_fact: Callable[[dict[str, Any]], None],
    *,
    log_path: Path | None = None,
    died: type[LoraloopError] = TrainingError,
    on_start: Callable[[int], None] = lambda pid: None,
) -> dict[str, Any]:
    """Run ``python -m module``, hand it ``spec``, hear each fact, and return the one of kind ``"result"``.

    Args:
        log_path: where the libraries' own words go, appended; ``None`` shows their end only when the child dies.
        died: the error for a child that ended without a word; ``crashed`` of it is true.
        on_start: told the child's process id before it hears ``spec``.

    Raises:
        LoraloopError: the same error the child raised, or ``died`` when it ended without a result (killed, out of
            memory, a bug), naming the signal or the kind of its exception: whose message may quote a conversation.
    """
    with tempfile.TemporaryFile() if log_path is None else log_path.open("a+b") as log_file:
        child = subprocess.Popen(
            child_command(module),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log_file,
            env=child_environment(),
            start_new_session=True,
        )
        _RUNNING.add(child.pid)
        try:
            on_start(child.pid)
            return _converse(child, spec, on_fact, lambda status: _death(status, log_file, log_path, died))
        finally:
            _stop(child)
            _RUNNING.discard(child.pid)


def stop_children() -> None:
    """Ask every child that runs here to end, from another thread; whoever waits for one hears that it ended."""
    for pid in list(_RUNNING):
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGTERM)


def _converse(
    child: subprocess.Popen[bytes],
    spec: Mapping[str, Any],
    on_fact: Callable[[dict[str, Any]], None],
    death: Callable[[int], LoraloopError],
) -> dict[str, Any]:
    assert child.stdin is not None  # Popen was asked for both
    assert child.stdout is not None
    try:
        child.stdin.write(json.dumps(spec).encode())
        child.stdin.close()
    except BrokenPipeError:
        pass  # it died at once; the exit status below says how
    result: dict[str, Any] | None = None
    for line in child.stdout:
        fact = json.loads(line)
        if fact["kind"] == "result":
            result = fact["value"]
        elif fact["kind"] == "error":
            raise rebuilt_error(fact)
        else:
            on_fact(fact)
    status = child.wait()
    if status != 0 or result is None:
        raise death(status)
    return result


def _death(status: int, log_file: IO[bytes], log_path: Path | None, died: type[LoraloopError]) -> LoraloopError:
    """The error for a child that ended without a word: how, the kind of its exception, and where its log is."""
    how = f"killed by {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
    log_file.seek(max(0, log_file.seek(0, os.SEEK_END) - 4096))
    kind = _kind_of_exception(log_file.read().decode(errors="replace"))
    last = f"; {kind}" if kind else ""
    where = f"; log: {log_path}" if log_path else ""
    hint = "was memory short? try a smaller batch" if status == -signal.SIGKILL else "run again with --verbose"
    error = died(f"the child process ended without a result ({how}{last}){where}", hint=hint)
    error.crashed = True
    return error


def _kind_of_exception(printed: str) -> str:
    """The kind of the exception that a child ended with; its message only where that cannot quote a conversation."""
    _, found, last = printed.rpartition(_TRACEBACK)
    ended = next((line for line in last.splitlines()[1:] if line and not line[0].isspace()), "") if found else ""
    kind = ended.partition(":")[0]
    if kind in _ABOUT_MODULES:
        return ended[:160]
    return kind[:80] if kind.replace(".", "").isidentifier() else ""


def _stop(child: subprocess.Popen[bytes]) -> None:
    """Make sure the child and its group are gone."""
    if child.poll() is None:
        for sign, wait_s in ((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)):
            try:
                os.killpg(child.pid, sign)
                child.wait(wait_s)
                break
            except ProcessLookupError:
                break
            except subprocess.TimeoutExpired:
                continue
    if child.stdout is not None:
        child.stdout.close()


def rebuilt_error(fact: Mapping[str, Any]) -> LoraloopError:
    """The error that a child told about."""
    kind = getattr(errors, str(fact["error"]), None)
    if isinstance(kind, type) and issubclass(kind, LoraloopError):
        error = kind(*fact["args"], hint=str(fact["hint"]))
        error.crashed = bool(fact.get("crashed"))
        return error
    return TrainingError(f"{fact['error']}: {fact.get('message', '')}")


def child_main(work: Callable[[dict[str, Any], Callable[..., None]], dict[str, Any]]) -> None:
    """What a child's ``__main__`` calls: read the spec, lower the priority, work, and tell the result or the error.

    Args:
        work: ``(spec, say) -> result``; ``say(kind, **facts)`` tells the parent something.
    """
    die_with_parent()
    os.nice(LOWEST_PRIORITY)
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints goes to the log, never between the facts

    def say(kind: str, **facts: Any) -> None:
        out.write(json.dumps({"kind": kind, **facts}) + "\n")
        out.flush()

    spec = json.load(sys.stdin)
    try:
        say("result", value=work(spec, say))
    except LoraloopError as error:
        told = {"args": [str(a) for a in error.args], "message": str(error), "hint": error.hint}
        say("error", error=type(error).__name__, crashed=error.crashed, **told)
        sys.exit(1)
