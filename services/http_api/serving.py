"""One process, two places: the public app and the management app on one event loop, until a signal.

On SIGTERM or SIGINT readiness goes false; the public port stops, after a delay where one is set; requests in flight
finish within a deadline; then the management port stops; and only then does the caller stop what requests relied on.
"""

import asyncio
import contextlib
import gc
import logging
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, cast

import uvicorn
from starlette.types import ASGIApp

from http_api.bounded_heads import BoundedHeads
from http_api.connections import ConnectionLimits, Connections
from http_api.listening import Address, CannotListenError, listening_sockets
from http_api.stop_signals import StopSignals

STOP_DEADLINE_S: Final = 6
"""How long requests in flight may take to finish after the stop signal. With the redirector's drain after it, it must
fit into the 12 s that `advolink up` gives the redirector."""

CONNECTIONS_WAITING_MAX: Final = 2048
"""Connections the kernel keeps until they are accepted."""

OBJECTS_BEFORE_COLLECTION: Final = 100_000
"""A batch of 5 000 clicks is some 40 000 objects that live and die together, and links in memory are a million and more
that stay, without a circle among them. Searching them after every 700, as Python does unless told, cost an aggregator
9 µs of a click's 26, held up every redirect for half a second while links were drawn in, and found nothing. Circles
come from requests, a few kilobytes each: before this many objects they are some tens of megabytes."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Binding:
    """Where an app listens, and what its connections share and speak."""

    app: ASGIApp
    address: Address
    connections: Connections = field(default_factory=lambda: Connections(ConnectionLimits()))
    protocol: Callable[..., BoundedHeads] = BoundedHeads


class Failures:
    """Watches endless tasks: one that fails is a bug; the process stops in order and ends with the error."""

    def __init__(self) -> None:
        self._failed = asyncio.Event()
        self._first: BaseException | None = None

    def watch(self, task: asyncio.Task[Any]) -> None:
        """Stop the process if `task` ever fails."""
        task.add_done_callback(self._ended)

    async def wait(self) -> None:
        """Wait for the first failure."""
        await self._failed.wait()

    def raise_first(self) -> None:
        """Raise the first failure, if there was one."""
        if self._first is not None:
            raise self._first

    def _ended(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.critical("%s has failed; stopping", task.get_name(), exc_info=error)
            self._first = self._first or error
            self._failed.set()


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: two servers share one process and one stop."""

    def __init__(self, config: uvicorn.Config, connections: Connections) -> None:
        super().__init__(config)
        self.server_state = self._connections = connections

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave signals to `stop_signal`."""
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take what has connected already, close the listeners, and end every connection with its next answer.

        The kernel resets what waits in a listener that is closed. Between the look at the queue and the close lie
        microseconds, not a turn of the event loop.
        """
        waiting = [connection for listener in sockets or () for connection in _accepted(listener)]
        for server in self.servers:
            server.close()
        self._connections.is_stopping = True
        loop = asyncio.get_running_loop()
        for connection in waiting:
            await loop.connect_accepted_socket(self._make_protocol, connection)
        await super().shutdown(sockets)

    def _make_protocol(self) -> asyncio.Protocol:
        make: Callable[..., asyncio.Protocol] = self.config.http_protocol_class
        return make(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)


async def serve(
    public: Binding, management: Binding, failures: Failures, on_stop: Callable[[], None], stop: StopSignals
) -> None:
    """Serve both until a stop signal or a failure; `on_stop` is called as soon as it comes (readiness goes false).

    Raises:
        CannotListenError: one of the places cannot be had.
    """
    async with served(management) as telling, served(public) as serving:  # the management port ends last: it tells
        log.info("serving on %s, management on %s", public.address, management.address)
        await first_of(telling, serving, stop.wait(), failures.wait())
        on_stop()
        await first_of(telling, serving, stop.delayed(), failures.wait())


@asynccontextmanager
async def served(binding: Binding) -> AsyncIterator[asyncio.Task[None]]:
    """Serve for the length of the block, and let requests finish; the task ends before only by a fault.

    Raises:
        CannotListenError: the place cannot be had.
    """
    with contextlib.ExitStack() as bound:
        sockets = [bound.enter_context(one) for one in listening_sockets(binding.address)]
        server = _server(binding)
        serving = asyncio.create_task(server.serve(sockets))
        try:
            yield serving
        finally:
            server.should_exit = True
            await serving


async def first_of(*waits: asyncio.Task[None] | Coroutine[Any, Any, None]) -> None:
    """Wait until one of `waits` is over; what was begun for this wait is given up."""
    begun = [asyncio.create_task(wait) for wait in waits if not isinstance(wait, asyncio.Task)]
    await asyncio.wait(
        [*begun, *(wait for wait in waits if isinstance(wait, asyncio.Task))], return_when=asyncio.FIRST_COMPLETED
    )
    await cancel_all(begun)


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a service's `main` on the fastest event loop, with logs a person can read.

    Raises:
        SystemExit: it cannot listen where it is to.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for library in ("uvicorn", "httpx2"):
        logging.getLogger(library).setLevel(logging.WARNING)
    import uvloop  # noqa: PLC0415 - only a process that serves needs it, and it patches nothing

    gc.freeze()  # what was imported stays for good: no collection looks at it again
    gc.set_threshold(OBJECTS_BEFORE_COLLECTION)
    try:
        uvloop.run(main())
    except CannotListenError as error:
        raise SystemExit(str(error)) from error


async def cancel_all(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel `tasks` and wait until they have ended."""
    waiting = list(tasks)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


def _accepted(listener: socket.socket) -> Iterator[socket.socket]:
    """Every connection that waits in a listener."""
    listener.settimeout(0)
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:  # none is left, or it is not for us to have
            return
        connection.settimeout(0)
        yield connection


def _server(binding: Binding) -> _Server:
    config = uvicorn.Config(
        binding.app,
        http=cast("type[asyncio.Protocol]", binding.protocol),
        loop="none",
        log_config=None,
        access_log=False,  # an access log would hold client addresses
        server_header=False,
        proxy_headers=False,
        backlog=CONNECTIONS_WAITING_MAX,
        timeout_keep_alive=binding.connections.limits.idle_seconds,
        timeout_graceful_shutdown=STOP_DEADLINE_S,
        lifespan="off",
        ws="none",
    )
    return _Server(config, binding.connections)
