"""What components ask of one another: Protocols, never classes. ``wiring.py`` chooses who answers.

Everything here is synchronous and speaks in the values of ``types.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

from .experiment_store import ExperimentStore
from .job_store import JobStore, LeaseStore
from .prepared_store import PreparedStore
from .signature_store import SignatureStore
from .types import (
    Adapter,
    Arrived,
    Conversation,
    Dataset,
    Decision,
    Feedback,
    Mark,
    Person,
    Record,
    Release,
    Report,
)

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

    def some(self, conversation_ids: Collection[str]) -> dict[str, Conversation]: ...

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


class DatasetStore(ValueStore[Dataset], Protocol):
    """Keeps datasets, and the mark up to where each bot's last one has read."""

    def ids(self, bot: str) -> list[str]: ...
    def remove(self, dataset_id: str) -> None: ...
    def put(self, value: Dataset, seen_feedback: int | None = None) -> Dataset:
        """Store a dataset, and in the same transaction its mark where ``seen_feedback`` is given."""
        ...

    def check_consent(self, dataset: Dataset) -> None:
        """Raise ``DataError`` where a row may not be learnt from as things stand now."""
        ...


class ArrivalStore(Protocol):
    """Counts what came since a dataset, without reading it."""

    def last_feedback(self) -> int:
        """The number of the last word of feedback; asked before a dataset's rows are chosen."""
        ...

    def mark(self, bot: str) -> Mark | None: ...

    def since(self, bot: str, mark: Mark | None) -> Arrived: ...

    def people_since(self, bot: str, at: datetime) -> int:
        """People (else sessions, else conversations) who said something after a time that may be learnt from."""
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


class Store(Protocol):
    """One database, seen as its parts."""

    @property
    def conversations(self) -> ConversationStore: ...

    @property
    def people(self) -> PeopleStore: ...

    @property
    def datasets(self) -> DatasetStore: ...

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

    @property
    def arrivals(self) -> ArrivalStore: ...

    @property
    def signatures(self) -> SignatureStore: ...

    @property
    def prepared(self) -> PreparedStore: ...

    @property
    def jobs(self) -> JobStore: ...

    @property
    def leases(self) -> LeaseStore: ...

    def bots(self) -> list[str]:
        """Every bot that has an adapter or a release, sorted."""
        ...

    def together(self) -> AbstractContextManager[None]:
        """Let every write of this thread in the block be one transaction: all are kept, or none."""
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
