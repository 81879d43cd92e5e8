"""An export that is written while somebody is forgotten."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from loraloop.data.export import export_conversations
from loraloop.store.sql import SqlStore, open_store
from loraloop.traces import scrub_files
from loraloop.types import Conversation


def test_whoever_is_being_forgotten_as_an_export_ends_is_not_in_it(
    store: SqlStore, say: Callable[..., Conversation], tmp_path: Path
) -> None:
    """The files were searched before the export was in its place, and the erasure is committed after it was."""
    stays, goes = say("who stays?", "I do.", user="u-a"), say("who goes?", "I do.", user="u-b")
    store.conversations.add([stays, goes])
    home = tmp_path / "home"
    home.mkdir()
    exporter = open_store(store._database.path)
    with ThreadPoolExecutor(1) as beside:
        with store.together():
            erased = store.eraser.erase((), [goes.id], for_ever=False)
            assert scrub_files(home, erased.conversations, erased.texts) == []
            writing = beside.submit(export_conversations, exporter, goes.bot, home / "all.jsonl")
            while not (home / "all.jsonl").exists():
                assert not writing.done() or writing.result()
            assert "who goes" in (home / "all.jsonl").read_text()
        assert writing.result() == 1
    exporter.close()
    assert "who stays" in (home / "all.jsonl").read_text()
    assert "who goes" not in (home / "all.jsonl").read_text()
