"""Small real operations on a tiny home, each in a forked process that may be killed, and what must hold afterwards.

Run as a program it is a server: a JSON line in, a child forked, a JSON line out. Forked from one process that has
loaded everything, a case costs milliseconds; the server itself has one thread and opens nothing.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

os.environ.update(HF_HUB_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1", OMP_NUM_THREADS="1")

Ack = Callable[[str], None]
_PRELOADED = ("loraloop.", "alembic.", "phonenumbers", "sqlalchemy.", "pydantic", "rensa", "numpy")
_SET_PTRACER = 0x59616D61


def prepare(folder: Path, base: Path) -> Path:
    """Make a home with one conversation and two confirmed releases, a third adapter that is not live, a checkpoint."""
    from loraloop.wiring import init_home, open_home

    home_folder = init_home(folder, base__model=str(base))
    with open_home(home_folder) as home:
        said = _say(home, "before", "mina")
        for number in (1, 2, 3):
            adapter = _publish(home, number)
            if number < 3:
                released = home.deployer.release(_promoted(home, adapter), adapter, actor="test")
                home.deployer.confirm(released.id)
    (home_folder / "acknowledged.json").write_text(json.dumps({"capture": [said]}))
    checkpoint(home_folder, lambda _: None, step=1)
    return home_folder


def capture(folder: Path, ack: Ack) -> None:
    """Store an exchange."""
    from loraloop.wiring import open_home

    with open_home(folder) as home:
        ack(_say(home, "new", "juna"))


def publish(folder: Path, ack: Ack) -> None:
    """Publish an adapter and store its value."""
    from loraloop.wiring import open_home

    with open_home(folder) as home:
        ack(_publish(home, 9).digest)


def checkpoint(folder: Path, ack: Ack, step: int = 2) -> None:
    """Save a checkpoint of a training."""
    import torch

    from loraloop.train.checkpoint import save

    save(folder / "work", step, {"w": torch.full((8,), float(step))}, {"run_digest": "run"})
    ack(str(step))


def migrate(folder: Path, ack: Ack) -> None:
    """Open a home whose tables are those of the first version."""
    from loraloop.wiring import open_home

    with open_home(folder):
        ack("open")


def deploy(folder: Path, ack: Ack) -> None:
    """Make the third adapter live."""
    from loraloop.wiring import open_home

    with open_home(folder) as home:
        adapter = next(one for one in home.store.adapters.list(home.bot) if one.name == "a3")
        ack(home.deployer.release(_promoted(home, adapter), adapter, actor="test").adapter_id or "")


def rollback(folder: Path, ack: Ack) -> None:
    """Go back one release."""
    from loraloop.wiring import open_home

    with open_home(folder) as home:
        went = home.deployer.rollback_adapter()
        assert went["success"], went
        ack(went["target_adapter"])


def dataset(folder: Path, ack: Ack) -> None:
    """Store a dataset and up to where it has read."""
    from loraloop.types import Dataset, DatasetRow
    from loraloop.wiring import open_home

    with open_home(folder) as home:
        (said,) = home.store.conversations.iterate(home.bot)
        row = DatasetRow(said.id, 1, "train", "0" * 64)
        ack(home.store.datasets.put(Dataset("ds-1", home.bot, (row,), datetime.now(UTC), {}), 7).id)


def forget(folder: Path, ack: Ack) -> None:
    """Forget the one person there is."""
    from loraloop.wiring import open_home

    with open_home(folder) as home:
        ack(home.forgetting.forget(home.pseudonyms("mina"))["erasure"])


OPERATIONS: dict[str, Callable[[Path, Ack], None]] = {
    one.__name__: one for one in (capture, publish, checkpoint, migrate, deploy, rollback, dataset, forget)
}


def first_tables(folder: Path) -> None:
    """Replace a home's database by one of the first revision, with one row of small state in it."""
    import sqlalchemy as sa
    from alembic.migration import MigrationContext
    from alembic.operations import Operations

    from loraloop.store import sql
    from loraloop.store.database import Database

    for path in folder.glob("loraloop.db*"):
        path.unlink()
    database = Database(f"sqlite:///{folder / 'loraloop.db'}")
    script, _ = sql._revisions()
    with database.write() as connection:
        context = MigrationContext.configure(
            connection, opts={"script": script, "fn": lambda rev, _: script._upgrade_revs("r0001", rev)}
        )
        with Operations.context(context):
            context.run_migrations()
        connection.execute(sa.text("INSERT INTO state (key, value) VALUES ('kept', '\"since the first version\"')"))
    database.close()


def broken_after(operation: str, folder: Path, acknowledged: list[str]) -> list[str]:
    """What is wrong with a home whose operation was killed: faults of doctor, and what was acknowledged and is lost."""
    from loraloop.health import examine
    from loraloop.wiring import open_home

    with open_home(folder) as home:
        found = [f"{name}: {line}" for name, lines in examine(home).items() for line in lines]
        found += LOST[operation](home, acknowledged)
    return found


def _lost_captures(home: Any, acknowledged: list[str]) -> list[str]:
    before = json.loads((home.folder / "acknowledged.json").read_text())["capture"]
    return [f"{one} is lost" for one in [*before, *acknowledged] if home.store.conversations.get(one) is None]


def _lost_adapters(home: Any, acknowledged: list[str]) -> list[str]:
    known = {one.digest for one in home.store.adapters.list(home.bot)}
    lost = [f"{digest} is lost" for digest in acknowledged if digest not in known]
    return lost + [f"{digest} has no files" for digest in known if digest not in home.artifacts.digests()]


def _lost_checkpoints(home: Any, acknowledged: list[str]) -> list[str]:
    from loraloop.train.checkpoint import load_newest

    found = load_newest(home.folder / "work", "run")
    if found is None:
        return ["no checkpoint is whole"]
    tensors, facts = found
    if float(tensors["w"][0]) != facts["step"]:
        return ["a checkpoint's numbers are another one's"]
    return ["the acknowledged checkpoint is lost"] if acknowledged and facts["step"] != 2 else []


def _lost_state(home: Any, acknowledged: list[str]) -> list[str]:
    kept = home.store.state.read("kept") == "since the first version"
    return [] if kept and home.store.conversations.count(home.bot) == 0 else ["what the old tables held is lost"]


def _lost_release(home: Any, acknowledged: list[str]) -> list[str]:
    live = home.store.releases.live(home.bot)
    names = {live.adapter_name, live.adapter_id}
    if acknowledged and acknowledged[-1] not in names:
        return [f"{acknowledged[-1]} is not live, {names} is"]
    return [] if names & {"a1", "a2", "a3", "base"} else [f"{names} is live"]


def _lost_dataset(home: Any, acknowledged: list[str]) -> list[str]:
    made, mark = home.store.datasets.get("ds-1"), home.store.arrivals.mark(home.bot)
    if (made is None) != (mark is None):
        return ["the dataset and its mark are not one"]
    return ["the dataset is lost"] if acknowledged and made is None else []


def _remembered(home: Any, acknowledged: list[str]) -> list[str]:
    """Once the tombstones stand, whoever opens the home finishes; before that nothing is gone."""
    from loraloop.store.ledger import Ledger

    rows = home.store.conversations.count(home.bot)
    if Ledger.beside(home.folder).digests():
        return [f"{rows} rows of a forgotten person are left"] if rows else []
    return ["an erasure was acknowledged and is lost"] if acknowledged else []


LOST: dict[str, Callable[[Any, list[str]], list[str]]] = {
    "capture": _lost_captures, "publish": _lost_adapters, "checkpoint": _lost_checkpoints, "migrate": _lost_state,
    "deploy": _lost_release, "rollback": _lost_release, "dataset": _lost_dataset, "forget": _remembered,
}  # fmt: skip


def _say(home: Any, text: str, user: str) -> str:
    from loraloop.data.exchanges import record_exchange
    from loraloop.types import message

    said = record_exchange(home.store, bot=home.bot, messages=[message("user", f"{text}?")], answer="yes",
                           consent="granted", user=user, session=text, secret=home.secret)  # fmt: skip
    return str(said.id)


def _publish(home: Any, number: int) -> Any:
    from loraloop.lm.adapter_files import adapter_digest
    from loraloop.testing.adapter_files import plain_adapter
    from loraloop.types import Adapter

    staged = plain_adapter(home.artifacts.staging() / "made", number)
    digest = adapter_digest(staged)
    path = home.artifacts.publish(staged, digest)
    made = Adapter(f"ad-{digest[:16]}", home.bot, f"a{number}", digest, home.base.id, str(path), datetime.now(UTC))
    return home.store.adapters.put(made)


def _promoted(home: Any, adapter: Any) -> Any:
    from loraloop.types import Decision

    return Decision(f"dc-{adapter.id}", home.bot, adapter.id, "promote", datetime.now(UTC), "test")


class Server:
    """A process of its own that forks one child for each operation asked of it."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def fork(self, operation: str, folder: Path, failpoints: dict[str, str] | None = None) -> int:
        """Fork a child that waits; returns its process id."""
        return int(self._ask({"operation": operation, "folder": str(folder), "failpoints": failpoints or {}})["pid"])

    def finish(self) -> tuple[int, list[str], str]:
        """Let the child go on and wait for it; returns its status, what it acknowledged, and its error."""
        told = self._ask({"go": True})
        return told["status"], told["acknowledged"], told["error"]

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError("the server of crash operations ended")
        return dict(json.loads(answer))


@contextmanager
def serving() -> Iterator[Server]:
    """A server for a block."""
    server = Server()
    try:
        yield server
    finally:
        server.close()


def _serve() -> None:
    import torch

    import loraloop.deploy.manager
    import loraloop.forgetting
    import loraloop.health
    import loraloop.lm.adapter_files
    import loraloop.train.checkpoint  # noqa: F401 - all of it loaded once, before anything is forked
    from loraloop.store.sql import known_revisions

    known_revisions()

    torch.set_num_threads(1)
    for line in sys.stdin:
        asked = json.loads(line)
        go_read, go_write = os.pipe()
        ack_read, ack_write = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(go_write)
            os._exit(_child(asked, go_read, ack_write))
        os.close(go_read)
        os.close(ack_write)
        print(json.dumps({"pid": pid}), flush=True)
        sys.stdin.readline()
        os.write(go_write, b"g")
        os.close(go_write)
        with os.fdopen(ack_read) as heard:
            lines = heard.read().splitlines()
        _, status = os.waitpid(pid, 0)
        for name in (one[1:] for one in lines if one[:1] == "%"):
            importlib.import_module(name)  # what one child had to load, the next ones find loaded
        told = {
            "status": os.waitstatus_to_exitcode(status),
            "acknowledged": [one for one in lines if one[:1] not in ("!", "%")],
            "error": next((one for one in lines if one[:1] == "!"), ""),
        }
        print(json.dumps(told), flush=True)


def _child(asked: dict[str, Any], go: int, acks: int) -> int:
    import ctypes

    from loraloop.failpoints import armed

    def ack(text: str) -> None:
        os.write(acks, f"{text}\n".encode())

    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_PTRACER, ctypes.c_ulong(-1))  # strace, a stranger to this process, may attach
    loaded = set(sys.modules)
    os.read(go, 1)
    try:
        with armed(asked["failpoints"]):
            OPERATIONS[asked["operation"]](Path(asked["folder"]), ack)
    except BaseException as error:
        ack(f"!{type(error).__name__}: {error}")
        return 1
    for name in sorted(set(sys.modules) - loaded):
        if name.startswith(_PRELOADED):
            ack(f"%{name}")
    return 0


if __name__ == "__main__":
    _serve()
