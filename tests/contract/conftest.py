"""The databases every store must work on: SQLite, and a real PostgreSQL that these tests start and stop."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from loraloop.store.sql import SqlStore, open_store

START_S = 30.0
TO_EMPTY = "DROP SCHEMA public CASCADE; CREATE SCHEMA public"


def _binaries() -> Path:
    """The newest installed server, wherever the distribution puts it."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: float(path.parts[-3]))
    if found:
        return found[-1].parent
    named = shutil.which("postgres")
    if named is None or not (Path(named).parent / "initdb").is_file():
        pytest.skip("no PostgreSQL server is installed (Debian: apt-get install postgresql)")
    return Path(named).parent


def _servant() -> int | None:
    """Who runs the server: PostgreSQL refuses to run as root."""
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_uid
        except KeyError:
            continue
    pytest.skip("PostgreSQL does not run as root, and there is no user postgres or nobody")


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of an empty PostgreSQL database on a Unix socket of its own."""
    binaries, uid = _binaries(), _servant()
    folder = Path(tempfile.mkdtemp(prefix="pg-"))  # short: a socket's path has at most 107 bytes
    folder.chmod(0o755)
    data = folder / "data"
    data.mkdir(mode=0o700)
    if uid is not None:
        os.chown(folder, uid, -1)
        os.chown(data, uid, -1)
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C", "HOME": str(folder)}
    as_servant = {"user": uid, "cwd": folder, "env": environment} if uid is not None else {"env": environment}
    log = (folder / "log").open("w+b")
    server = None
    try:
        made = [binaries / "initdb", "-D", data, "-U", "tests", "-A", "trust", "-E", "UTF8", "--no-sync"]
        subprocess.run(made, check=True, stdout=log, stderr=log, **as_servant)
        run = [binaries / "postgres", "-D", data, "-k", folder, "-c", "listen_addresses=", "-c", "fsync=off"]
        server = subprocess.Popen(run, stdout=log, stderr=log, **as_servant)
        url = f"postgresql://tests@/postgres?host={folder}"
        _wait_for(url, server, folder / "log")
        yield url
    finally:
        if server is not None:
            server.terminate()
            try:
                server.wait(START_S)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
        log.close()
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for(url: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    import psycopg

    deadline = time.monotonic() + START_S
    while True:
        try:
            psycopg.connect(url).close()
            return
        except psycopg.OperationalError as error:
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the server did not start: {error}\n{log.read_text()}") from error
            time.sleep(0.05)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.real)])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an empty database is, or will be."""
    if request.param == "sqlite":
        return str(tmp_path / "loraloop.db")
    import psycopg

    url: str = request.getfixturevalue("postgres")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(TO_EMPTY)
    return url


@pytest.fixture
def reopened(location: str) -> Iterator[Callable[[], SqlStore]]:
    """Opens the same database again, as another process would; all are closed at the end."""
    opened: list[SqlStore] = []

    def again() -> SqlStore:
        opened.append(open_store(location))
        return opened[-1]

    yield again
    for store in opened:
        store.close()


@pytest.fixture
def store(reopened: Callable[[], SqlStore]) -> SqlStore:
    """An empty, open store."""
    return reopened()
