"""The check that never ends: each aggregator compares the quarters that fall to it, slice by slice, round after round.

It takes one connection and a bounded share of the time. What it finds is in its metrics, and each row once in its log.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

from aggregator.checking.differing import EXPLAINED, Difference, Look
from aggregator.checking.drift import Drift
from aggregator.checking.looking import look_through
from aggregator.checking.store import ComparingStore
from aggregator.counts.asking import Days
from aggregator.metrics import CheckingMetrics
from database.pool import DatabaseAwayError
from link_events.periods import Granularity
from link_events.streams import Partition

ROWS_LOGGED_MAX: Final = 20
"""Of a slice and table; the gauge counts the others too."""

EVERYTHING: Final = Days()

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """How much of the time is spent on comparing."""

    pause_factor: float = 9.0
    """After a slice, so many times as long as it took: a tenth of a core at most, and 10 M clicks in five minutes."""

    pause_s_min: float = 0.1
    pause_s_max: float = 60.0
    round_pause_s: float = 5.0
    """Between two rounds, and after an outage."""

    def pause_s(self, took_s: float) -> float:
        """How long to wait after a slice that took so long."""
        return min(max(took_s * self.pause_factor, self.pause_s_min), self.pause_s_max)


PACE: Final = Pace()


@dataclass(frozen=True, slots=True)
class Share:
    """Which quarters are ours: those whose number falls on a partition that we hold, of so many."""

    held: Callable[[], Collection[Partition]]
    partitions: int

    def is_ours(self, quarter_number: int) -> bool:
        """Whether nobody else compares this quarter."""
        return quarter_number % self.partitions in self.held()


class Checking:
    """Compares for ever."""

    def __init__(self, store: ComparingStore, share: Share, metrics: CheckingMetrics, pace: Pace = PACE) -> None:
        self._store = store
        self._share = share
        self._metrics = metrics
        self._pace = pace
        self._drift = Drift()

    async def run(self) -> None:
        """Round after round; an outage ends one and begins the next."""
        while True:
            try:
                await self._round()
            except DatabaseAwayError as error:
                log.warning("checking counts waits for the next round: %s", error)
            await asyncio.sleep(self._pace.round_pause_s)

    async def _round(self) -> None:
        started_s = time.monotonic()
        plan = await self._store.plan(EVERYTHING)
        ours = [quarter for quarter in plan.quarters if self._share.is_ours(quarter.number)]
        self._drift.keep({quarter.start for quarter in ours})
        self._show()
        for quarter in ours:
            begun_s = time.monotonic()
            async for look in look_through(self._store, quarter):
                self._note(look)
                await asyncio.sleep(self._pace.pause_s(time.monotonic() - begun_s))
                begun_s = time.monotonic()
                if not self._share.is_ours(quarter.number):
                    return  # another has it now, and tells of it
        self._metrics.round_duration.set(time.monotonic() - started_s)
        self._metrics.round_ended.set_to_current_time()

    def _note(self, look: Look) -> None:
        for one in self._drift.note(look):
            log.error("%s", told(one))
        if look.comparison is not None and look.comparison.slots:
            log.error("%d slots of %s are not held by their first counted click", look.comparison.slots, look.start)
        if look.comparison is not None and look.comparison.conversions:
            log.error(
                "%d conversions of %s have other credits than their state says",
                *(look.comparison.conversions, look.start),
            )
        if look.granularity is Granularity.DAY and look.comparison is not None:
            self._metrics.days_checked.inc()
        self._show()

    def _show(self) -> None:
        for table, rows in self._drift.rows.items():
            self._metrics.drift_rows.labels(table).set(rows)
        self._metrics.drift_slots.set(self._drift.slots)
        self._metrics.drift_conversions.set(self._drift.conversions)
        self._metrics.days_beyond.set(self._drift.days_beyond)


def told(one: Difference) -> str:
    """A row that differs, in one line."""
    stored = "no row" if one.stored is None else one.stored.told
    partitions = (
        ""
        if one.stored_partition in (None, one.partition)
        else (f", partition {one.stored_partition} where what is behind it is of {one.partition}")
    )
    return (
        f"counts drifted: {one.counts} {one.key} {one.start}: {stored} is stored, "
        f"{one.expected.told} is what its clicks and results add up to ({EXPLAINED}){partitions}"
    )
