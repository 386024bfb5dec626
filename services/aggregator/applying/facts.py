"""What others reported, of one batch, on its way into Postgres: conversions, reversals and activities."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from aggregator.activities.store import ReceivedActivity, take_activities
from aggregator.applying.batch import ReadRecord
from aggregator.conversions.settling import ReceivedConversion, ReceivedReversal
from aggregator.conversions.store import take_conversions, take_reversals
from database.pool import Connection
from link_events.events import Activity, Conversion, Reversal
from link_events.periods import local_day
from link_events.reasons import FactKind
from link_events.streams import Partition


@dataclass(slots=True)
class FactsWritten:
    """How many facts were kept, by what they are, and how many of them tell of what was told of before."""

    applied: Counter[FactKind] = field(default_factory=Counter)
    repeated: Counter[FactKind] = field(default_factory=Counter)

    def note(self, kind: FactKind, applied: int, repeated: int) -> None:
        """Some more of a kind."""
        self.applied[kind] += applied
        self.repeated[kind] += repeated


async def write_facts(
    connection: Connection, partition: Partition, facts: Sequence[ReadRecord], zone: ZoneInfo
) -> FactsWritten:
    """Keep facts inside a batch's transaction. Conversions come before what takes them back, counts last of all."""
    written = FactsWritten()
    conversions = [
        ReceivedConversion(
            origin=one.event.origin,
            captured_at=one.event.captured_at,
            logged_at=one.logged.logged_at,
            offset=one.logged.offset,
            conversion=data,
            local_day=local_day(data.occurred_at, zone),
        )
        for one in facts
        if isinstance(data := one.event.data, Conversion)
    ]
    written.note(FactKind.CONVERSION, len(conversions), await take_conversions(connection, partition, conversions))
    reversals = [
        ReceivedReversal(one.event.origin, one.event.captured_at, one.logged.offset, data)
        for one in facts
        if isinstance(data := one.event.data, Reversal)
    ]
    written.note(FactKind.REVERSAL, len(reversals), await take_reversals(connection, partition, reversals))
    activities = [
        ReceivedActivity(one.event.origin, data, local_day(data.occurred_at, zone))
        for one in facts
        if isinstance(data := one.event.data, Activity)
    ]
    written.note(FactKind.ACTIVITY, len(activities), await take_activities(connection, partition, activities))
    return written
