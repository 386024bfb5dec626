"""Programs that run to their end while `up` waits: Maven, Kafka's tools. Whatever ends the wait ends them too."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from processes.logs import open_log, tail
from processes.programs import leashed

TIMED_OUT: Final = 124
"""The status of an errand that was ended for taking too long, as with timeout(1)."""


@dataclass(frozen=True, slots=True)
class Errand:
    """A command, where it runs and in which environment. What it says is appended to `log`."""

    command: Sequence[str]
    place: Path
    environment: Mapping[str, str]
    log: Path

    async def run(self, seconds_max: float) -> int:
        """Run it to its end; its exit status, TIMED_OUT where it was still running after `seconds_max`.

        Raises:
            OSError: it could not be started.
        """
        async with self.running() as process:
            try:
                return await asyncio.wait_for(process.wait(), seconds_max)
            except TimeoutError:
                return TIMED_OUT

    @asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.subprocess.Process]:
        """It runs for the length of the block at most."""
        output = open_log(self.log)
        try:
            process = await asyncio.create_subprocess_exec(
                *leashed(self.command),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=dict(self.environment),
                cwd=self.place,
                start_new_session=True,  # Ctrl-C at the terminal is for `up` alone
            )
        finally:
            os.close(output)
        try:
            yield process
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()

    def last_words(self) -> str:
        """The last line it said that is not empty."""
        lines = [line for line in tail(self.log).splitlines() if line.strip()]
        return lines[-1].strip() if lines else "it said nothing"
