"""A real Kafka broker for tests, launched as `advolink up` launches its own, in a directory that goes away.

Brokers are shared, so tests take topics with names of their own; nothing is mocked.
"""

import asyncio
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeVar

from local.errors import KafkaError
from local.kafka import broker as local_broker
from local.kafka.broker import prepared
from local.kafka.cache import ready_kit
from local.kafka.kit import ENVIRONMENT
from local.kafka.properties import SETTINGS
from local.kafka.sessions import is_serving
from local.ports import HOST
from processes.programs import leashed
from stage.ports import free_port, reserved_port
from stage.requirements import Requirement, need
from stage.waiting import eventually

FAST: Final = MappingProxyType({**SETTINGS, "log.flush.interval.messages": "9223372036854775807"})
"""Not forced to the disk: what was acknowledged survives a kill, not a power loss."""

START_SECONDS_MAX: Final = 90
STOP_SECONDS_MAX: Final = 60

STARTS_MAX: Final = 3
"""While a broker is down, another process may be given its port for a moment."""

T = TypeVar("T")


class Broker:
    """A Kafka broker that runs, and can be stopped, killed, frozen and started again.

    Its methods block: async tests call them through `asyncio.to_thread`, and go on meanwhile.

    Whoever reaches it by `bootstrap` talks to it directly. A proxy in front of it listens on `proxy_port` and passes on
    to `proxied_port`: clients that come by there (`bootstrap_through_proxy`) are told no other address, and never find
    a way around the proxy. Nothing listens on `proxy_port` unless a test does.
    """

    def __init__(self, broker: local_broker.Broker, log: Path, proxy_port: int) -> None:
        self.broker = broker
        self.proxy_port = proxy_port
        self.proxied_port = free_port()
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        # The leash ends a broker with the thread that started it: one that lives as long as the tests do.
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="broker")

    @property
    def bootstrap(self) -> str:
        """How clients reach it."""
        return self.broker.bootstrap

    @property
    def bootstrap_through_proxy(self) -> str:
        """How clients reach it through a proxy that a test has put there."""
        return f"{HOST}:{self.proxy_port}"

    @property
    def pid(self) -> int:
        """Its process.

        Raises:
            LookupError: it was never started.
        """
        if self._process is None:
            raise LookupError("this broker was never started")
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether there is a process, frozen or not."""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """What it said."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def start(self) -> None:
        """Start it unless it runs, thaw it, and wait until it serves."""
        self.thaw()
        self._in_thread(self._run_until_serving)

    def stop(self) -> None:
        """End it as `up` does, cleanly."""
        self.thaw()
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a crash would."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop it cleanly and start it again."""
        self.stop()
        self.start()

    def freeze(self) -> None:
        """Stop it in its tracks: connections stay open, nothing is answered."""
        self._send(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._send(signal.SIGCONT)

    def close(self) -> None:
        """End it for good."""
        self.kill()
        self._starter.shutdown()

    def _run_until_serving(self) -> None:
        starts_left = STARTS_MAX

        def serves() -> bool:
            nonlocal starts_left
            if not self.is_running:
                if starts_left == 0:
                    raise RuntimeError(f"Kafka ends while it starts; its log is\n{self.log}")
                starts_left -= 1
                self._process = self._launched()
            return asyncio.run(is_serving(self.bootstrap))

        eventually(serves, seconds_max=START_SECONDS_MAX, what="Kafka serves")

    def _launched(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(
                leashed(self.broker.command(overrides=self._listeners())),
                env=dict(ENVIRONMENT),
                cwd=self.broker.home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _listeners(self) -> dict[str, str]:
        """A second listener, whose clients are sent to the proxy."""
        listeners = f"PLAINTEXT://{self.bootstrap},CONTROLLER://{HOST}:{self.broker.controller_port}"
        return {
            "listeners": f"{listeners},PROXIED://{HOST}:{self.proxied_port}",
            "advertised.listeners": f"{listeners},PROXIED://{HOST}:{self.proxy_port}",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT",
        }

    def _send(self, number: signal.Signals) -> None:
        if self._process is not None and self.is_running:
            self._process.send_signal(number)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._send(number)
            self._process.wait(timeout=STOP_SECONDS_MAX)

    def _in_thread(self, work: Callable[[], T]) -> T:
        return self._starter.submit(work).result()


@contextmanager
def launched_kafka() -> Iterator[Broker]:
    """A broker for the length of the block. It and its data are gone afterwards."""
    with (
        tempfile.TemporaryDirectory(prefix="advolink-") as folder,
        prepared_kafka(Path(folder, "kafka")) as broker,
        running_kafka(broker, Path(folder, "kafka.log")) as launched,
    ):
        yield launched


@contextmanager
def running_kafka(broker: local_broker.Broker, log: Path) -> Iterator[Broker]:
    """A prepared broker, running; whatever the block did to it, it has ended afterwards."""
    log.touch()
    with reserved_port() as proxy_port:
        launched = Broker(broker, log, proxy_port)
        try:
            launched.start()
            yield launched
        finally:
            launched.close()


@contextmanager
def prepared_kafka(home: Path) -> Iterator[local_broker.Broker]:
    """A broker to start, from the jars of whoever runs the tests; skips where there can be none."""
    try:
        with ThreadPoolExecutor(1) as thread:  # perhaps a loop runs in this one
            kit = thread.submit(asyncio.run, ready_kit(home, print)).result()
    except KafkaError as error:
        need(Requirement.KAFKA, present=False, reason=str(error))
        raise  # not reached: need() skips or fails
    with prepared(home, kit, settings=FAST) as broker:
        yield broker
