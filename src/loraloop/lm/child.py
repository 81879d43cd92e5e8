"""Run a heavy step in a child process that serves nobody: low priority, gives way to users, dies with its parent.

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
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from .. import errors
from ..errors import LoraloopError, TrainingError
from ..processes import run_on_leftovers
from .own_time import StoodTime, follow

if TYPE_CHECKING:
    from .yielding import Yielding

LOWEST_PRIORITY = 10
PARENT = "LORALOOP_PARENT"
"""Variable that tells a child the process id of whoever started it."""
_PR_SET_PDEATHSIG = 1
_TRACEBACK = "Traceback (most recent call last):"
_ABOUT_MODULES = ("ImportError", "ModuleNotFoundError")
_RUNNING: set[int] = set()
"""Process ids of the children that run now; each leads a group of its own."""
_ENDING: set[int] = set()
"""Those of them that were asked to end, and must not be made to stand still on their way."""


def child_command(module: str) -> list[str]:
    """How a module of ours is run; its own folder must not shadow installed packages."""
    return [sys.executable, "-P", "-m", module]


def child_environment() -> dict[str, str]:
    """What a child needs in its environment: this package, wherever that came from, and no calls home."""
    source = str(Path(__file__).resolve().parents[2])
    paths = [source, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)), "HF_HUB_OFFLINE": "1"}
    return env | {"HF_HUB_DISABLE_TELEMETRY": "1", "TOKENIZERS_PARALLELISM": "false", PARENT: str(os.getpid())}


def die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent is gone (Linux; elsewhere its pipes tell it).

    A parent that died before the kernel was asked is seen by its process id, and this process ends at once.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) if sys.platform == "linux" else None
    parent = os.environ.pop(PARENT, "")  # not for the children that this process starts
    if parent and parent != str(os.getppid()):
        os._exit(1)


def run_child(
    module: str,
    spec: Mapping[str, Any],
    on_fact: Callable[[dict[str, Any]], None],
    *,
    log_path: Path | None = None,
    died: type[LoraloopError] = TrainingError,
    on_start: Callable[[int], None] = lambda pid: None,
    yielding: Yielding | None = None,
) -> dict[str, Any]:
    """Run ``python -m module``, hand it ``spec``, hear each fact, and return the one of kind ``"result"``.

    Args:
        log_path: where the libraries' own words go, appended; ``None`` shows their end only when the child dies.
        died: the error for a child that ended without a word; ``crashed`` of it is true.
        on_start: told the child's process id before it hears ``spec``.
        yielding: makes it give way to users; only for a child that holds no lock that others wait for.

    Raises:
        LoraloopError: the same error the child raised, or ``died`` when it ended without a result (killed, out of
            memory, a bug), naming the signal or the kind of its exception: whose message may quote a conversation.
    """
    with ExitStack() as stack, tempfile.TemporaryFile() if log_path is None else log_path.open("a+b") as log_file:
        stood = StoodTime() if yielding is not None and yielding.gives_way else None
        if stood is not None:
            stack.callback(stood.close)
        child = subprocess.Popen(
            child_command(module),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log_file,
            env=child_environment(),
            start_new_session=True,
            pass_fds=[stood.fd] if stood is not None else (),
        )
        _RUNNING.add(child.pid)
        try:
            if yielding is not None:
                if yielding.lowest_priority:
                    run_on_leftovers(child.pid)
                spec = {**spec, "max_threads": yielding.max_threads(), "stood": stood.fd if stood is not None else None}
            on_start(child.pid)
            with ExitStack() as while_it_runs:

                def began() -> None:
                    if yielding is not None and stood is not None:
                        while_it_runs.enter_context(yielding.over(child.pid, stood, lambda: child.pid in _ENDING))

                death = lambda status: _death(status, log_file, log_path, died)  # noqa: E731
                return _converse(child, spec, on_fact, began, death)
        finally:
            _stop(child)
            _RUNNING.discard(child.pid)
            _ENDING.discard(child.pid)


def stop_children() -> None:
    """Ask every child that runs here to end, from another thread; whoever waits for one hears that it ended."""
    for pid in list(_RUNNING):
        _ENDING.add(pid)
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGTERM)
            os.killpg(pid, signal.SIGCONT)  # one that stands still hears nothing


def _converse(
    child: subprocess.Popen[bytes],
    spec: Mapping[str, Any],
    on_fact: Callable[[dict[str, Any]], None],
    began: Callable[[], None],
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
        if fact["kind"] == "began":
            began()
        elif fact["kind"] == "result":
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

    Facts may be told from several threads.

    Args:
        work: ``(spec, say) -> result``; ``say(kind, **facts)`` tells the parent something.
    """
    die_with_parent()
    os.nice(LOWEST_PRIORITY)
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints goes to the log, never between the facts

    lock = threading.Lock()

    def say(kind: str, **facts: Any) -> None:
        with lock:
            out.write(json.dumps({"kind": kind, **facts}) + "\n")
            out.flush()

    say("began")  # only now would it be killed with its parent though it stood still
    spec = json.load(sys.stdin)
    if (fd := spec.pop("stood", None)) is not None:
        follow(fd)
    try:
        say("result", value=work(spec, say))
    except LoraloopError as error:
        told = {"args": [str(a) for a in error.args], "message": str(error), "hint": error.hint}
        say("error", error=type(error).__name__, crashed=error.crashed, **told)
        sys.exit(1)
