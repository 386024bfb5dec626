"""One program and the processes that run it, one after the other, until it is told to stop."""

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections.abc import Callable
from typing import Final

from processes.logs import open_log
from processes.programs import Program

RESTART_SECONDS_MIN: Final = 0.2
RESTART_SECONDS_MAX: Final = 10.0
STEADY_SECONDS: Final = 30.0
"""A process that ran this long was well: the wait before the next start is short again."""

log = logging.getLogger(__name__)


class Child:
    """A program that is kept running. `started` is called whenever a process of it was started."""

    def __init__(self, program: Program, started: Callable[[], None]) -> None:
        self.program = program
        self.deaths = 0
        self.last_death = ""
        self._started = started
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()

    @property
    def pid(self) -> int | None:
        """The pid of its process, or of the last one while the next is waited for."""
        return self._process.pid if self._process else None

    async def keep_running(self) -> None:
        """Start it, and start it again whenever it ends, until `stop`."""
        wait_seconds = RESTART_SECONDS_MIN
        while not self._stopping.is_set():
            began = time.monotonic()
            ended = await self._run_once()
            if self._stopping.is_set():
                break
            if time.monotonic() - began >= STEADY_SECONDS:
                wait_seconds = RESTART_SECONDS_MIN
            self.deaths += 1
            self.last_death = ended
            log.warning("%s; starting it again in %.1f s", ended, wait_seconds)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), wait_seconds)
            wait_seconds = min(2 * wait_seconds, RESTART_SECONDS_MAX)

    def stop(self) -> None:
        """Ask it to end, and start it no more."""
        self._stopping.set()
        self._signal(self.program.stop_signal)

    def kill(self) -> None:
        """End it, and what it started, at once."""
        log.warning("%s (pid %s) did not stop in time and is killed", self.program.name, self.pid)
        if self._process and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    async def _run_once(self) -> str:
        """Run one process to its end, and say how it ended."""
        program = self.program
        try:
            self._process = process = await self._start()
        except OSError as error:
            return f"{program.name} could not be started ({error.strerror})"
        if self._stopping.is_set():  # told while it was being started
            self._signal(program.stop_signal)
        else:
            log.info("%s runs as pid %d", program.name, process.pid)
            self._started()
        status = await process.wait()
        return f"{program.name} (pid {process.pid}) {_ending(status)}"

    async def _start(self) -> asyncio.subprocess.Process:
        output = open_log(self.program.log) if self.program.log else None
        try:
            return await asyncio.create_subprocess_exec(
                *self.program.leashed_command(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self.program.environment,
                cwd=self.program.working_directory,
                start_new_session=True,  # Ctrl-C at the terminal is for this process alone
            )
        finally:
            if output is not None:
                os.close(output)

    def _signal(self, number: signal.Signals) -> None:
        if self._process and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)


def _ending(status: int) -> str:
    if status >= 0:
        return f"exited with status {status}"
    try:
        return f"was killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"was killed by signal {-status}"
