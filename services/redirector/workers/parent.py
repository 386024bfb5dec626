"""The parent of several workers: starts each under its number, starts again what ends, and stops when they have.

It redirects nobody and opens no journal. Workers die with it; what they had journaled, the next ones ship.
"""

import asyncio
import contextlib
import logging
import tempfile
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final

import orjson

from http_api.listening import CannotListenError, TcpAddress, claim
from http_api.management import answering_app
from http_api.serving import STOP_DEADLINE_S, Binding, cancel_all, first_of, served
from http_api.stop_signals import StopSignals
from processes.child import Child
from processes.private_files import make_private_directory, write_private
from processes.programs import Program
from redirector.metrics import WorkerMetrics
from redirector.settings import RedirectorSettings, worker_environment
from redirector.workers.asking import Workers

PIDS_FILE: Final = "workers.json"
"""In the journal directory, while workers run: their pids by name."""

ENDING_SECONDS: Final = 0.5
"""What a worker needs beside its deadlines. With them it stays under the 12 s that `advolink up` gives a redirector."""

CLAIM_TRIES: Final = 10
CLAIM_INTERVAL_S: Final = 0.1

log = logging.getLogger(__name__)


async def run_workers(settings: RedirectorSettings, command: Sequence[str]) -> None:
    """Keep as many processes of `command` running as there are to be workers, until a stop signal.

    Raises:
        CannotListenError: the public port, or that for operators, cannot be had.
    """
    stop = StopSignals()
    await _claimed(settings.public_address)
    metrics = WorkerMetrics(settings.workers)
    with tempfile.TemporaryDirectory(prefix="advolink-") as sockets:
        async with Workers(Path(sockets), settings.workers, metrics) as workers:
            app = answering_app(workers.readiness, workers.exposition)
            async with served(Binding(app, settings.management_address)) as telling:
                family = _Family(settings, command, Path(sockets), metrics)
                family.start()
                try:
                    await first_of(telling, stop.wait(), family.broken())
                finally:
                    workers.stopping = True
                    await family.stop(stop)


async def _claimed(address: TcpAddress) -> None:
    """See that nobody else has the port. The workers of a parent that was just killed may take a moment to die."""
    for _ in range(CLAIM_TRIES):
        with contextlib.suppress(CannotListenError):
            claim(address)
            return
        await asyncio.sleep(CLAIM_INTERVAL_S)
    claim(address)


class _Family:
    """The workers as processes."""

    def __init__(
        self, settings: RedirectorSettings, command: Sequence[str], sockets: Path, metrics: WorkerMetrics
    ) -> None:
        deadline_s = settings.stop_delay_seconds + STOP_DEADLINE_S + settings.drain_seconds + ENDING_SECONDS
        self._deadline = timedelta(seconds=deadline_s)
        self._pids_file = settings.journal_dir / PIDS_FILE
        self._metrics = metrics
        self._children = {
            number: Child(
                Program(name_of(number), command, worker_environment(number, sockets), None, self._deadline),
                self._started,
            )
            for number in range(1, settings.workers + 1)
        }
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to keep all of them running."""
        self._pids_file.parent.mkdir(parents=True, exist_ok=True)
        make_private_directory(self._pids_file.parent)
        self._tasks = [
            asyncio.create_task(child.keep_running(), name=child.program.name) for child in self._children.values()
        ]

    async def broken(self) -> None:
        """Wait for a fault of ours in keeping one running; there is no other end of that."""
        await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)

    async def stop(self, stop: StopSignals) -> None:
        """Stop all of them at once; a second signal is passed on. Who is late is killed."""
        for child in self._children.values():
            child.stop()
        hurrying = asyncio.create_task(self._hurry(stop))
        _, late = await asyncio.wait(self._tasks, timeout=self._deadline.total_seconds())
        if late:
            for child, task in zip(self._children.values(), self._tasks, strict=True):
                if task in late:
                    child.kill()
            await asyncio.wait(late)
        await cancel_all([hurrying])
        self._pids_file.unlink(missing_ok=True)
        for task in self._tasks:
            await task  # all have ended; a fault in one is raised now

    async def _hurry(self, stop: StopSignals) -> None:
        await stop.again()
        for child in self._children.values():
            child.stop()

    def _started(self) -> None:
        """A process was started: note all pids, and how often each worker came back."""
        for number, child in self._children.items():
            self._metrics.note_deaths(number, child.deaths)
        pids = {child.program.name: child.pid for child in self._children.values() if child.pid is not None}
        try:
            write_private(self._pids_file, orjson.dumps(pids).decode() + "\n")
        except OSError as error:  # a full disk must not keep a worker from running
            log.warning("%s could not be written: %s", self._pids_file, error.strerror)


def name_of(worker: int) -> str:
    """What a worker is called, in logs and among pids."""
    return f"redirector-{worker}"
