"""What people did while their rows were in use: was anybody of a dataset forgotten, or did somebody withdraw?"""

from __future__ import annotations

from .deploy.history import ALL
from .errors import DataError
from .ports import ArtifactStore, Store
from .types import Dataset

_FORGOTTEN = "somebody was forgotten while their rows were in use; what was made of them is dropped"


def refuse_forgotten(store: Store, dataset: Dataset) -> None:
    """Refuse what was made of a dataset that has not all its rows any more: who was forgotten has none.

    Raises:
        DataError: it has fewer.
    """
    stored = store.datasets.get(dataset.id)
    if stored is not None and len(stored.rows) != len(dataset.rows):
        raise DataError(_FORGOTTEN, hint="run it again: the next dataset is without them")


def refuse_withdrawn(store: Store, dataset_id: str | None) -> None:
    """Refuse what learnt from somebody who has withdrawn since.

    Raises:
        DataError: a row of the dataset may not be learnt from any more.
    """
    dataset = store.datasets.get(dataset_id) if dataset_id else None
    if dataset is not None:
        store.datasets.check_consent(dataset)


def drop_unused(store: Store, artifacts: ArtifactStore, digest: str) -> None:
    """Remove an adapter's files, unless an adapter that is stored has the very same ones."""
    if not any(digest == one.digest for bot in store.bots() for one in store.adapters.list(bot, ALL)):
        artifacts.remove(digest)
