"""The attributor: looks at what is marked until nothing is, in transactions of some at a time, for ever.

Killed anywhere, it has done one of them or not; the marks say what is left. Any number of attributors share the marks.
A conversion that cannot be attributed is set aside, so that it stops no other.
"""

import asyncio
import logging
import time
from collections import Counter
from datetime import timedelta
from typing import Final

from aggregator.attributing.deciding import decide
from aggregator.attributing.store import MARKS_MAX, AttributingStore, AttributionWriter
from aggregator.metrics import AttributingMetrics
from database.pool import OTHER_SCHEMA, DatabaseAwayError, RolledBackError
from link_events.reasons import ConversionState

POLL: Final = timedelta(milliseconds=200)
"""Between two looks where nothing was marked: what a credit comes later than its conversion by."""

PAUSE: Final = timedelta(seconds=1)
"""After an outage."""

log = logging.getLogger(__name__)


async def keep_attributing(store: AttributingStore, metrics: AttributingMetrics) -> None:
    """Attribute for ever. What fails is tried again, and is as if it had not been begun."""
    while True:
        pause = POLL
        try:
            while await _measured(store, metrics):
                pass
        except RolledBackError as error:
            metrics.failures.inc()
            log.info("an attribution gave way to another transaction, and is begun again: %s", error)
        except DatabaseAwayError as error:
            metrics.failures.inc()
            pause = PAUSE
            log.warning("attributing waits for Postgres: %s", error)
        await asyncio.sleep(pause.total_seconds())


async def attribute_all(store: AttributingStore) -> int:
    """Attribute until nothing is marked that nobody else has; how many conversions were looked at, each as often."""
    looked_at = 0
    while states := await attribute_some(store):
        looked_at += states.total()
    return looked_at


async def attribute_some(store: AttributingStore) -> Counter[ConversionState]:
    """Look at some marked conversions, in one transaction, and tell what became of them. Nothing: none was marked.

    Where it fails because of what is in it, each is looked at in a transaction of its own.

    Raises:
        DatabaseAwayError: all of it may have happened, or nothing.
    """
    try:
        async with store.attribution() as writer:
            return await _attribute(writer) if writer else Counter()
    except (DatabaseAwayError, *OTHER_SCHEMA):
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, it is looked for one by one, and raised if it is not there
        log.warning("some conversions cannot be attributed together, and are one by one: %r", error)
    return await _one_by_one(store)


async def _one_by_one(store: AttributingStore) -> Counter[ConversionState]:
    """As many as were taken together at the most. Whichever fails is set aside."""
    states: Counter[ConversionState] = Counter()
    for _ in range(MARKS_MAX):
        writer: AttributionWriter | None = None
        try:
            async with store.attribution(1) as writer:
                made = await _attribute(writer) if writer else None
            if made is None:
                break
            states += made
        except (DatabaseAwayError, *OTHER_SCHEMA):
            raise
        except Exception as error:
            if writer is None or not await store.set_aside(writer.taken, error):
                raise
            ids = [mark.conversion_id for mark in writer.taken]
            log.exception("conversion %s cannot be attributed, and is set aside", ids)
    return states


async def _attribute(writer: AttributionWriter) -> Counter[ConversionState]:
    due = await writer.due()
    made = [(one.claim, decide(one.claim, one.found, writer.policy, writer.now)) for one in due]
    await writer.write(made)
    return Counter(attribution.state for _, attribution in made)


async def _measured(store: AttributingStore, metrics: AttributingMetrics) -> bool:
    begun = time.perf_counter()
    states = await attribute_some(store)
    if states:
        metrics.duration.observe(time.perf_counter() - begun)
    for state, count in states.items():
        metrics.attributions.labels(state).inc(count)
    return bool(states)
