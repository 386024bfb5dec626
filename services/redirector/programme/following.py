"""The programme as last heard of: from Postgres every few seconds, from a file of ours after a restart without it."""

import logging
from dataclasses import asdict
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from link_events.periods import zone_named
from redirector.following import FOLLOW_INTERVAL, keep_following
from redirector.kept import KeptFile
from redirector.programme.store import Programme, ProgrammeStore, programme_of

log = logging.getLogger(__name__)


class FollowedProgramme:
    """The programme; until it was ever heard of, the one that nobody has set."""

    def __init__(self, store: ProgrammeStore, kept: KeptFile) -> None:
        self._store = store
        self._kept = kept
        self.current = kept.read(_read) or Programme()
        self.zone = zone_named(self.current.timezone) or ZoneInfo("UTC")

    async def follow(self, interval: timedelta = FOLLOW_INTERVAL) -> None:
        """Keep up with it, for ever."""
        await keep_following("the programme", self.look, interval)

    async def look(self) -> None:
        """Ask for it once.

        Raises:
            DatabaseAwayError: Postgres cannot be asked now.
        """
        told = await self._store.read()
        if told != self.current:
            self._take_over(told)
        await self._kept.keep("the programme", asdict(told))

    def _take_over(self, told: Programme) -> None:
        zone = zone_named(told.timezone)
        if zone is None:
            log.error("this version's time-zone database has no %s; going on with %s", told.timezone, self.zone)
        self.zone = zone or self.zone
        self.current = told


def _read(value: Any) -> Programme:
    """What this or another version kept: a field that it did not know has its default."""
    if not isinstance(value, dict):
        raise TypeError("not a programme")
    return programme_of(value)
