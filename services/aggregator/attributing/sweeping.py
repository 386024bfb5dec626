"""The sweep: finds what waits for something that has come meanwhile, or for long enough.

A click's batch knows nothing of conversions, and a conversion may be looked at while the click that it names is in a
transaction that is not committed yet. So what waits is looked for, again and again: nothing depends on who comes first.
"""

import asyncio
import logging
import time
from datetime import timedelta
from itertools import count
from typing import Final

from aggregator.attributing.store import AttributingStore
from database.pool import DatabaseAwayError

ROUND: Final = timedelta(seconds=1)
"""Between two sweeps: what a credit comes later than its click by, where the conversion came first."""

GIVEN_UP_EVERY: Final = 600
"""So many rounds, ten minutes: for clicks that are waited for no more. They may still come, and count."""

TRY_AGAIN_AFTER: Final = timedelta(minutes=10)
"""What could not be attributed waits so long: time enough to see it, and soon enough once its cause is gone."""

PAUSE_MIN: Final = 4
"""A sweep that takes long, for much waits, is followed by a pause so many times as long."""

log = logging.getLogger(__name__)


async def keep_sweeping(store: AttributingStore) -> None:
    """Sweep for ever. What fails is looked for again."""
    for round_number in count():
        begun = time.perf_counter()
        try:
            await store.sweep(given_up=round_number % GIVEN_UP_EVERY == 0)
            await store.try_again(TRY_AGAIN_AFTER)
        except DatabaseAwayError as error:
            log.warning("sweeping waits for Postgres: %s", error)
        await asyncio.sleep(max(ROUND.total_seconds(), PAUSE_MIN * (time.perf_counter() - begun)))
