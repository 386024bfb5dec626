"""The directory D in which one `up` keeps everything: what is where, and who may use it.

    up.lock    held by the running `up`        admin-key   the first API key
    up.json    addresses and pids, while up    journals/   the redirector's events
    postgres/  see local.postgres.home         logs/       one file a child, and up.log
    kafka/     see local.kafka.broker          event-log   which log carries its events

Private to its owner, for it holds a key, a password and people's clicks.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from local.errors import DataDirectoryError
from local.locks import locked
from processes.private_files import PRIVATE_DIRECTORY, make_private_directory

DEFAULT_DIRECTORY: Final = Path(".advolink")


@dataclass(frozen=True, slots=True)
class DataDirectory:
    """The paths of one data directory."""

    path: Path

    @property
    def up_file(self) -> Path:
        """Where a running stack is described."""
        return self.path / "up.json"

    @property
    def admin_key(self) -> Path:
        """The first API key, kept so that the next start shows the same."""
        return self.path / "admin-key"

    @property
    def journals(self) -> Path:
        """The redirector's journals."""
        return self.path / "journals"

    @property
    def workers(self) -> Path:
        """Where a redirector with several workers keeps their pids."""
        return self.journals / "workers.json"

    @property
    def postgres(self) -> Path:
        """What is remembered of the launched Postgres, and mostly its data."""
        return self.path / "postgres"

    @property
    def kafka(self) -> Path:
        """The launched Kafka, its records included."""
        return self.path / "kafka"

    @property
    def carrier(self) -> Path:
        """Which event log was chosen, for ever."""
        return self.path / "event-log"

    @property
    def logs(self) -> Path:
        """What the children, and `up` itself, have to say."""
        return self.path / "logs"

    def log(self, name: str) -> Path:
        """The log file of `name`."""
        return self.logs / f"{name}.log"


@contextmanager
def opened(path: Path) -> Iterator[DataDirectory]:
    """The data directory at `path`, made if missing, for one `up` at a time.

    Raises:
        DataDirectoryError: another `up` has it, or it cannot be made or written.
    """
    directory = DataDirectory(path.absolute())
    try:
        _make(directory)
    except OSError as error:
        raise DataDirectoryError(f"The data directory {path} cannot be used: {error.strerror}.") from error
    with locked(directory.path / "up.lock", f"The data directory {path}"):
        directory.up_file.unlink(missing_ok=True)
        yield directory


def _make(directory: DataDirectory) -> None:
    path = directory.path
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        make_private_directory(path)
    elif (path / "up.lock").exists() or not any(path.iterdir()):
        # Ours, or about to be. A directory with other things in it keeps its mode: perhaps others rely on it.
        path.chmod(PRIVATE_DIRECTORY)
    make_private_directory(directory.journals)
    make_private_directory(directory.logs)
