"""What workers answer their parent is put together; one that does not answer is named and waited for no longer."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Gauge

from http_api.connections import ConnectionLimits, Connections
from http_api.management import Readiness, management_app
from http_api.serving import Binding, served
from redirector.metrics import WorkerMetrics
from redirector.settings import worker_socket
from redirector.workers.asking import ANSWER_SECONDS_MAX, Workers
from stage.waiting import eventually_async

FULL = 2


@pytest.fixture
async def sockets(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Path]:
    """Two workers that answer, the second with a full journal."""
    directory = tmp_path_factory.mktemp("w")
    async with AsyncExitStack() as held:
        for number in (1, 2):
            await held.enter_async_context(served(_worker(directory, number)))
            await eventually_async(lambda number=number: _listens(worker_socket(directory, number)))  # type: ignore[misc]
        yield directory


def _worker(directory: Path, number: int) -> Binding:
    registry = CollectorRegistry()
    Gauge("open", "Open.", registry=registry).set(number)

    async def readiness() -> Readiness:
        return Readiness({"journal": number != FULL}, {"postgres": True, "event_log": number != FULL})

    async def nothing() -> None:
        """There is nothing to refresh."""

    limits = Connections(ConnectionLimits())
    return Binding(management_app(registry, readiness, nothing), worker_socket(directory, number), limits)


async def _listens(path: Path) -> bool:
    try:
        _, writer = await asyncio.open_unix_connection(path)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


@pytest.fixture
def silent(sockets: Path) -> Iterator[int]:
    """A third worker that takes connections and says nothing, as one that is frozen."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(worker_socket(sockets, 3)))
        listener.listen()
        yield 3


async def test_ready_is_when_all_are_and_who_is_not_is_named(sockets: Path) -> None:
    async with Workers(sockets, 2, WorkerMetrics(2)) as workers:
        told = await workers.readiness()
    assert told == Readiness(
        {"running": True, "worker-1.journal": True, "worker-2.journal": False}, {"postgres": True, "event_log": False}
    )
    assert not told.ready


async def test_a_worker_that_is_not_there_is_named(sockets: Path) -> None:
    async with Workers(sockets, 3, WorkerMetrics(3)) as workers:
        told, text = await workers.readiness(), (await workers.exposition()).decode()
    assert told.needed["worker-3.answers"] is False
    assert [
        f'advolink_worker_up{{worker="{number}"}} {up}' in text for number, up in ((1, 1.0), (2, 1.0), (3, 0.0))
    ] == [True] * 3
    assert 'open{worker="2"} 2.0\n' in text


async def test_a_worker_that_says_nothing_holds_up_no_scrape(sockets: Path, silent: int) -> None:
    """Its metrics are missing, the others' are there, within the bound."""
    async with Workers(sockets, 3, WorkerMetrics(3)) as workers:
        began_s = time.monotonic()
        text = (await workers.exposition()).decode()
        assert time.monotonic() - began_s < ANSWER_SECONDS_MAX + 1
        assert not (await workers.readiness()).ready
    assert f'advolink_worker_up{{worker="{silent}"}} 0.0' in text
    assert 'open{worker="1"} 1.0\n' in text
