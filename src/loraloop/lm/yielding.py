"""Training gives way to users: a heavy child process stands still while somebody is being answered beside it.

The child's parent looks at the sign of the home's gateway and stops the child's group (SIGSTOP), which takes effect at
once and costs the child nothing but time. It holds no lock of the home, and its parent, or that one's worker, keeps the
lease meanwhile. The kernel kills a child that stands still when its parent dies, as it does any other.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

from pydantic import BaseModel, ConfigDict, Field

from .own_time import StoodTime

log = logging.getLogger(__name__)

LOOK_S, LOOK_FOR_GATEWAY_S = 0.01, 0.1
"""Between two looks at the sign: what a request may have to share the machine for, and where no gateway is up."""
TELL_S = 1.0
"""Between two words about a child that stands still."""
Hear = Callable[[bool, float], None]
"""Told ``(stands, seconds)``: whether a child stands still now, and how long it did since the last word."""


class YieldingConfig(BaseModel):
    """How training and evaluation give way to users who are answered on the same machine."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    to_users: bool = True
    """Whether training and evaluation stand still while a gateway of this home, on this machine, answers somebody.
    Switch it off where the model that answers runs on another machine."""
    quiet_s: float = Field(default=0.5, ge=0, le=3600)
    """Seconds without a request after which they go on."""
    longest_s: float = Field(default=600.0, ge=1, le=604_800)
    """Seconds that they may stand still beyond their share before they run for turn_s, though users are answered."""
    turn_s: float = Field(default=20.0, gt=0, le=86_400)
    """Seconds that they run, at the lowest priority, in every longest_s however much is asked."""
    lowest_priority: bool = True
    """Whether those that begin while a gateway of this home is up on this machine run only on what everything else
    leaves of the processor."""
    threads: int = Field(default=0, ge=0, le=256)
    """Most threads of one that begins while a gateway of this home is up on this machine; 0 for no such limit. How many
    compute decides how sums are rounded, so with a limit the same rows may give an adapter of other bytes."""


class Sign(Protocol):
    """Says whether users are served beside this process."""

    def is_serving(self) -> bool:
        """Whether a gateway is up."""
        ...

    def is_answering(self) -> bool:
        """Whether somebody is being answered now."""
        ...


class Turns:
    """Who has the machine now, users or the heavy child? A decision from look to look; pure but for what it remembers.

    Time that the child stands still is owed to it, and paid off while it runs, ``longest_s`` in ``turn_s``. Once
    ``longest_s`` is owed it runs until nothing is.

    Attributes:
        is_overdue: it runs though users are answered.

    Example:
        >>> turns = Turns(YieldingConfig(quiet_s=0.5), 0.0)
        >>> [turns.stands(now, answering) for now, answering in ((0, False), (1, True), (1.4, False), (1.6, False))]
        [False, True, True, False]
    """

    def __init__(self, config: YieldingConfig, now_s: float) -> None:
        self._config = config
        self._looked_s, self._answered_s, self._owed_s = now_s, float("-inf"), 0.0
        self._stands = self.is_overdue = False

    def stands(self, now_s: float, answering: bool) -> bool:
        """Whether the child is to stand still from now on."""
        config, spent_s = self._config, now_s - self._looked_s
        self._looked_s = now_s
        if answering:
            self._answered_s = now_s
        paid_s = spent_s * config.longest_s / config.turn_s
        self._owed_s = self._owed_s + spent_s if self._stands else max(0.0, self._owed_s - paid_s)
        if self._owed_s >= config.longest_s:
            self.is_overdue = True
        elif not self._owed_s:
            self.is_overdue = False
        self._stands = not self.is_overdue and now_s - self._answered_s <= config.quiet_s
        return self._stands


class Yielding:
    """Makes heavy children give way.

    Args:
        config: settings. sign: where it is said that somebody is answered.

    Attributes:
        hear: told about each child from a thread; whoever keeps the job's lease sets it.
    """

    def __init__(self, config: YieldingConfig, sign: Sign) -> None:
        self._config, self._sign = config, sign
        self.hear: Hear = lambda stands, seconds: None

    @property
    def gives_way(self) -> bool:
        """Whether a child may be made to stand still."""
        return self._config.to_users and hasattr(os, "memfd_create")

    @property
    def lowest_priority(self) -> bool:
        """Whether a child that begins now runs on what all else leaves; not where nobody is served: it would starve."""
        return self._config.lowest_priority and self._sign.is_serving()

    def max_threads(self) -> int | None:
        """Most threads of a child that begins now; ``None`` for no limit."""
        return self._config.threads or None if self._sign.is_serving() else None

    @contextmanager
    def over(self, pid: int, stood: StoodTime, is_ending: Callable[[], bool]) -> Iterator[None]:
        """Let the group of a child give way for as long as the block lasts; it runs when the block ends.

        Args:
            stood: what the child follows. is_ending: it was asked to end and must not be stopped on its way.
        """
        over = threading.Event()
        watch = threading.Thread(
            target=self._watch, args=(_Child(pid, stood, self._tell), is_ending, over), name="yielding", daemon=True
        )
        watch.start()
        try:
            yield
        finally:
            over.set()
            watch.join()
            if stood.seconds:
                log.info("process %d stood still for %.1f s in all while users were answered", pid, stood.seconds)

    def _watch(self, child: _Child, is_ending: Callable[[], bool], over: threading.Event) -> None:
        turns, was_overdue = Turns(self._config, time.monotonic()), False
        try:
            while not over.wait(LOOK_S if self._sign.is_serving() else LOOK_FOR_GATEWAY_S):
                stands = turns.stands(time.monotonic(), self._sign.is_answering())
                child.stand(stands and not is_ending())
                if turns.is_overdue and not was_overdue:
                    log.warning(
                        "users have asked almost without a rest; process %d runs for %g s at the lowest priority all"
                        " the same, as [yielding] longest_s and turn_s say",
                        child.pid, self._config.turn_s,
                    )  # fmt: skip
                was_overdue = turns.is_overdue
        finally:
            child.stand(False)

    def _tell(self, stands: bool, seconds: float) -> None:
        try:
            self.hear(stands, seconds)
        except Exception as error:  # whoever hears may be going; the child must not be left standing for that
            log.warning("nobody hears that a process stands still: %s", type(error).__name__)


class _Child:
    """The group of one child: running or standing still."""

    def __init__(self, pid: int, stood: StoodTime, tell: Hear) -> None:
        self.pid, self._stood, self._tell = pid, stood, tell
        self._since_s: float | None = None
        self._told_s = 0.0

    def stand(self, still: bool) -> None:
        """Make it stand still, or let it go on; time that it stands is counted before it can look at a clock."""
        now_s = time.perf_counter()
        if still and self._since_s is None:
            self._signal(signal.SIGSTOP)
            self._since_s = self._told_s = now_s
            self._tell(True, 0.0)
        elif not still and self._since_s is not None:
            self._stood.add(now_s - self._since_s)
            self._since_s = None
            self._signal(signal.SIGCONT)
            self._tell(False, now_s - self._told_s)
        elif self._since_s is not None and now_s - self._told_s >= TELL_S:
            self._tell(True, now_s - self._told_s)
            self._told_s = now_s

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)
