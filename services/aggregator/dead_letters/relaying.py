"""Relays dead letters to the log's dead-letter topic, where there is one: at least once, the oldest first.

Postgres stays what counts: the topic is for those who watch it with their own tools.
"""

import asyncio
import logging
from datetime import timedelta
from typing import Final

from aggregator.dead_letters.store import RelayStore
from database.pool import DatabaseAwayError
from event_log.contract import DeadLetterTopic, EventLogError

RELAY_MAX: Final = 100
"""Dead letters of one transaction: each may be as large as the log takes records."""

PAUSE: Final = timedelta(seconds=5)
"""Between two looks, and after a failure. A dead letter is no hurry: it is stored already."""

PUBLISH_TIMEOUT: Final = timedelta(seconds=60)
"""A topic that takes longer is away; the transaction that waits for it holds a connection."""

log = logging.getLogger(__name__)


async def keep_relaying(store: RelayStore, topic: DeadLetterTopic, pause: timedelta = PAUSE) -> None:
    """Relay for ever. What fails is tried again after `pause`."""
    while True:
        try:
            while await relay_some(store, topic) == RELAY_MAX:
                pass
        except (DatabaseAwayError, EventLogError, TimeoutError) as error:
            log.warning("dead letters wait to be relayed: %s", error or type(error).__name__)
        await asyncio.sleep(pause.total_seconds())


async def relay_some(store: RelayStore, topic: DeadLetterTopic) -> int:
    """Relay at most RELAY_MAX dead letters, and return how many there were.

    Raises:
        DatabaseAwayError, EventLogError, TimeoutError: the topic may have any of them, and will get all again.
    """
    async with store.unrelayed(RELAY_MAX) as dead_letters:
        if dead_letters:
            async with asyncio.timeout(PUBLISH_TIMEOUT.total_seconds()):
                await topic.publish(dead_letters)
    return len(dead_letters)
