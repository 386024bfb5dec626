"""Conversions as an attributor leaves them, without one: what is credited to whom, and the counts that it is in."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Final

from aggregator.attributing.weights import MILLIONTHS
from aggregator.results.adding import Results
from aggregator.results.store import add_results
from database.pool import Connection, connected
from link_events.identity import AdvocateId, JournalId, LinkId
from link_events.streams import Partition
from stage.pipe import Pipe

JOURNAL: Final = JournalId(b"credited")
PARTITIONS: Final[Mapping[str, int]] = {"bo": 5, "dora": 3}
"""Of advocates' clicks; 0 of all others'."""

_CONVERSION: Final = """
    INSERT INTO conversion (
        source, kind, external_id, partition, journal, seq, log_offset, via, occurred_at, local_day, logged_at,
        names_clicks, test, state, credited_value_minor
    )
    SELECT 'shop', 'sale', $1, 0, $2, $3, $3, 'api', $4, $5, $4, true, false, 'credited', $6
    RETURNING conversion_id
"""
_CREDIT: Final = """
    INSERT INTO credit (
        conversion_id, journal, partition, seq, advocate_id, link_id, day, click_day, last, first, linear, "position",
        time_decay, counted_millionths, value_minor
    )
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $9, $9, $9, $9, $10)
"""
_TAKEN_BACK: Final = """
    UPDATE conversion SET state = 'reversed', credited_value_minor = 0
    WHERE external_id = $1 AND state = 'credited' RETURNING conversion_id
"""


@dataclass(frozen=True, slots=True)
class Earned:
    """A click that earns: whose, and on which local day."""

    advocate: str
    link: int
    day: date

    @property
    def partition(self) -> Partition:
        """Which its clicks come through."""
        return Partition(PARTITIONS.get(self.advocate, 0))


@dataclass(frozen=True, slots=True)
class Sale:
    """A conversion of a local day, its value, and the clicks that share it."""

    number: int
    day: date
    value_minor: int
    earned: Sequence[Earned]

    @property
    def shares(self) -> list[tuple[Earned, int, int]]:
        """(click, millionths, value) of each, as alike as it goes: the last click has what is left over."""
        parts = [whole // len(self.earned) for whole in (MILLIONTHS, self.value_minor)]
        left = [whole % len(self.earned) for whole in (MILLIONTHS, self.value_minor)]
        *most, last = self.earned
        return [*((one, parts[0], parts[1]) for one in most), (last, parts[0] + left[0], parts[1] + left[1])]


async def credit(pipe: Pipe, *sales: Sale) -> None:
    """Have sales credited, each in a transaction with its counts."""
    for sale in sales:
        async with connected(pipe.pool) as connection, connection.transaction():
            instant = datetime.combine(sale.day, time(12), UTC)
            named = (f"A-{sale.number}", JOURNAL, sale.number, instant, sale.day, sale.value_minor)
            conversion = await connection.fetchval(_CONVERSION, *named)
            for seq, (one, millionths, value) in enumerate(sale.shares):
                earner = (one.partition, sale.number * 1_000 + seq, one.advocate, one.link)
                days = (sale.day, one.day)
                await connection.execute(_CREDIT, conversion, JOURNAL, *earner, *days, millionths, value)
            await _add(connection, sale, 1)


async def take_back(pipe: Pipe, *sales: Sale) -> None:
    """Have sales that are credited reversed, all of them."""
    for sale in sales:
        async with connected(pipe.pool) as connection, connection.transaction():
            conversion = await connection.fetchval(_TAKEN_BACK, f"A-{sale.number}")
            await connection.execute("DELETE FROM credit WHERE conversion_id = $1", conversion)
            await _add(connection, sale, -1)


async def _add(connection: Connection, sale: Sale, times: int) -> None:
    by_partition: dict[Partition, Results] = defaultdict(Results)
    for one, millionths, value in sale.shares:
        by_partition[one.partition].add_credit(
            AdvocateId(one.advocate),
            LinkId(one.link),
            sale.day,
            one.day,
            millionths=times * millionths,
            value_minor=times * value,
        )
    for partition, results in sorted(by_partition.items()):
        await add_results(connection, partition, results)
