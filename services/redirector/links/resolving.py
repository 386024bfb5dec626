"""From a code to its link: memory first, then Postgres; many requests for one code ask Postgres once.

A code that is surely no link costs Postgres nothing of its own. It waits for the next round of the links' change feed,
which answers for all such codes at once, however many somebody tries.
"""

import asyncio
import logging
from collections.abc import Awaitable
from datetime import timedelta
from typing import Final, TypeVar

from database.pool import DatabaseAwayError
from link_events.identity import Code, LinkId
from redirector.links.known_codes import KnownCodes
from redirector.links.link import Link
from redirector.links.memory import LinkMemory
from redirector.links.rounds import Rounds
from redirector.links.store import CHANGES_MAX, CODES_MAX, FeedPlace, LinkStore

LOOKUP_TIMEOUT: Final = timedelta(seconds=2)
"""Neither a redirect nor the feed waits longer for Postgres; it is then treated as away."""

FOLLOW_INTERVAL: Final = timedelta(seconds=1)
"""How often changes of links are asked for; a changed link is stale for at most about this long."""

READ_PAUSE: Final = timedelta(milliseconds=10)
"""Between two pages of codes, for redirects: five million codes are known after a minute."""

CODES_AT_ONCE: Final = 200
"""Of a page: half a millisecond, in which nobody is redirected."""

log = logging.getLogger(__name__)

T = TypeVar("T")


class LinkResolver:
    """Resolves codes."""

    def __init__(self, memory: LinkMemory, store: LinkStore) -> None:
        self.codes = KnownCodes()
        self.database_away = True  # until it has answered
        self._memory = memory
        self._store = store
        self._lookups: dict[Code, asyncio.Task[Link | None]] = {}
        self._rounds = Rounds(FOLLOW_INTERVAL)
        self._place: FeedPlace | None = None
        self._followed = 0
        self._beginnings = 0
        self._read_to = LinkId(0)

    async def resolve(self, code: Code) -> Link | None:
        """The link behind `code`, or None where there is none.

        Raises:
            DatabaseAwayError: it is not in memory and Postgres cannot be asked now.
        """
        link = self._memory.get(code)
        if link is not None:
            return link
        if self.codes.surely_lack(code):
            if not await _in_time(self.next_round()):
                raise DatabaseAwayError("the links' changes cannot be followed")
            if self.codes.surely_lack(code):  # a link that was made before it was asked for has come with the round
                return None
        lookup = self._lookups.get(code)
        if lookup is None:
            lookup = asyncio.create_task(self._look_up(code))
            self._lookups[code] = lookup
            lookup.add_done_callback(lambda done: self._looked_up(code, done))
        return await _in_time(asyncio.shield(lookup))  # giving up a lookup may take longer than the lookup may

    def surely_lacks(self, code: Code) -> bool:
        """Whether `code` is surely no link but one that was made elsewhere since the last round."""
        return self.codes.surely_lack(code) and self._memory.get(code) is None

    def next_round(self) -> asyncio.Future[bool]:
        """Ask for a look at the links' changes: whether it got through.

        After it no link that was made before this call is surely lacked.
        """
        return self._rounds.ask()

    def hurry(self) -> None:
        """Have the next look at the links' changes soon."""
        self._rounds.hurry()

    def was_issued(self, link: Link) -> None:
        """Know of a link before the feed brings it."""
        self.codes.add(link.code)
        self._memory.remember(link)

    def was_changed(self, link: Link) -> None:
        """Know of a change before the feed brings it."""
        self._memory.refresh(link)

    async def follow_changes(self) -> None:
        """Keep fresh what is in memory and which codes there are, for ever."""
        while True:
            self._rounds.begin()
            got_through = False
            try:
                await self._follow_once()
                await self._read_some_codes()
                got_through = True
                self.database_away = False
            except DatabaseAwayError:
                self.database_away = True
            except Exception:  # links in memory redirect all the same: no fault here may end the process
                log.exception("following the links' changes has failed by a fault of ours; it begins again")
            self._rounds.end(got_through=got_through)
            if got_through and self.codes.filling:
                await asyncio.sleep(READ_PAUSE.total_seconds())
            else:
                await self._rounds.rest()

    async def _follow_once(self) -> None:
        """The first time only learns where the feed stands."""
        changed_count = CHANGES_MAX
        while changed_count == CHANGES_MAX:
            place, changed = await _in_time(self._store.changes_after(self._followed if self._place else None))
            self._look_where(place)
            for link in changed:
                self._take_over(link)
                self._followed = link.change
            changed_count = len(changed)

    def _look_where(self, place: FeedPlace) -> None:
        """Begin anew where the feed may not go on from where it was: after a restore, or on a copy that was behind."""
        before, self._place = self._place, place
        if before is None or place.last_change < self._followed:
            self._memory.forget_all()  # what was read before may have changed unseen
            self._beginnings += 1
            self._followed = place.last_change
        elif place.server == before.server:
            if self.codes.full:
                self._read_codes(place)
            return
        self.codes.distrust()
        self._read_codes(place)

    def _read_codes(self, place: FeedPlace) -> None:
        self.codes.begin(place.links)
        self._read_to = LinkId(0)

    async def _read_some_codes(self) -> None:
        """The next page of those that were there when reading them began."""
        if not self.codes.filling:
            return
        page, last = await _in_time(self._store.codes_after(self._read_to))
        for start in range(0, len(page), CODES_AT_ONCE):
            self.codes.fill(page[start : start + CODES_AT_ONCE])
            await asyncio.sleep(0)
        self._read_to = last
        if len(page) < CODES_MAX:
            self.codes.filled()

    def _take_over(self, link: Link) -> None:
        """A code that is being looked up counts as in memory: the lookup may have read the row before its change."""
        self.codes.add(link.code)
        if link.code in self._lookups:
            self._memory.remember(link)
        else:
            self._memory.refresh(link)

    async def _look_up(self, code: Code) -> Link | None:
        beginning = self._beginnings
        link = await _in_time(self._store.find(code))
        if link is not None and beginning and beginning == self._beginnings:
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
