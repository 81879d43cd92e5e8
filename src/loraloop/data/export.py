"""Conversations -> our JSONL. Read back with ``import_files``, it gives equal conversations."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import DataError
from ..ports import Progress, Store
from ..telling import counted
from ..types import Conversation, plain
from .formats import SCHEMA_VERSION


def to_row(conversation: Conversation) -> dict[str, Any]:
    """Return a conversation as one row of our JSONL, without its id and bot: they follow from the rest."""
    row = {key: value for key, value in conversation.items() if key not in ("id", "bot") and value not in (None, [])}
    row["created_at"] = conversation.created_at.isoformat()
    if conversation.feedback:
        row["feedback"] = [_feedback_row(plain(item)) for item in conversation.feedback]
    return {"schema_version": SCHEMA_VERSION, **row}


def _feedback_row(item: dict[str, Any]) -> dict[str, Any]:
    return {**item, "created_at": item["created_at"].isoformat() if item["created_at"] else None}


def export_conversations(store: Store, bot: str, file: str | Path, progress: Progress | None = None) -> int:
    """Write all conversations of a bot, oldest first, redacted as they are stored.

    Written beside and moved into place, so that nobody ever reads half a file; readable by its owner alone.

    Args:
        store: where they are.
        bot: whose.
        file: path of the ``.jsonl`` to write; one that is there is replaced.
        progress: hears ``("read", conversations, of how many)``.

    Returns:
        How many were written.

    Raises:
        DataError: the file cannot be written.
    """

    def rows() -> Iterator[tuple[str, dict[str, Any]]]:
        every = counted(store.conversations.iterate(bot), progress, "read", store.conversations.count(bot))
        return ((one.id, to_row(one)) for one in every)

    return len(write_rows(store, bot, Path(file), rows))


def write_rows(
    store: Store, bot: str, target: Path, rows: Callable[[], Iterable[tuple[str, Mapping[str, Any]]]]
) -> set[str]:
    """Write rows made of a bot's conversations, whole or not at all, readable by the file's owner alone.

    Args:
        rows: the id of a conversation, and a row made of it; asked again when somebody was forgotten meanwhile.

    Returns:
        The ids of the conversations in the file.

    Raises:
        DataError: the file cannot be written.
    """
    try:
        while True:
            written = _write(target, rows())
            # Who was forgotten while the file was written may stand in it, and the search for them is over. One that
            # has searched may not be committed yet: once this has had its turn to write, it is.
            with store.together():
                pass
            if written <= {conversation.id for conversation in store.conversations.iterate(bot)}:
                return written
    except OSError as error:
        raise DataError(
            f"{target}: {error.strerror or 'cannot be written'}", hint="choose a folder that can be written to"
        ) from error


def _write(target: Path, rows: Iterable[tuple[str, Mapping[str, Any]]]) -> set[str]:
    """Write the file once; returns the ids of the conversations in it."""
    partial = target.with_name(f".{target.name}.{os.getpid()}.part")
    written: set[str] = set()
    try:
        with open(partial, "x", encoding="utf-8", newline="\n", opener=_private) as stream:
            for conversation_id, row in rows:
                stream.write(json.dumps(row, ensure_ascii=False) + "\n")
                written.add(conversation_id)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return written


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
