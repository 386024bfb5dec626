"""Activities in Postgres, inside the transaction of whoever applies them, and in the counts."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Final

from aggregator.results.adding import Results
from aggregator.results.store import add_results
from database.pool import Connection
from database.queries import columns, load_queries
from link_events.events import Activity
from link_events.identity import Origin
from link_events.streams import Partition
from link_events.values import value

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))


@value(frozen=True, slots=True)
class ReceivedActivity:
    """An activity as it was read from the log: where it was journaled, and its local day."""

    origin: Origin
    activity: Activity
    local_day: date

    @property
    def key(self) -> tuple[str, str]:
        """What names it, however often and wherever it is reported."""
        return self.activity.source, self.activity.external_id


async def take_activities(connection: Connection, partition: Partition, received: Sequence[ReceivedActivity]) -> int:
    """Store and count activities that are new; how many were there before. Nothing is written after them.

    Of one that is reported more than once the first that is applied stays, whatever the others say: reports of two
    advocates come through two partitions, which have no order between them.
    """
    first: dict[tuple[str, str], ReceivedActivity] = {}
    for one in received:
        first.setdefault(one.key, one)
    rows = [_row(first[key]) for key in sorted(first)]  # in one order, so that two transactions never wait in a circle
    if not rows:
        return 0
    taken = await connection.fetch(_SQL["take_activities"], *columns(rows))
    results = Results()
    for source, external_id in taken:
        new = first[source, external_id]
        results.add_activity(new.activity.advocate_id, new.local_day, new.activity.kind)
    await add_results(connection, partition, results)
    return len(received) - len(taken)


def _row(one: ReceivedActivity) -> tuple[object, ...]:
    origin, activity = one.origin, one.activity
    named = (*one.key, activity.kind, origin.journal, origin.partition, origin.seq)
    about = (activity.advocate_id, activity.channel, activity.content_id, activity.category)
    return (*named, activity.occurred_at, one.local_day, *about)
