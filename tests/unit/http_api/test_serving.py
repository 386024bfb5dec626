"""A service serves until it is told to stop or a task of it fails, and ends in order."""

import asyncio
import gc
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from http_api.listening import TcpAddress
from http_api.serving import OBJECTS_BEFORE_COLLECTION, Binding, Failures, cancel_all, run, serve
from http_api.stop_signals import StopSignals
from stage.ports import free_port
from stage.waiting import eventually_async

SOON_SECONDS = 10


async def _fail(error: BaseException) -> None:
    raise error


async def _for_ever() -> None:
    await asyncio.Event().wait()


async def test_the_first_failure_of_a_watched_task_is_raised_in_the_end() -> None:
    """Whatever fails after it is a consequence."""
    failures = Failures()
    for error in (ValueError("first"), KeyError("second")):
        task = asyncio.create_task(_fail(error), name="a task")
        failures.watch(task)
        await asyncio.wait([task])
    await asyncio.wait_for(failures.wait(), SOON_SECONDS)
    with pytest.raises(ValueError, match="first"):
        failures.raise_first()


async def test_a_task_that_ends_or_is_cancelled_has_not_failed() -> None:
    """A consumer that lost its partition returns; a stop cancels all of them."""
    failures = Failures()
    returning, endless = asyncio.create_task(_return()), asyncio.create_task(_for_ever())
    for task in (returning, endless):
        failures.watch(task)
    await returning
    await cancel_all([endless])
    waiting = asyncio.create_task(failures.wait())
    await asyncio.wait([waiting], timeout=0.05)
    assert not waiting.done()
    await cancel_all([waiting])
    failures.raise_first()


async def _return() -> None:
    return


@dataclass
class Served:
    """A public and a management app on free ports of this machine."""

    ports: tuple[int, int] = field(default_factory=lambda: (free_port(), free_port()))
    failures: Failures = field(default_factory=Failures)
    stopped: list[str] = field(default_factory=list)
    held: asyncio.Event = field(default_factory=asyncio.Event)
    release: asyncio.Event = field(default_factory=asyncio.Event)
    delay_s: float = 0

    async def run(self) -> None:
        """Serve both."""
        apps = [Starlette(routes=[Route("/", _alive), Route("/slow", self._slow)]) for _ in self.ports]
        places = (TcpAddress("127.0.0.1", port) for port in self.ports)
        public, management = (Binding(app, place) for app, place in zip(apps, places, strict=True))
        await serve(public, management, self.failures, lambda: self.stopped.append("told"), StopSignals(self.delay_s))

    async def answers(self, path: str = "/", port: int = 0) -> str | None:
        """What it answers, if it does."""
        async with httpx2.AsyncClient(trust_env=False, timeout=SOON_SECONDS) as client:
            try:
                return (await client.get(f"http://127.0.0.1:{self.ports[port]}{path}")).text
            except httpx2.TransportError:
                return None

    async def _slow(self, _request: Request) -> PlainTextResponse:
        self.held.set()
        await self.release.wait()
        return PlainTextResponse("slow but there")


async def _alive(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("alive")


Stop = Callable[[Served], Awaitable[None]]


async def _by_signal(_served: Served) -> None:
    os.kill(os.getpid(), signal.SIGTERM)


async def _by_failure(served: Served) -> None:
    task = asyncio.create_task(_fail(ValueError("a bug")), name="a task")
    served.failures.watch(task)
    await asyncio.wait([task])


@pytest.mark.parametrize("stop", [_by_signal, _by_failure])
async def test_a_stop_lets_requests_in_flight_finish(stop: Stop) -> None:
    """Both ports serve before it; readiness is told first, nothing new is taken, what was begun is answered."""
    served = Served()
    serving = asyncio.create_task(served.run())
    for port in (0, 1):
        await eventually_async(lambda port=port: served.answers(port=port))  # type: ignore[misc]
    slow = asyncio.create_task(served.answers("/slow"))
    await asyncio.wait_for(served.held.wait(), SOON_SECONDS)
    await stop(served)
    await eventually_async(lambda: _refused(served))
    assert served.stopped == ["told"]
    assert not serving.done()
    served.release.set()
    assert await slow == "slow but there"
    await asyncio.wait_for(serving, SOON_SECONDS)
    assert served.stopped == ["told"]


async def _refused(served: Served) -> bool:
    return await served.answers() is None


async def test_a_delayed_stop_tells_and_goes_on_serving_until_a_second_signal() -> None:
    """A load balancer sees that it is to send no more, and what it sends meanwhile is answered."""
    served = Served(delay_s=600)
    serving = asyncio.create_task(served.run())
    for port in (0, 1):
        await eventually_async(lambda port=port: served.answers(port=port))  # type: ignore[misc]
    await _by_signal(served)
    await eventually_async(lambda: _was_told(served))
    assert await served.answers() == "alive"
    await _by_signal(served)
    await asyncio.wait_for(serving, SOON_SECONDS)
    assert served.stopped == ["told"]


async def test_a_delay_ends_by_itself() -> None:
    served = Served(delay_s=0.2)
    serving = asyncio.create_task(served.run())
    await eventually_async(served.answers)
    await _by_signal(served)
    await asyncio.wait_for(serving, SOON_SECONDS)


async def test_a_signal_that_comes_before_anything_is_served_is_not_forgotten() -> None:
    """It came while the service was starting."""
    served, stop = Served(), StopSignals()
    await _by_signal(served)
    await asyncio.wait_for(stop.wait(), SOON_SECONDS)
    app = Starlette(routes=[Route("/", _alive)])
    public, management = (Binding(app, TcpAddress("127.0.0.1", port)) for port in served.ports)
    await asyncio.wait_for(serve(public, management, served.failures, lambda: None, stop), SOON_SECONDS)


async def _was_told(served: Served) -> bool:
    return served.stopped == ["told"]


@pytest.fixture
def collector() -> Iterator[None]:
    """Python's garbage collector, as it was afterwards."""
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


@pytest.mark.usefixtures("collector")
def test_what_stays_is_not_searched_again_and_again() -> None:
    """With 100 000 links in memory each search of all objects holds up every redirect for half a second."""
    seen: list[tuple[int, int]] = []

    async def main() -> None:
        seen.append((gc.get_threshold()[0], gc.get_freeze_count()))

    run(main)
    ((threshold, frozen),) = seen
    assert threshold == OBJECTS_BEFORE_COLLECTION
    assert frozen > 0
