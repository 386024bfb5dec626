"""Keeps programs running: starts them in order, restarts what dies, stops them in the reverse order.

What others stand on (`Program.is_foundation`) is stopped last, all of it at the same time.

Runs processes, writes their output to their logs, says what happened in its own log. It knows nothing of what the
programs do: whether one is ready is a question the caller brings.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Final, Self

from local.errors import StartError
from processes.child import Child
from processes.logs import bound_log, tail
from processes.programs import Program

READY_POLL_SECONDS: Final = 0.1
LOG_CHECK_SECONDS: Final = 60.0

log = logging.getLogger(__name__)


class Supervisor:
    """The children of one `up`. Leaving its block stops them all.

    `changed` is called whenever a child was started (again), so that whoever publishes the pids can.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._children: dict[Child, asyncio.Task[None]] = {}
        self._log_keeper: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._log_keeper = asyncio.create_task(self._keep_logs_small())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._log_keeper is not None:
            self._log_keeper.cancel()
        foundations = [child for child in self._children if child.program.is_foundation]
        for child, task in reversed(self._children.items()):
            if child not in foundations:
                await _stop(child, task)
        await asyncio.gather(*(_stop(child, self._children[child]) for child in foundations))
        for task in self._children.values():
            await task  # all have ended; a bug in one is raised now

    @property
    def pids(self) -> Mapping[str, int]:
        """The pid of each child, by name."""
        return {child.program.name: child.pid for child in self._children if child.pid is not None}

    def start(self, program: Program) -> Child:
        """Begin to keep `program` running."""
        child = Child(program, self._changed)
        self._children[child] = asyncio.create_task(child.keep_running(), name=program.name)
        return child

    async def until_ready(
        self,
        child: Child,
        is_ready: Callable[[], Awaitable[bool]],
        *,
        seconds_max: float,
        deaths_max: int = 0,
    ) -> None:
        """Wait until `is_ready`.

        Raises:
            StartError: it takes longer than `seconds_max`, or the child died more than `deaths_max` times.
        """
        try:
            async with asyncio.timeout(seconds_max):
                while not await is_ready():
                    if child.deaths > deaths_max:
                        raise StartError(_with_log(f"{child.last_death} while starting", child))
                    await asyncio.sleep(READY_POLL_SECONDS)
        except TimeoutError as error:
            late = f"{child.program.name} was not ready after {seconds_max:.0f} s"
            raise StartError(_with_log(late, child)) from error

    async def until(self, stop: asyncio.Event) -> None:
        """Wait for `stop`. A child's task ends before only by a bug of ours, which is raised."""
        waiting = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({waiting, *self._children.values()}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        for task in self._children.values():
            if task.done():
                await task

    async def _keep_logs_small(self) -> None:
        while True:
            await asyncio.sleep(LOG_CHECK_SECONDS)
            for path in filter(None, (child.program.log for child in self._children)):
                try:
                    bound_log(path)
                except OSError as error:
                    log.warning("the log %s could not be cut: %s", path, error.strerror)


async def _stop(child: Child, task: asyncio.Task[None]) -> None:
    child.stop()
    await asyncio.wait({task}, timeout=child.program.stop_deadline.total_seconds())
    if not task.done():
        child.kill()
        await asyncio.wait({task})


def _with_log(what: str, child: Child) -> str:
    path = child.program.log
    if path is None:
        return f"{what}."
    last_lines = tail(path)
    return f"{what}. The end of its log, {path}:\n{last_lines}" if last_lines else f"{what}; its log is {path}."
