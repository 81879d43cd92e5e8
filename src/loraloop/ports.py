"""What components ask of one another: Protocols, never classes. ``wiring.py`` chooses who answers.

Everything here is synchronous and speaks in the values of ``types.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

from .experiments import Arm, Experiment, Observation, Tally
from .types import Adapter, Conversation, Dataset, Decision, Feedback, Person, Record, Release, Report

V = TypeVar("V", bound=Record)
C_co = TypeVar("C_co", covariant=True)


class Clock(Protocol):
    """Tells the time; tests hand in one that stands still."""

    def now(self) -> datetime:
        """The time now, aware, UTC."""
        ...


class Judge(Protocol):
    """Says which of two answers is better."""

    def prefer(self, question: str, first: str, second: str) -> str | None:
        """Return ``"first"``, ``"second"`` or ``"tie"``; ``None`` where there is no usable opinion."""
        ...


class Embedder(Protocol):
    """Turns texts into vectors whose angle tells how alike they are."""

    local: bool
    """Whether texts stay on this machine; words of users go to no other."""

    def embed(self, texts: Sequence[str]) -> list[Sequence[float]] | None:
        """Return one vector a text, all of one length; ``None`` where there is no usable answer."""
        ...


class Progress(Protocol):
    """Hears how far a long step has come.

    Called as ``progress(stage, done, total, **facts)``: ``done`` and ``total`` count units of the stage (``total`` 0
    when unknown), facts are numbers to show beside the bar (``loss``, ``tokens_per_s``).
    """

    def __call__(self, stage: str, done: int, total: int, **facts: float) -> None: ...


class Frozen(Protocol[C_co]):
    """A caller's assignable config that can say what it holds at this moment."""

    def frozen(self) -> C_co:
        """The frozen config of the component, as of now."""
        ...


@runtime_checkable
class DataCollector(Protocol):
    """The old system's source of conversations; ours answers too."""

    def get_recent_data(self, days: int) -> list[dict[str, Any]]:
        """Records of the last ``days`` days: ``user_input, bot_response, quality_score, timestamp``."""
        ...


class ConversationStore(Protocol):
    """Keeps conversations; the only place where their text lives."""

    def add(self, conversations: Iterable[Conversation]) -> int:
        """Store those not yet known; return how many were new. All of one call or none."""
        ...

    def get(self, conversation_id: str) -> Conversation | None: ...

    def iterate(self, bot: str, since: datetime | None = None) -> Iterator[Conversation]:
        """All conversations of a bot, oldest first (created_at, then id)."""
        ...

    def count(self, bot: str) -> int: ...

    def add_feedback(self, conversation_id: str, feedback: Feedback) -> None:
        """Append feedback. Raises UnknownThing for an unknown conversation or a message that is no answer."""
        ...

    def save_drops(self, bot: str, drops: Mapping[str, str]) -> None:
        """Replace the bot's table of dropped rows: ``conversation_id[#message_index]`` -> reason."""
        ...

    def drops(self, bot: str) -> dict[str, str]: ...


class PeopleStore(Protocol):
    """Keeps what holds for all that a person said: age group, guardian's consent, withdrawal."""

    def get(self, person_id: str) -> Person: ...

    def put(self, person: Person, *, bot: str, actor: str) -> Person: ...


class ValueStore(Protocol[V]):
    """Keeps one kind of immutable value (datasets, adapters, reports, decisions)."""

    def put(self, value: V) -> V:
        """Store a value; storing the same id again changes nothing."""
        ...

    def get(self, value_id: str) -> V | None: ...

    def list(self, bot: str, limit: int = 1000) -> list[V]:
        """Newest first."""
        ...


class ReleaseStore(Protocol):
    """Keeps releases and the live pointer of each bot."""

    def live(self, bot: str) -> Release | None: ...

    def publish(self, release: Release, expected_version: int) -> Release:
        """Store ``release`` and make it live, in one transaction.

        Raises:
            StaleRelease: the live version is not ``expected_version`` (0 when nothing is live).
        """
        ...

    def history(self, bot: str, limit: int = 10) -> list[Release]:
        """Newest first."""
        ...

    def get(self, release_id: str) -> Release | None: ...

    def set_status(self, release_id: str, status: str) -> None: ...


class StateStore(Protocol):
    """Small named JSON values that must survive a restart (scheduler state, home secret)."""

    def read(self, key: str) -> Any | None: ...

    def write(self, key: str, value: Any) -> None: ...


class EventStore(Protocol):
    """Append-only facts for audit and dashboard."""

    def append(self, bot: str, kind: str, actor: str, facts: Mapping[str, Any]) -> None: ...

    def tail(self, bot: str, limit: int = 100) -> list[dict[str, Any]]:
        """Newest first: ``id, bot, kind, actor, at, facts``."""
        ...


class ExperimentStore(Protocol):
    """Keeps experiments, who takes part, and what was seen of their answers."""

    def start(self, experiment: Experiment, candidate: Release) -> Experiment:
        """Store both, the candidate as a release that is not live, in one transaction.

        Raises:
            UsageError: an experiment of this bot is running already.
        """
        ...

    def running(self, bot: str) -> Experiment | None: ...

    def list(self, bot: str, limit: int = 100) -> list[Experiment]:
        """Newest first."""
        ...

    def change(self, was: Experiment, now: Experiment, event: str, facts: Mapping[str, Any]) -> Experiment:
        """Replace an experiment that is still as it ``was``, and tell it.

        Raises:
            StaleRelease: somebody else changed it first.
        """
        ...

    def assign(self, experiment_id: str, user: str, arm: Arm, at: datetime) -> None:
        """Write down that a user takes part, durably; a second time changes nothing."""
        ...

    def observe(self, experiment_id: str, seen: Sequence[Observation]) -> None:
        """Add what was seen of assigned users; of others nothing is kept."""
        ...

    def tally(self, experiment_id: str, primary: str) -> Tally: ...

    def forget(self, user: str) -> int:
        """Remove a user from every experiment; return from how many."""
        ...


class Store(Protocol):
    """One database, seen as its parts."""

    @property
    def conversations(self) -> ConversationStore: ...

    @property
    def people(self) -> PeopleStore: ...

    @property
    def datasets(self) -> ValueStore[Dataset]: ...

    @property
    def adapters(self) -> ValueStore[Adapter]: ...

    @property
    def reports(self) -> ValueStore[Report]: ...

    @property
    def decisions(self) -> ValueStore[Decision]: ...

    @property
    def releases(self) -> ReleaseStore: ...

    @property
    def state(self) -> StateStore: ...

    @property
    def events(self) -> EventStore: ...

    @property
    def experiments(self) -> ExperimentStore: ...

    def bots(self) -> list[str]:
        """Every bot that has an adapter or a release, sorted."""
        ...

    def close(self) -> None: ...


class ArtifactStore(Protocol):
    """Keeps immutable folders by the SHA-256 of their content."""

    def staging(self) -> Path:
        """A new empty folder on the same file system, to be filled and published."""
        ...

    def publish(self, staged: Path, digest: str, facts: Mapping[str, Any] | None = None) -> Path:
        """Make ``staged`` the object ``digest``, durably; a second publish of the same digest changes nothing.

        Args:
            facts: kept in the manifest beside the files' digests.
        """
        ...

    def alias(self, folder: Path, name: str, digest: str) -> Path:
        """Make ``folder/name`` lead to an object, atomically; returns that path."""
        ...

    def verified(self, digest: str) -> Path:
        """The folder of an object, after every file was checked against its manifest.

        Raises:
            TamperedArtifact: a file is missing, extra or changed.
        """
        ...

    def digests(self) -> Sequence[str]: ...

    def remove(self, digest: str) -> None: ...


Callback = Callable[..., Any]
