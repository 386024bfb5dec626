"""The one way in which a verdict is changed that somebody wants changed: a review, or rules that say otherwise by now.

In a transaction under the partition's lock, conditional on the verdict that was seen. What came of it is not only the
click's: where it held a slot, or would, all of the slot are judged anew. A batch in which a click comes that takes a
slot does the same in its own transaction (aggregator.applying.store).
"""

from collections.abc import Sequence
from typing import Final

from aggregator.applying.fold import Folded
from aggregator.applying.store import BatchWriter, hold_partition
from aggregator.programme.store import hold_programme
from aggregator.verdicts.deciding import Fate, Wanted, Why, add_differences
from aggregator.verdicts.store import judge_wanted
from database.pool import Pool, connected
from link_events.streams import Partition, Stream

CHANGES_MAX: Final = 500
"""Of one transaction: batches of the partition wait for as long as it takes."""


async def change_verdicts(pool: Pool, partition: Partition, wanted: Sequence[Wanted], why: Why) -> Sequence[Fate]:
    """Change verdicts of clicks of one partition, and tell what became of each wish.

    A wish whose click was judged anew since is stale: look at the click again. Some are changed at a time; done again
    after an outage, those that went through before are stale.

    Raises:
        DatabaseAwayError: nothing is known of the transaction that was under way.
    """
    fates: list[Fate] = []
    for start in range(0, len(wanted), CHANGES_MAX):
        fates += await _change(pool, partition, wanted[start : start + CHANGES_MAX], why)
    return fates


async def _change(pool: Pool, partition: Partition, wanted: Sequence[Wanted], why: Why) -> Sequence[Fate]:
    async with connected(pool) as connection, connection.transaction():
        programme = await hold_programme(connection)
        await hold_partition(connection, Stream.CLICKS, partition)
        decision, held, fates = await judge_wanted(connection, wanted, why, programme.repeats)
        folded = Folded()
        add_differences(decision, held, folded)
        await BatchWriter(connection, Stream.CLICKS, partition).add_counts(folded)
    return fates
