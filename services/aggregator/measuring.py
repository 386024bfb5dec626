"""Brings the gauges up to date that Postgres and the event log are asked for, when somebody reads them."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import Final

from aggregator.applying.store import StandingReader
from aggregator.explaining.store import WAITING, ConversionStore, Waiting
from aggregator.journals.measuring import JournalMeasure
from aggregator.metrics import ConversionMetrics, StandingMetrics
from aggregator.raw_days.store import RawDayStore
from database.pool import DatabaseAwayError
from event_log.contract import EventLog, EventLogError
from link_events.reasons import HoleKind
from link_events.streams import Offset, Partition, Stream

TIMEOUT_S: Final = 2.0
"""A scrape that waited longer for Postgres would itself be late."""


@dataclass(frozen=True, slots=True)
class Measuring:
    """Whom to ask, and the gauges to bring up to date."""

    standings: StandingReader
    raw_days: RawDayStore
    journals: JournalMeasure
    conversions: ConversionStore
    event_log: EventLog
    gauges: StandingMetrics
    waiting: ConversionMetrics

    async def refresh(self) -> None:
        """Measure once, as far as Postgres and the log answer."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                standings = await self._measure_database()
        except (DatabaseAwayError, TimeoutError):
            self.gauges.database_connected.set(0)
            return
        self.gauges.database_connected.set(1)
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await self._measure_lag(standings)
        except (EventLogError, TimeoutError):
            self.gauges.event_log_reached.set(0)
            return
        self.gauges.event_log_reached.set(1)

    async def _measure_database(self) -> Mapping[Stream, Mapping[Partition, Offset]]:
        """What Postgres knows; how far every stream is applied."""
        holes = await self.standings.open_holes()
        for kind in HoleKind:
            self.gauges.open_holes.labels(kind).set(holes.get(kind, 0))
        kept_from = await self.raw_days.kept_from()
        self.gauges.raw_kept_from.set(datetime.combine(kept_from, time(), UTC).timestamp())
        await self.journals.refresh()
        self._show_waiting(await self.conversions.waiting())
        return {stream: await self.standings.standings(stream) for stream in Stream}

    def _show_waiting(self, waiting: Waiting) -> None:
        for state in WAITING:
            self.waiting.waiting.labels(state).set(waiting.by_state.get(state, 0))
        self.waiting.marked.set(waiting.marks)
        self.waiting.oldest_mark.set(waiting.oldest_mark_s)
        self.waiting.set_aside.set(waiting.set_aside)
        self.waiting.markings.set(waiting.markings)

    async def _measure_lag(self, standings: Mapping[Stream, Mapping[Partition, Offset]]) -> None:
        for stream, next_offsets in standings.items():
            for partition, end in (await self.event_log.end_offsets(stream)).items():
                self.gauges.lag.labels(stream, partition).set(end - next_offsets.get(partition, 0))
