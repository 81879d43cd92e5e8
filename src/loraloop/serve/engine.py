"""What the gateway asks of whatever runs the model; one file beside this one for each engine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

BASE = "base"
"""The name under which an engine serves the base alone."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One conversation to be continued by one version.

    Attributes:
        version: the engine's name of the weights: ``"base"`` or ``ll-<digest16>``.
        messages: ``role`` and ``content`` (text) in order, the system prompt first where there is one.
        max_tokens: longest answer, in tokens.
        temperature: 0 is greedy.
        top_p: nucleus share, used only when sampling.
        seed: of the sampling; ``None`` lets the engine draw one.
        stop: texts before which the answer ends.
        repetition_penalty: makes tokens already used less likely; 1 does nothing.
    """

    version: str
    messages: tuple[Mapping[str, str], ...]
    max_tokens: int = 48
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    repetition_penalty: float = 1.0


@dataclass(frozen=True, slots=True)
class Piece:
    """What came since the piece before.

    Attributes:
        text: new text; empty in a last piece that only says why the answer ended.
        finish: ``""`` while the answer goes on, then ``"stop"`` or ``"length"``.
        prompt_tokens: tokens of the prompt, known from the first piece on.
        completion_tokens: tokens of the answer so far.
    """

    text: str
    finish: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Probe:
    """A fixed answer whose probability proves which weights serve."""

    messages: tuple[Mapping[str, str], ...]
    answer: str


@dataclass(frozen=True, slots=True)
class Health:
    """Whether an engine can answer, and how busy it is.

    Attributes:
        ready: it can answer now.
        reason: why not, in words; empty when ready.
        active: answers being written now. waiting: requests not begun.
        versions: names that it serves now.
    """

    ready: bool
    reason: str = ""
    active: int = 0
    waiting: int = 0
    versions: tuple[str, ...] = field(default_factory=tuple)


class Engine(Protocol):
    """Serves several versions of one base side by side. A version never changes once loaded.

    Every method raises ``EngineError`` when the engine is away or refuses, with what to do about it.
    """

    async def start(self) -> None:
        """Bring the engine up (or connect to it) with the base served as ``"base"``."""
        ...

    async def load(self, version: str, adapter: Path, digest: str = "") -> None:
        """Serve a verified adapter folder under a name never used before in this engine's life.

        Args:
            digest: of the adapter that the files must be, for an engine that reads them itself; empty for any.

        Raises:
            ArtifactError: such an engine found the files unsafe, another adapter's, or made for another base.
        """
        ...

    async def unload(self, version: str) -> None:
        """Stop serving a version once its last answer has ended; an unknown name changes nothing."""
        ...

    async def logprobs(self, version: str, probes: Sequence[Probe]) -> list[float]:
        """Sum of the answer tokens' log-probabilities (nats), teacher-forced, one number a probe."""
        ...

    def stream(self, ask: Ask) -> AsyncIterator[Piece]:
        """Answer; the last piece has ``finish``. Closing the iterator (``aclose``) cancels the answer.

        Raises:
            UsageError: the model cannot read this conversation, for its length (``ConversationTooLong``) or its order;
                that says nothing of the engine, nor of the release.
        """
        ...

    async def health(self) -> Health:
        """How the engine is, without waiting for its work."""
        ...

    async def close(self) -> None:
        """Let go of it: stop a process of its own, only disconnect from a foreign one."""
        ...
