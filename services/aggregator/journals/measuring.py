"""Brings the metrics of journals up to date."""

import math
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta

from aggregator.journals.states import JournalState, complete_through
from aggregator.journals.store import Census, JournalStore
from aggregator.metrics import JournalMetrics


@dataclass(frozen=True, slots=True)
class JournalMeasure:
    """What is measured, and against what."""

    store: JournalStore
    gauges: JournalMetrics
    silent_after: timedelta
    redirectors_expected: int | None

    async def refresh(self) -> None:
        """Measure once.

        Raises:
            DatabaseAwayError: Postgres is away.
        """
        self.show(await self.store.census())

    def show(self, census: Census) -> None:
        """Bring the gauges up to what `census` found."""
        now = census.as_of
        states = {journal: journal.state(now, self.silent_after) for journal in census.unfinished}
        counts = Counter(states.values())
        counts[JournalState.SEALED] += census.known - len(census.unfinished)
        for state in JournalState:
            self.gauges.journals.labels(state).set(counts[state])
        complete = complete_through(now, census.unfinished, census.unattributed)
        self.gauges.complete_through.set(complete.timestamp() if census.known else math.nan)
        ahead = [(one.last_captured_at - now).total_seconds() for one in states if one.last_captured_at is not None]
        self.gauges.clock_ahead.set(max([0, *ahead]))
        live = sum(1 for one, state in states.items() if state is JournalState.LIVE and not one.is_import)
        self.gauges.redirectors_missing.set(max(0, (self.redirectors_expected or 0) - live))
