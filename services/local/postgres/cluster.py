"""A Postgres of our own, ready to be started: data made, leftovers cleared, port chosen.

Reads and writes the home's notes (password, port) and its data directory. It does not start the server: that is
the supervisor's, which keeps it running.
"""

import secrets
import shutil
import subprocess
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

from local.errors import PostgresError
from local.locks import locked
from local.ports import HOST, free_port, is_free
from local.postgres.binaries import Binaries, find_binaries
from local.postgres.home import Home, settle
from local.postgres.leftover import clear_leftover
from local.settings import PostgresChoice
from processes.private_files import read_private, write_private
from processes.programs import leashed

ROLE: Final = "advolink"
DATABASE: Final = "advolink"
FIRST_DATABASE: Final = "postgres"
"""The database that is there from the start."""

SOCKET_PATH_BYTES_MAX: Final = 107
"""The longest path of a unix socket on Linux, less its closing zero."""

PASSWORD_BYTES: Final = 24

SETTINGS: Final = MappingProxyType(
    {
        "fsync": "on",
        "full_page_writes": "on",
        "synchronous_commit": "on",
        "max_connections": "100",
        "max_locks_per_transaction": "256",  # raw clicks have a table a day: years of them are locked at once
        "shared_buffers": "128MB",
        "max_wal_size": "1GB",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_line_prefix": "%m [%p] %a ",  # never the client's address
        "log_checkpoints": "off",
        "logging_collector": "off",  # its log is the supervisor's
    }
)
"""For a small machine, and durable: what was committed survives a power loss."""

SERVER_ENVIRONMENT: Final = MappingProxyType({"LANG": "C", "LC_ALL": "C", "PATH": "/usr/bin:/bin"})
"""All a server gets: no PG* variable of the person at the terminal changes it."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """One prepared server."""

    home: Home
    binaries: Binaries
    port: int
    password: str
    settings: Mapping[str, str] = field(default_factory=lambda: SETTINGS)

    @property
    def has_socket(self) -> bool:
        """Whether it also listens on a unix socket: not where the path would be too long for one."""
        path = self.home.socket_directory / f".s.PGSQL.{self.port}"
        return len(bytes(path)) <= SOCKET_PATH_BYTES_MAX

    def dsn(self, database: str = DATABASE) -> str:
        """How to reach it over loopback. Without TLS: it offers none, and asking costs a round trip."""
        return f"postgresql://{ROLE}:{self.password}@{HOST}:{self.port}/{database}?sslmode=disable"

    def command(self) -> list[str]:
        """The server, in the foreground. To be run as the home's account."""
        # A list of paths to Postgres, hence the quotes, and two for each that is in the path.
        socket_directory = str(self.home.socket_directory).replace('"', '""')
        sockets = f'"{socket_directory}"' if self.has_socket else ""
        settings = {
            **self.settings,
            "listen_addresses": HOST,
            "port": str(self.port),
            "unix_socket_directories": sockets,
        }
        command = [self.binaries.command("postgres"), "-D", str(self.home.data)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        return command


@contextmanager
def prepared(
    notes: Path,
    *,
    choice: PostgresChoice = PostgresChoice.AUTO,
    ports_taken: Collection[int] = (),
    settings: Mapping[str, str] = SETTINGS,
) -> Iterator[Cluster]:
    """A cluster to start for the length of the block; its home is locked meanwhile.

    Raises:
        PostgresError: there are no binaries that fit, or the data cannot be made.
        DataDirectoryError: another `up` runs it.
    """
    home = settle(notes)
    with locked(home.lock, str(home.place)):
        binaries = find_binaries(choice, home)
        clear_leftover(home, binaries)
        password = _password(home)
        if home.major is None:
            _make_data(home, binaries, password)
        yield Cluster(home, binaries, _port(home, ports_taken), password, settings)


def _password(home: Home) -> str:
    file = home.notes / "password"
    password = read_private(file)
    if password is None:
        password = secrets.token_hex(PASSWORD_BYTES)
        write_private(file, password)
    return password


def _port(home: Home, taken: Collection[int]) -> int:
    """The port it had before, so that addresses in notes and shells stay true; another where that is taken."""
    file = home.notes / "port"
    remembered = read_private(file)
    if remembered and remembered.isdecimal() and is_free(int(remembered), taken):
        return int(remembered)
    port = free_port(set(taken))
    write_private(file, str(port))
    return port


def _make_data(home: Home, binaries: Binaries, password: str) -> None:
    """Make the data directory, whole or not at all: it gets its name when it is done."""
    for unfinished in home.place.glob("making-*"):
        shutil.rmtree(unfinished)
    making = home.place / f"making-{secrets.token_hex(4)}"
    home.make_owned_directory(making)
    password_file = making / "password"
    write_private(password_file, password)
    if home.account is not None:
        shutil.chown(password_file, home.account.uid, home.account.gid)
    data = making / "data"
    command = [binaries.command("initdb"), "-D", str(data), "-U", ROLE, "--encoding=UTF8", "--locale=C"]
    command += ["--auth-local=trust", "--auth-host=scram-sha-256", f"--pwfile={password_file}"]
    command += ["--data-checksums", "--no-instructions"]
    done = subprocess.run(  # noqa: S603 - our own command
        leashed(command, account=home.account),
        check=False,
        capture_output=True,
        text=True,
        cwd=making,
        env=dict(SERVER_ENVIRONMENT),
        start_new_session=True,  # Ctrl-C is for `up` alone
    )
    if done.returncode != 0:
        said = (done.stderr.strip() or "nothing").splitlines()[-1]
        shutil.rmtree(making, ignore_errors=True)
        raise PostgresError(f"{binaries} could not make its data in {home.place}: {said}")
    data.rename(home.data)
    shutil.rmtree(making)
