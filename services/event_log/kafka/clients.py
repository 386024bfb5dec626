"""One client at a time, started when it is first needed and thrown away after any failure.

aiokafka's clients do not recover from everything (a topic that was unknown for a moment, addresses that have all
changed, a fetcher that stalls); a new one recovers from all of it. A client that is thrown away ends in the
background, for its end may take as long as its broker does.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Final, Generic, TypeVar

from event_log.contract import EventLogAwayError
from event_log.kafka.failures import translated_failures
from event_log.kafka.patience import Patience

FORCE_TIMEOUT_S: Final = 1.0
"""Ending by force takes a turn or two of the event loop."""

log = logging.getLogger(__name__)

Client = TypeVar("Client")


class Renewed(Generic[Client]):
    """The current client of one kind.

    `make` gives a new one, `start` starts it, `end` ends it within a time it is given (event_log.kafka.endings).
    """

    def __init__(
        self,
        make: Callable[[], Client],
        start: Callable[[Client], Coroutine[Any, Any, object]],
        end: Callable[[Client, float], Coroutine[Any, Any, None]],
        patience: Patience,
    ) -> None:
        self._make = make
        self._start = start
        self._end = end
        self._patience = patience
        self._starting: asyncio.Task[Client] | None = None
        self._ending: set[asyncio.Task[None]] = set()
        self._closed = False

    async def get(self) -> Client:
        """The client; all who ask while it starts get the same.

        Raises:
            EventLogAwayError: it cannot start, or everything was closed.
        """
        if self._closed:
            raise EventLogAwayError("the log was closed")
        if self._starting is None:
            self._starting = asyncio.create_task(self._started())
            self._starting.add_done_callback(self._start_ended)
        starting = self._starting
        await asyncio.wait([starting])  # a waiter that is cancelled leaves the start to the others
        if starting.cancelled():
            raise EventLogAwayError("the log was closed")
        return starting.result()

    def is_current(self, client: Client) -> bool:
        """Whether `client` is the one that is given out."""
        starting = self._starting
        if starting is None or not starting.done() or starting.cancelled():
            return False
        return starting.exception() is None and starting.result() is client

    def throw_away(self, client: Client) -> None:
        """Never give out `client` again. Whoever still uses it sees it end."""
        if self.is_current(client):
            self._starting = None
            ending = asyncio.create_task(self._ended(client))
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)

    async def close(self) -> None:
        """End the client and those that were thrown away, by force where they take longer than they are given."""
        self._closed = True
        if (starting := self._starting) is not None:
            starting.cancel()  # unless it is done
            await asyncio.wait([starting])
            if not starting.cancelled() and starting.exception() is None:
                self.throw_away(starting.result())
        if self._ending:
            _, hanging = await asyncio.wait(set(self._ending), timeout=self._patience.close_s)
            for task in hanging:
                task.cancel()
            if hanging:
                await asyncio.wait(hanging, timeout=FORCE_TIMEOUT_S)

    def _start_ended(self, starting: asyncio.Task[Client]) -> None:
        """Forget a start that failed; a cancelled one, and one whose failure nobody waits for, as well."""
        if (starting.cancelled() or starting.exception() is not None) and self._starting is starting:
            self._starting = None

    async def _started(self) -> Client:
        client = self._make()
        try:
            with translated_failures():
                async with asyncio.timeout(self._patience.start_s):
                    await self._start(client)
        except BaseException:
            await self._end(client, 0)
            raise
        return client

    async def _ended(self, client: Client) -> None:
        try:
            await self._end(client, self._patience.stop_s)
        except Exception:  # it is of no use to anybody any more, whatever it died of
            log.exception("a Kafka client failed while it stopped")
