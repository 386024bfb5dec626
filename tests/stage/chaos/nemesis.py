"""The nemesis: strikes a stack with one fault after the other, makes it well again, and writes down what was seen.

The sequence follows from the seed alone. What is measured does not: it depends on where everybody happened to be.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import orjson

from stage.chaos.cluster import Cluster
from stage.chaos.fates import Fate, Told
from stage.chaos.faults import Fault
from stage.chaos.measures import COUNTERS, Measure, Measures
from stage.chaos.strikes import STRIKES
from stage.waiting import elapse

TIMELINE: Final = "timeline.jsonl"


@dataclass(frozen=True, slots=True)
class Struck:
    """A fault that was done, when, how long it took until all was well again, and what was seen of it."""

    fault: Fault
    at_s: float
    took_s: float
    measures: Measures
    felt: bool

    def line(self) -> bytes:
        """As it stands in the timeline."""
        seen = {str(measure): count for measure, count in self.measures.items() if count}
        when = {"at_s": round(self.at_s, 3), "took_s": round(self.took_s, 3)}
        fields = {**asdict(self.fault), **when, "felt": self.felt, "seen": seen}
        return orjson.dumps(fields, option=orjson.OPT_APPEND_NEWLINE)


class Nemesis:
    """Strikes one stack."""

    def __init__(self, cluster: Cluster, faults: Iterator[Fault], tell: Callable[["Struck"], None]) -> None:
        self._cluster = cluster
        self._faults = faults
        self._tell = tell
        self._began_s = time.monotonic()
        self._timeline: Path = cluster.directory / TIMELINE
        self.struck: list[Struck] = []

    async def rage(self, goes_on: Callable[[float, Sequence[Struck]], bool]) -> None:
        """Strike while `goes_on`, which is told how many seconds have passed and what was done.

        Raises:
            AssertionError: the stack does not get well.
        """
        while goes_on(time.monotonic() - self._began_s, self.struck):
            await self._strike(next(self._faults))

    async def _strike(self, fault: Fault) -> None:
        cluster, strike, measures = self._cluster, STRIKES[fault.kind], Measures()
        await elapse(fault.lull_s)
        await cluster.scrape()
        cluster.fates.new()  # what was told before is nobody's evidence
        counters = self._counters()
        owners = await cluster.owners()
        began_s = time.monotonic()
        try:
            await strike.do(cluster, fault, measures)
            measures[Measure.UNSHIPPED] += await cluster.redirector.gauge("journal_unacked_events") or 0
        finally:
            await cluster.heal()
        await cluster.until_well()
        took_s = time.monotonic() - began_s
        await cluster.scrape()
        measures.update(self._counters() - counters)
        epochs = {partition: epoch for partition, (_, epoch) in owners.items()}
        now = await cluster.owners()
        measures[Measure.MOVED] += sum(epochs.get(partition) != epoch for partition, (_, epoch) in now.items())
        self._see(cluster.fates.new(), measures)
        self._write(Struck(fault, began_s - self._began_s, took_s, measures, strike.is_felt(measures)))

    def _counters(self) -> Measures:
        return Measures({measure: self._cluster.total(name) for measure, name in COUNTERS.items()})

    def _see(self, told: Sequence[Told], measures: Measures) -> None:
        """What clients have seen of it."""
        fates = Counter(one.fate for one in told)
        measures[Measure.UNKNOWN] += fates[Fate.UNKNOWN]
        measures[Measure.REFUSED] += fates[Fate.REFUSED]
        measures[Measure.WAIT_MS] += round(1000 * max((one.waited_s for one in told), default=0))

    def _write(self, struck: Struck) -> None:
        self.struck.append(struck)
        with self._timeline.open("ab") as timeline:
            timeline.write(struck.line())
        self._tell(struck)
