"""What this aggregator knows of rows that differ: each slice as it was at the last look. Pure."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date

from aggregator.checking.differing import Comparison, Difference, Look, Numbers
from aggregator.counts.tables import CountsTable
from link_events.periods import Granularity, quarter_start
from link_events.streams import Partition


class Drift:
    """The latest look at every slice that is ours; one that went well leaves nothing behind."""

    def __init__(self) -> None:
        self._differing: dict[tuple[Granularity, date], Look] = {}
        self._beyond: set[date] = set()

    def note(self, look: Look) -> Sequence[Difference]:
        """A new look takes the place of the last one at the same slice. Gives what was not seen in that.

        A row that differs by the same as before was seen, although its numbers have grown.
        """
        slice_ = (look.granularity, look.start)
        before = self._differing.pop(slice_, None)
        self._beyond.discard(look.start)
        if look.comparison is None:
            self._beyond.add(look.start)
            return ()
        if look.comparison.agrees:
            return ()
        self._differing[slice_] = look
        known = {_what(one) for one in before.comparison.differences} if before and before.comparison else set()
        return [one for one in look.comparison.differences if _what(one) not in known]

    def keep(self, quarters: Collection[date]) -> None:
        """Forget every slice but those of `quarters`: the others are somebody else's now."""
        self._differing = {
            slice_: look for slice_, look in self._differing.items() if quarter_start(slice_[1]) in quarters
        }
        self._beyond = {day for day in self._beyond if quarter_start(day) in quarters}

    @property
    def rows(self) -> Mapping[CountsTable, int]:
        """How many rows differ, by table."""
        return {table: sum(one.differing.get(table, 0) for one in self._comparisons) for table in CountsTable}

    @property
    def slots(self) -> int:
        """How many slots are not held by their first counted click."""
        return sum(one.slots for one in self._comparisons)

    @property
    def conversions(self) -> int:
        """How many conversions have other credits than their state says."""
        return sum(one.conversions for one in self._comparisons)

    @property
    def days_beyond(self) -> int:
        """How many days cannot be compared any more: their raw clicks were let go."""
        return len(self._beyond)

    @property
    def _comparisons(self) -> Sequence[Comparison]:
        return [look.comparison for look in self._differing.values() if look.comparison]


def _what(one: Difference) -> tuple[CountsTable, str, Numbers, bool, Partition]:
    """Which row of a slice it is, and what is wrong with it, whatever its numbers."""
    return one.counts, one.key, one.off, one.stored is None, one.partition
