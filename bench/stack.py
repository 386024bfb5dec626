"""What is measured: a real Postgres and our services as processes, each on the core it is given."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Final

import asyncpg
import httpx2

from database.queries import load_queries
from event_log.kafka.connection import KafkaConnection
from event_log.settings import EventLogKind
from measure import children
from stage.ports import free_port

SERVER_CPU, LOAD_CPU = 0, 1
READY_SECONDS_MAX = 120.0
SAID_CHARS: Final = 2_000
HOLD: Final = Path(__file__).with_name("hold.sql")


@contextmanager
def service(
    name: str,
    directory: Path,
    dsn: str,
    settings: Mapping[str, str],
    shared: Mapping[str, str] = MappingProxyType({}),
    *,
    python: str = sys.executable,
) -> Iterator[tuple[str, int]]:
    """`python -m NAME` on the server's core until the block ends: its URL and its pid, once it is ready.

    `settings` are its own, without its prefix; `shared` are variables that both services read.
    """
    port, management = free_port(), free_port()
    prefix = f"ADVOLINK_{name.upper()}_"
    environment = {
        **os.environ,
        "ADVOLINK_POSTGRES_DSN": dsn,
        **shared,
        f"{prefix}PORT": str(port),
        f"{prefix}MANAGEMENT_PORT": str(management),
        **{f"{prefix}{key}": value for key, value in settings.items()},
    }
    with (
        (directory / f"{name}.log").open("ab") as log,
        on_core([python, "-m", name], environment, log.fileno()) as pid,
    ):
        try:
            until_answers(f"http://127.0.0.1:{management}/readyz")
        except TimeoutError as error:
            said = Path(log.name).read_text(encoding="utf-8", errors="replace")
            raise TimeoutError(f"{error}. {name} said: {said[-SAID_CHARS:]}") from error
        yield f"http://127.0.0.1:{port}", pid


def kafka_settings(connection: KafkaConnection) -> Mapping[str, str]:
    """What a service is told to use the topics of `connection`."""
    return {
        "ADVOLINK_EVENT_LOG": EventLogKind.KAFKA,
        "ADVOLINK_KAFKA_BOOTSTRAP": connection.bootstrap,
        "ADVOLINK_KAFKA_TOPIC_PREFIX": connection.topic_prefix,
    }


@contextmanager
def held_back(dsn: str) -> Iterator[Callable[[], None]]:
    """Hold every partition, as an aggregator does that is alive and idle, until what this gives is called.

    So a process can start and be measured from when it has something to do.
    """
    statements = load_queries(HOLD)
    asyncio.run(_execute(dsn, statements["hold"]))
    yield lambda: asyncio.run(_execute(dsn, statements["let_go"]))


async def _execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute(statement)
    await connection.close()


@contextmanager
def on_core(command: Sequence[str], environment: Mapping[str, str], output: int) -> Iterator[int]:
    """A program on the server's core until the block ends: its pid. It may have been frozen meanwhile."""
    pinned = ["taskset", "-c", str(SERVER_CPU), *command]
    process = subprocess.Popen(pinned, env=dict(environment), stdout=output, stderr=output)
    try:
        yield process.pid
    finally:
        thaw(process.pid)
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)


def freeze(pid: int) -> None:
    """Stop a program and its children where they are: who is not under load is to cost nothing."""
    for one in (pid, *children(pid)):
        os.kill(one, signal.SIGSTOP)


def thaw(pid: int) -> None:
    """Let them go on."""
    for one in (*children(pid), pid):
        os.kill(one, signal.SIGCONT)


def until_answers(url: str) -> None:
    """Wait until a server answers with success or a redirect."""
    deadline = time.monotonic() + READY_SECONDS_MAX
    while time.monotonic() < deadline:
        try:
            if httpx2.get(url, timeout=2, follow_redirects=False).status_code < 400:  # noqa: PLR2004 - 2xx or 3xx
                return
        except httpx2.TransportError:
            pass
        time.sleep(0.05)
    raise TimeoutError(f"{url} did not answer")
