"""Keeping salts: made ahead by whoever comes first, shared by all redirectors, and let go of in time, everywhere.

What is shared is written to a private file, so that a start without Postgres goes on with it.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from link_events.periods import local_day
from redirector.following import FOLLOW_INTERVAL, keep_following
from redirector.journal.journal import utc_now
from redirector.kept import KeptFile
from redirector.visitors.clients import Clients
from redirector.visitors.salts import SALT_BYTES, Salts, first_day_kept
from redirector.visitors.store import DaySalts, SaltStore

log = logging.getLogger(__name__)


class SaltKeeper:
    """Keeps the salts that `clients` are told apart by."""

    def __init__(
        self,
        store: SaltStore,
        kept: KeptFile,
        salts: Salts,
        clients: Clients,
        *,
        zone: Callable[[], ZoneInfo],
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._store = store
        self._kept = kept
        self._saved = salts.shared
        self._salts = salts
        self._clients = clients
        self._zone = zone
        self._now = now

    async def follow(self, interval: timedelta = FOLLOW_INTERVAL) -> None:
        """Keep them, for ever."""
        await keep_following("visitors' salts", self.look, interval)

    async def look(self) -> None:
        """One round: let go of what is over, with or without Postgres, and agree with the others on the rest.

        Raises:
            DatabaseAwayError: Postgres cannot be asked now.
        """
        self._salts.let_go(first_day_kept(self._now(), self._zone()))
        try:
            self._salts.share(await self._agreed())
        finally:
            self._clients.renew()
            await self._save()

    @property
    def days_ahead(self) -> int:
        """How many days after today have their shared salts."""
        return self._salts.days_ahead(self._today())

    @property
    def today_is_local(self) -> bool:
        """Whether today's salt is nobody's but ours."""
        return self._today() not in self._salts.shared

    def _today(self) -> date:
        return local_day(self._now(), self._zone())

    async def _agreed(self) -> DaySalts:
        """What all redirectors share. By Postgres's clock: a wrong one of ours ends no day for the others."""
        clock, shared = await self._store.read()
        kept_from, today = first_day_kept(clock, self._zone()), local_day(clock, self._zone())
        if any(day < kept_from for day in shared):
            await self._store.let_go(kept_from)
        missing = {day: salt for day, salt in self._salts.offers(kept_from, today).items() if day not in shared}
        if missing:
            shared = await self._store.offer(missing)
        return {day: salt for day, salt in shared.items() if day >= kept_from}

    async def _save(self) -> None:
        shared = self._salts.shared
        if shared == self._saved:
            return
        if await self._kept.keep("salts", {day.isoformat(): salt.hex() for day, salt in shared.items()}):
            self._saved = shared
        elif self._saved.keys() - shared.keys():  # rather none than one that was let go of
            await asyncio.to_thread(self._kept.remove)
            self._saved = {}


def kept_salts(kept: KeptFile) -> Salts:
    """The salts that an earlier process left."""
    return Salts(kept.read(_read) or {})


def _read(value: Any) -> Mapping[date, bytes]:
    salts = {date.fromisoformat(day): bytes.fromhex(salt) for day, salt in dict(value).items()}
    if any(len(salt) != SALT_BYTES for salt in salts.values()):
        raise ValueError("no salts")
    return salts
