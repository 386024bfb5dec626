"""One process, two ports: the public app and the management app on one event loop, until a signal.

On SIGTERM or SIGINT the public port stops first, requests in flight finish within a deadline, and only then does
the caller stop what the requests relied on.
"""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Callable, Coroutine, Generator, Iterable
from dataclasses import dataclass
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp

from http_api.bounded_heads import BoundedHeads

STOP_DEADLINE_S: Final = 6
"""How long requests in flight may take to finish after the stop signal. With the redirector's drain after it, it must
fit into the 12 s that `advolink up` gives the redirector."""

CONNECTIONS_WAITING_MAX: Final = 2048
"""Connections the kernel keeps until they are accepted."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Binding:
    """Where an app listens."""

    app: ASGIApp
    host: str
    port: int


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

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave signals to `stop_signal`."""
        yield


async def serve(public: Binding, management: Binding, failures: Failures, on_stop: Callable[[], None]) -> None:
    """Serve both until a stop signal or a failure; `on_stop` is called as soon as it comes (readiness goes false)."""
    stop = stop_signal()
    servers = [_server(public), _server(management)]
    tasks = [asyncio.create_task(server.serve()) for server in servers]
    reasons = [asyncio.create_task(stop.wait()), asyncio.create_task(failures.wait())]
    log.info("serving on %s:%d, management on %s:%d", public.host, public.port, management.host, management.port)
    await asyncio.wait([*tasks, *reasons], return_when=asyncio.FIRST_COMPLETED)
    on_stop()
    for server in servers:
        server.should_exit = True
    await cancel_all(reasons)
    await asyncio.gather(*tasks)


def stop_signal() -> asyncio.Event:
    """An event that SIGTERM and SIGINT set."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    return stop


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a service's `main` on the fastest event loop, with logs a person can read."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    import uvloop  # noqa: PLC0415 - only a process that serves needs it, and it patches nothing

    uvloop.run(main())


async def cancel_all(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel `tasks` and wait until they have ended."""
    waiting = list(tasks)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


def _server(binding: Binding) -> _Server:
    return _Server(
        uvicorn.Config(
            binding.app,
            host=binding.host,
            port=binding.port,
            http=BoundedHeads,
            loop="none",
            log_config=None,
            access_log=False,  # an access log would hold client addresses
            server_header=False,
            proxy_headers=False,
            backlog=CONNECTIONS_WAITING_MAX,
            timeout_graceful_shutdown=STOP_DEADLINE_S,
            lifespan="off",
            ws="none",
        )
    )
