"""Is what an engine serves under a name really the adapter? Fixed answers, and how likely each version finds them.

An engine may load an adapter, answer "success" and serve the base, or serve another one. Greedy text proves nothing
(in bfloat16, a batch of one and a batch of eight agreed on five of eight prompts); log-probabilities of fixed answers,
teacher-forced, do: they must differ from the base's by more than the engine's own noise, and match what the adapter's
files give when computed apart from the engine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .engine import BASE, Engine, Probe

NOISE_FACTOR = 4.0
"""How many times the widest difference seen between two ways to ask the same still counts as noise."""
_FOREIGN_BASE_FRAC = 0.05


def _probe(question: str, answer: str) -> Probe:
    return Probe(({"role": "user", "content": question},), answer)


PROBES = (
    _probe("Hello, how are you today?", "I am fine, thank you. And you?"),
    _probe("What do you like to eat?", "I like noodles and warm soup."),
    _probe("안녕하세요?", "안녕하세요! 만나서 반가워요."),
)
"""The fixed answers; what was computed of them is kept under ``PROBES_ID``."""
PROBES_ID = "probes-2"
"""Another one for other answers, and where the same weights come out as other numbers than before."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What the files give, computed apart from the engine: nats a probe, of the base alone and of the adapter."""

    base: tuple[float, ...]
    adapter: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Calibration:
    """What an engine says of the base, and how far it strays when asked the same in another way.

    Attributes:
        base: nats a probe. tolerance: nats within which two numbers are the same.
    """

    base: tuple[float, ...]
    tolerance: float


async def calibrate(engine: Engine, floor: float, probes: Sequence[Probe] = PROBES) -> Calibration:
    """Ask for the base all at once and one by one; the widest difference is the engine's noise.

    Args:
        floor: least tolerance, in nats.
    """
    together = await engine.logprobs(BASE, probes)
    alone = [(await engine.logprobs(BASE, [probe]))[0] for probe in probes]
    noise = max(abs(a - b) for a, b in zip(together, alone, strict=True))
    return Calibration(tuple(together), max(floor, NOISE_FACTOR * noise))


def fault(found: Sequence[float], calibration: Calibration, expected: Expected | None) -> str:
    """Why a version is not what it should be, in words; empty where it is.

    Args:
        found: what the engine says under the version's name, nats a probe.
        expected: ``None`` where nothing was computed apart; then only the difference from the base is proof.

    Example:
        >>> fault([-10.0], Calibration((-10.0,), 0.1), None)
        'it answers like the base alone (fixed answers differ by 0 nats at most, more than 0.1 are required)'
        >>> fault([-12.0], Calibration((-10.0,), 0.1), Expected((-10.0,), (-12.05,)))
        ''
    """
    moved = max(abs(a - b) for a, b in zip(found, calibration.base, strict=True))
    if moved <= calibration.tolerance:
        return (
            f"it answers like the base alone (fixed answers differ by {moved:.2g} nats at most, "
            f"more than {calibration.tolerance:.2g} are required)"
        )
    if expected is None:
        return ""
    apart = max(abs(a - b) for a, b in zip(calibration.base, expected.base, strict=True))
    widest = max(abs(value) for value in expected.base)
    if apart > max(calibration.tolerance, _FOREIGN_BASE_FRAC * widest):
        return f"the engine's base is not the one the adapter was judged on (fixed answers differ by {apart:.2g} nats)"
    allowed = max(calibration.tolerance, NOISE_FACTOR * apart)
    strays = max(abs(a - b) for a, b in zip(found, expected.adapter, strict=True))
    if strays > allowed:
        return (
            f"it is not the adapter that was judged (fixed answers differ by {strays:.2g} nats from what its files "
            f"give, {allowed:.2g} are allowed)"
        )
    return ""
