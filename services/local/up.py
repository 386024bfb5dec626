"""`advolink up`: everything on one machine, from an empty directory to addresses that answer, until a signal.

Reads and writes the data directory; writes its up.json when everything is ready, and again whenever a child was
restarted. It must leave no process behind, and nothing outside the data directory but a root's Postgres.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Coroutine
from contextlib import ExitStack, asynccontextmanager
from typing import Any, Final, TypeVar

from local.data_directory import opened
from local.launch import Launch
from local.options import Options
from local.start import start
from local.supervisor import Supervisor
from local.terminal import Terminal, log_to
from local.up_file import UpFile

STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

T = TypeVar("T")


async def up(options: Options, terminal: Terminal) -> None:
    """Start everything and keep it running until a stop signal.

    Raises:
        LocalError: something is in the way; the message is for a person. What was started is stopped again.
    """
    stop = _stop_signal()
    with ExitStack() as held:  # locks, let go of when every child has ended
        directory = held.enter_context(opened(options.data_directory))
        log_to(directory.log("up"))
        terminal.starting(directory.path)
        directory.workers.unlink(missing_ok=True)  # of a run that was killed
        up_file = UpFile(directory.up_file, directory.workers)
        async with Supervisor(up_file.update) as supervisor:
            try:
                addresses = await _unless(stop, start(Launch(options, directory, supervisor, terminal, held)))
                if addresses is not None:
                    up_file.publish(addresses, supervisor)
                    terminal.ready(addresses, directory.logs)
                    async with _beside(up_file.follow_workers()):
                        await supervisor.until(stop)
                terminal.stopping()
            finally:
                up_file.withdraw()
    terminal.stopped()


@asynccontextmanager
async def _beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """`work` goes on for the length of the block."""
    working = asyncio.create_task(work)
    try:
        yield
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


def _stop_signal() -> asyncio.Event:
    """An event that a stop signal sets. One that was ignored from the start (nohup) stays ignored."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in STOP_SIGNALS:
        if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            loop.add_signal_handler(number, stop.set)
    return stop


async def _unless(stop: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """What `work` returns; None where `stop` came first, and `work` is then given up."""
    working, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        return await working if working.done() else None
    finally:
        working.cancel()
        stopping.cancel()
        await asyncio.gather(working, stopping, return_exceptions=True)
