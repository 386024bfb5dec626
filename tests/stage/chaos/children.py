"""The services of a stack under chaos: processes that are killed, frozen, watched and started again."""

import asyncio
import os
import re
import signal
import subprocess
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx2

from processes.programs import leashed
from stage.requirements import REPOSITORY

TESTS: Final = REPOSITORY / "tests"
END_SECONDS_MAX: Final = 30

WORKER_DEATHS: Final = "advolink_worker_deaths_total"
_SAMPLE: Final = re.compile(r'^(\w+_total)(?:{(?:worker="(\d+)")?[^}]*})? (\S+)$', re.MULTILINE)
"""Name, worker and value of a counter's samples."""


def started(command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """A process that can import what tests can, and dies with the thread that calls this."""
    with log.open("ab") as output:
        return subprocess.Popen(
            leashed(command),
            env={**os.environ, "PYTHONPATH": str(TESTS), **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )


@dataclass(slots=True)
class Tally:
    """Counters of one service over all its lives: each begins at 0, and what it came to is what was last seen of it.

    Where it has several workers, each of them has lives of its own.
    """

    _lives: dict[tuple[int, str, float], Counter[str]] = field(default_factory=dict)

    def note(self, pid: int, metrics: str) -> None:
        """What a life says of itself, in Prometheus's text format."""
        samples = [match.groups("") for match in _SAMPLE.finditer(metrics)]
        deaths = {worker: float(value) for name, worker, value in samples if name == WORKER_DEATHS}
        lives: defaultdict[tuple[int, str, float], Counter[str]] = defaultdict(Counter)
        for name, worker, value in samples:
            lives[pid, worker, deaths.get(worker, 0)][name] += int(float(value))
        self._lives |= lives

    def total(self, metric: str) -> int:
        """What a counter came to, over all lives and labels."""
        return sum(life[f"advolink_{metric}_total"] for life in self._lives.values())


class Child:
    """One service under its name, on its ports, in as many lives as it takes."""

    def __init__(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], ports: tuple[int, int]
    ) -> None:
        self.name = name
        self.port, management_port = ports
        self.tally = Tally()
        self._command = command
        self._environment = environment
        self._management = httpx2.AsyncClient(base_url=f"http://127.0.0.1:{management_port}", timeout=3)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, directory: Path) -> None:
        """Begin another life."""
        self._process = started(self._command, directory / f"{self.name}.log", self._environment)

    @property
    def pid(self) -> int:
        """The pid of this life.

        Raises:
            LookupError: it was never started.
        """
        if self._process is None:
            raise LookupError(f"{self.name} was never started")
        return self._process.pid

    @property
    def status(self) -> int | None:
        """The exit status of this life; None while it lasts."""
        return self._process.poll() if self._process is not None else None

    def send(self, number: signal.Signals) -> None:
        """Send a signal, if it is alive."""
        if self._process is not None and self.status is None:
            self._process.send_signal(number)

    async def end(self, number: signal.Signals) -> int:
        """End this life; its exit status. The loop goes on meanwhile, for what ends may still talk through a proxy."""
        self.send(number)
        if self._process is None:
            raise LookupError(f"{self.name} was never started")
        return await asyncio.to_thread(self._process.wait, END_SECONDS_MAX)

    async def readiness(self) -> Mapping[str, Any]:
        """What /readyz says; nothing where nobody answers."""
        try:
            answer: dict[str, Any] = (await self._management.get("/readyz")).json()
        except httpx2.TransportError:
            return {}
        return answer

    async def gauge(self, name: str) -> int | None:
        """What a metric without labels says now, of all workers together; None where nobody answers."""
        sample = re.compile(rf"^advolink_{name}(?:{{worker=\"\d+\"}})? (\S+)$", re.MULTILINE)
        values = [int(float(value)) for value in sample.findall(await self.scrape())]
        return sum(values) if values else None

    async def scrape(self) -> str:
        """Its metrics, which are also noted in the tally; empty where nobody answers."""
        try:
            text = (await self._management.get("/metrics")).text
        except httpx2.TransportError:
            return ""
        self.tally.note(self.pid, text)
        return text

    async def close(self) -> None:
        """End it for good."""
        await self.end(signal.SIGKILL)
        await self._management.aclose()
