"""D/up.json: how to reach a running stack, for people, scripts and the commands of `advolink`.

Written when the stack is ready and whenever a child was restarted, gone when it stops.
"""

import asyncio
import logging
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import orjson

from local.supervisor import Supervisor
from processes.private_files import write_private

UP: Final = "up"
"""The name under which up.json has the pid of `up` itself."""

WORKERS_LOOK_SECONDS: Final = 0.5

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Addresses:
    """Everything of up.json that stays while the stack runs."""

    redirector: str
    aggregator: str
    redirector_management: str
    aggregator_management: str
    api_key: str
    postgres_dsn: str
    kafka_bootstrap: str | None = None


class UpFile:
    """The file, from the moment the stack is ready until it stops.

    `workers` is where a redirector with several workers says what their pids are.
    """

    def __init__(self, path: Path, workers: Path) -> None:
        self._path = path
        self._workers = workers
        self._workers_told: bytes | None = None
        self._published: tuple[Addresses, Supervisor] | None = None

    def publish(self, addresses: Addresses, supervisor: Supervisor) -> None:
        """Say that the stack is ready, and where it is."""
        self._published = addresses, supervisor
        self._write(addresses, supervisor)

    def update(self) -> None:
        """Write the pids as they are now. Before the stack is ready there is nothing to write."""
        if self._published is not None:
            try:
                self._write(*self._published)
            except OSError as error:  # a full disk must not keep a child from running
                log.warning("%s could not be written: %s", self._path, error.strerror)

    async def follow_workers(self) -> None:
        """Keep their pids current, for ever: it is the redirector that starts them again, not `up`."""
        while True:
            if self._told_by_workers() != self._workers_told:
                self.update()
            await asyncio.sleep(WORKERS_LOOK_SECONDS)

    def withdraw(self) -> None:
        """The stack is no longer to be used."""
        self._published = None
        self._path.unlink(missing_ok=True)

    def _write(self, addresses: Addresses, supervisor: Supervisor) -> None:
        # One step: a reader sees the old file or the new one, never a part.
        self._workers_told = self._told_by_workers()
        workers: dict[str, int] = orjson.loads(self._workers_told or b"{}")
        content = {**asdict(addresses), "pids": {**supervisor.pids, **workers, UP: os.getpid()}}
        write_private(self._path, orjson.dumps(content, option=orjson.OPT_INDENT_2).decode() + "\n")

    def _told_by_workers(self) -> bytes | None:
        try:
            return self._workers.read_bytes()
        except FileNotFoundError:
            return None
