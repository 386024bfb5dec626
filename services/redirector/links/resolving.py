"""From a code to its link: memory first, then Postgres; many requests for one code ask Postgres once."""

import asyncio
import logging
from collections.abc import Awaitable
from datetime import timedelta
from typing import Final, TypeVar

from database.pool import DatabaseAwayError
from link_events.identity import Code
from redirector.links.link import Link
from redirector.links.memory import LinkMemory
from redirector.links.store import LinkStore

LOOKUP_TIMEOUT: Final = timedelta(seconds=2)
"""Neither a redirect nor the feed waits longer for Postgres; it is then treated as away."""

FOLLOW_INTERVAL: Final = timedelta(seconds=1)
"""How often changes of links are asked for; a changed link is stale for at most about this long."""

log = logging.getLogger(__name__)

T = TypeVar("T")


class LinkResolver:
    """Resolves codes."""

    def __init__(self, memory: LinkMemory, store: LinkStore) -> None:
        self._memory = memory
        self._store = store
        self._lookups: dict[Code, asyncio.Task[Link | None]] = {}
        self._followed: int | None = None
        self.database_away = True  # until it has answered

    async def resolve(self, code: Code) -> Link | None:
        """The link behind `code`, or None where there is none.

        Raises:
            DatabaseAwayError: it is not in memory and Postgres cannot be asked now.
        """
        link = self._memory.get(code)
        if link is not None:
            return link
        lookup = self._lookups.get(code)
        if lookup is None:
            lookup = asyncio.create_task(self._look_up(code))
            self._lookups[code] = lookup
            lookup.add_done_callback(lambda done: self._looked_up(code, done))
        return await _in_time(asyncio.shield(lookup))  # giving up a lookup may take longer than the lookup may

    async def follow_changes(self) -> None:
        """Keep what is in memory fresh, for ever. The first round only learns where the feed stands."""
        while True:
            try:
                await self._follow_once()
                self.database_away = False
            except DatabaseAwayError:
                self.database_away = True
            except Exception:  # links in memory redirect all the same: no fault here may end the process
                log.exception("following the links' changes has failed by a fault of ours; it begins again")
            await asyncio.sleep(FOLLOW_INTERVAL.total_seconds())

    async def _follow_once(self) -> None:
        if self._followed is None:
            self._followed = await _in_time(self._store.last_change())
            self._memory.forget_all()  # what was read before may have changed unseen
        while changed := await _in_time(self._store.changed_since(self._followed)):
            for link in changed:
                self._take_over(link)
            self._followed = changed[-1].change

    def _take_over(self, link: Link) -> None:
        """A code that is being looked up counts as in memory: the lookup may have read the row before its change."""
        if link.code in self._lookups:
            self._memory.remember(link)
        else:
            self._memory.refresh(link)

    async def _look_up(self, code: Code) -> Link | None:
        told_of_changes = self._followed is not None
        link = await _in_time(self._store.find(code))
        if link is not None and told_of_changes:
            self._memory.remember(link)
        return link

    def _looked_up(self, code: Code, lookup: asyncio.Task[Link | None]) -> None:
        self._lookups.pop(code, None)
        if not lookup.cancelled():
            lookup.exception()  # whoever asked has it; nobody else needs to be told


async def _in_time(answer: Awaitable[T]) -> T:
    try:
        async with asyncio.timeout(LOOKUP_TIMEOUT.total_seconds()):
            return await answer
    except TimeoutError as error:
        raise DatabaseAwayError("no answer in time") from error
