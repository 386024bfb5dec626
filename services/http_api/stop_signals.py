"""The signals that ask a process to stop."""

import asyncio
import contextlib
import signal


class StopSignals:
    """SIGTERM and SIGINT of this process, from now on. The first asks it to stop, a second not to delay it."""

    def __init__(self, delay_s: float = 0) -> None:
        self._delay_s = delay_s
        self._first, self._second = asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, self._came)

    async def wait(self) -> None:
        """Wait for the first."""
        await self._first.wait()

    async def delayed(self) -> None:
        """After the first: wait as long as a stop is to be delayed, or until the second."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._second.wait(), self._delay_s if self._first.is_set() else 0)

    async def again(self) -> None:
        """Wait for the second."""
        await self._second.wait()

    def _came(self) -> None:
        (self._second if self._first.is_set() else self._first).set()
