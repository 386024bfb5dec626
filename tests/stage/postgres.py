"""A real Postgres for tests, launched as `advolink up` launches its own, in a directory that goes away.

Tests get a database each, copied from one that was migrated once (tests/conftest.py); nothing is mocked.
"""

import asyncio
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Final

import asyncpg

from local.errors import PostgresError
from local.postgres.cluster import FIRST_DATABASE, SERVER_ENVIRONMENT, SETTINGS, Cluster, prepared
from local.postgres.home import ROOTS_HOMES
from local.postgres.sessions import is_serving
from local.settings import PostgresChoice
from processes.programs import leashed
from stage.requirements import Requirement, need
from stage.small_disk import small_disk
from stage.waiting import eventually

FAST: Final = MappingProxyType({**SETTINGS, "fsync": "off", "full_page_writes": "off", "max_connections": "200"})
"""Not forced to the disk: what was committed survives a kill, not a power loss. Commits stay synchronous, for a
killed server loses what it had not written."""


class Server:
    """A Postgres that runs, and can be killed, frozen and started again.

    Its methods block: async tests call them through `asyncio.to_thread`, and go on meanwhile.
    """

    def __init__(self, cluster: Cluster, log: Path) -> None:
        self.cluster = cluster
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        # The leash ends a server with the thread that started it: one that lives as long as the tests do.
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="postgres")

    @property
    def admin_dsn(self) -> str:
        """The database that is always there, as superuser: for making and dropping others."""
        return self.cluster.dsn(FIRST_DATABASE)

    def dsn(self, database: str) -> str:
        """How to reach `database`."""
        return self.cluster.dsn(database)

    @property
    def pid(self) -> int:
        """The postmaster's pid.

        Raises:
            LookupError: it does not run.
        """
        if self._process is None:
            raise LookupError("this Postgres was never started")
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether there is a postmaster, frozen or not."""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """What it said."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def start(self) -> None:
        """Start it unless it runs, thaw it, and wait until it serves.

        One that dies at once after a kill is started again, as `up` does.
        """
        self.thaw()
        self._starter.submit(self._run_until_serving).result()

    def kill(self) -> None:
        """End it as a crash would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it as `up` does."""
        self.thaw()
        self._end(signal.SIGINT)

    def freeze(self) -> None:
        """Stop the postmaster in its tracks: who is connected goes on, nobody else gets in."""
        self._send(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._send(signal.SIGCONT)

    def close(self) -> None:
        """End it for good."""
        self.stop()
        self._starter.shutdown()

    def execute(self, sql: str) -> None:
        """Run one statement for its effect, as superuser in the first database."""
        asyncio.run(_execute(self.admin_dsn, sql))

    def dump(self, dsn: str, file: Path) -> None:
        """Back a database up as docs/operations.md says, while it is used."""
        self._run("pg_dump", "-Fc", "-f", str(file), dsn)

    def restore(self, file: Path, database: str) -> str:
        """Make `database` of a backup, and say how to reach it."""
        self.execute(f"CREATE DATABASE {database}")
        self._run("pg_restore", "-d", self.dsn(database), str(file))
        return self.dsn(database)

    def _run(self, program: str, *arguments: str) -> None:
        """Run one of Postgres's own programs."""
        subprocess.run([self.cluster.binaries.command(program), *arguments], check=True)

    def _run_until_serving(self) -> None:
        eventually(self._serves, seconds_max=60, what=f"Postgres serves; its log is\n{self.log}")

    def _serves(self) -> bool:
        if not self.is_running:
            with self._log.open("ab") as log:
                self._process = subprocess.Popen(
                    leashed(self.cluster.command(), account=self.cluster.home.account),
                    env=dict(SERVER_ENVIRONMENT),
                    cwd=self.cluster.home.place,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
        return asyncio.run(is_serving(self.admin_dsn))

    def _send(self, number: signal.Signals) -> None:
        if self._process is not None and self.is_running:
            self._process.send_signal(number)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._send(number)
            self._process.wait(timeout=30)


@contextmanager
def launched_postgres(
    choice: PostgresChoice = PostgresChoice.AUTO, settings: Mapping[str, str] = FAST
) -> Iterator[Server]:
    """A Postgres for the length of the block. It and its data are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="advolink-") as folder, gone_afterwards(Path(folder)), ExitStack() as held:
        log = Path(folder, "postgres.log")
        log.touch()
        try:
            cluster = held.enter_context(prepared(Path(folder, "postgres"), choice=choice, settings=settings))
        except PostgresError as error:
            need(Requirement.POSTGRES, present=False, reason=str(error))
            raise  # not reached: need() skips or fails
        server = Server(cluster, log)
        held.callback(server.close)
        server.start()
        yield server


@contextmanager
def small_tablespace(server: Server, name: str, size_bytes: int) -> Iterator[Path]:
    """A tablespace on a disk of its own, which is yielded; nothing may be in it any more at the end of the block."""
    with small_disk(server.cluster.home.place / name, size_bytes) as disk:
        server.cluster.home.make_owned_directory(disk / "space")
        server.execute(f"CREATE TABLESPACE {name} LOCATION '{disk / 'space'}'")
        yield disk
        server.execute(f"DROP TABLESPACE {name}")


@contextmanager
def small_wal_disk(server: Server, size_bytes: int) -> Iterator[Path]:
    """Have a stopped `server` keep its write-ahead log on a disk of its own; it is stopped again at the end."""
    wal = server.cluster.home.data / "pg_wal"
    with small_disk(server.cluster.home.place / "wal", size_bytes) as disk:
        shutil.copytree(wal, disk / "pg_wal")
        _give(disk / "pg_wal", server)
        shutil.rmtree(wal)
        wal.symlink_to(disk / "pg_wal")
        yield disk
        server.stop()
        wal.unlink()
        shutil.copytree(disk / "pg_wal", wal)
        _give(wal, server)


def _give(directory: Path, server: Server) -> None:
    """Give a directory and all in it to the account that runs `server`."""
    account = server.cluster.home.account
    if account is not None:
        for path in (directory, *directory.rglob("*")):
            shutil.chown(path, account.uid, account.gid)


@contextmanager
def gone_afterwards(data_directory: Path) -> Iterator[None]:
    """After the block, remove what a root's `up` in `data_directory` keeps elsewhere."""
    try:
        yield
    finally:
        token = data_directory / "postgres" / "token"
        if token.exists():
            shutil.rmtree(ROOTS_HOMES / token.read_text(encoding="utf-8"), ignore_errors=True)


async def _execute(dsn: str, sql: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()
