"""A broker of our own, ready to be started: storage formatted, leftovers cleared, ports chosen.

Reads and writes its home (D/kafka): the ports it had, server.properties, data/. It does not start the broker: that is
the supervisor's, which keeps it running.
"""

import secrets
import shutil
import subprocess
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from local.errors import KafkaError
from local.kafka.kit import ENVIRONMENT, Kit
from local.kafka.leftover import clear_leftover
from local.kafka.properties import SETTINGS, render
from local.locks import locked
from local.ports import HOST, free_port, is_free
from processes.private_files import make_private_directory, read_private, write_private
from processes.programs import leashed

PROPERTIES: Final = "server.properties"
FORMAT_SECONDS_MAX: Final = 120

_BROKER: Final = "kafka.Kafka"
_STORAGE_TOOL: Final = "kafka.tools.StorageTool"


@dataclass(frozen=True, slots=True)
class Broker:
    """One prepared broker. It is run in its home, where its files are."""

    home: Path
    kit: Kit
    port: int
    controller_port: int

    @property
    def bootstrap(self) -> str:
        """How to reach it over loopback."""
        return f"{HOST}:{self.port}"

    @property
    def data(self) -> Path:
        """Its records, and what the cluster knows of itself."""
        return self.home / "data"

    def command(self, *, options: Collection[str] = (), overrides: Mapping[str, str] | None = None) -> list[str]:
        """The broker, in the foreground; with more options of Java's, and settings that go before its file's."""
        settings = [word for name, value in (overrides or {}).items() for word in ("--override", f"{name}={value}")]
        return self.kit.command(_BROKER, PROPERTIES, *settings, options=tuple(options))


@contextmanager
def prepared(
    home: Path,
    kit: Kit,
    *,
    ports_taken: Collection[int] = (),
    settings: Mapping[str, str] = SETTINGS,
) -> Iterator[Broker]:
    """A broker to start for the length of the block; its home is locked meanwhile.

    Raises:
        KafkaError: its storage cannot be made, or an earlier broker does not stop.
        DataDirectoryError: another `up` runs it.
    """
    make_private_directory(home)
    with locked(home / "up.lock", str(home)):
        clear_leftover(home / "data")
        taken = set(ports_taken)
        broker = Broker(home, kit, _port(home / "port", taken), _port(home / "controller-port", taken))
        properties = render(broker.port, broker.controller_port, settings)
        if not broker.data.exists():
            _format(broker, properties)
        write_private(home / PROPERTIES, properties)
        yield broker


def _port(file: Path, taken: set[int]) -> int:
    """The port it had before, so that addresses in notes and shells stay true; another where that is taken."""
    remembered = read_private(file)
    if remembered and remembered.isdecimal() and is_free(int(remembered), taken):
        taken.add(int(remembered))
        return int(remembered)
    port = free_port(taken)
    write_private(file, str(port))
    return port


def _format(broker: Broker, properties: str) -> None:
    """Make the storage, whole or not at all: it gets its name when it is done, and is never formatted again."""
    for unfinished in broker.home.glob("making-*"):
        shutil.rmtree(unfinished)
    making = broker.home / f"making-{secrets.token_hex(4)}"
    make_private_directory(making)
    (making / PROPERTIES).write_text(properties, encoding="ascii")
    arguments = ("format", "--cluster-id", _cluster_id(), "--config", PROPERTIES, "--standalone")
    try:
        done = subprocess.run(  # noqa: S603 - our own command
            leashed(broker.kit.command(_STORAGE_TOOL, *arguments)),
            check=False,
            capture_output=True,
            text=True,
            cwd=making,
            env=dict(ENVIRONMENT),
            timeout=FORMAT_SECONDS_MAX,
            start_new_session=True,  # Ctrl-C is for `up` alone
        )
    except subprocess.TimeoutExpired as error:
        shutil.rmtree(making, ignore_errors=True)
        raise KafkaError(f"{broker.kit} did not make its storage within {FORMAT_SECONDS_MAX} s.") from error
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()[-1]
        shutil.rmtree(making, ignore_errors=True)
        raise KafkaError(f"{broker.kit} could not make its storage in {broker.home}: {said}")
    (making / "data").rename(broker.data)
    shutil.rmtree(making)


def _cluster_id() -> str:
    """A random id of 16 bytes in base 64, as `kafka-storage random-uuid` makes them: never with a dash in front."""
    while (cluster_id := secrets.token_urlsafe(16)).startswith("-"):
        pass
    return cluster_id
