"""Following what Postgres knows: look every few seconds, and go on with what is known while it is away."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

from database.pool import DatabaseAwayError

FOLLOW_INTERVAL: Final = timedelta(seconds=5)
"""For what changes once in a while and is told nobody by the second."""

FIRST_LOOK_MAX: Final = timedelta(seconds=2)
"""How long a start waits for Postgres to tell what was never heard of."""

log = logging.getLogger(__name__)


async def keep_following(what: str, look: Callable[[], Awaitable[None]], interval: timedelta = FOLLOW_INTERVAL) -> None:
    """Await `look` again and again, for ever. No fault in it may end the process: redirects need no answer of its."""
    while True:
        try:
            await look()
        except DatabaseAwayError as error:
            log.debug("%s: Postgres is away: %s", what, error)
        except Exception:
            log.exception("following %s has failed by a fault of ours; it begins again", what)
        await asyncio.sleep(interval.total_seconds())


async def look_first(*looks: Callable[[], Awaitable[None]]) -> None:
    """Await each of `looks`, before anybody is redirected. What fails is followed all the same, and told of then."""
    with contextlib.suppress(Exception):
        async with asyncio.timeout(FIRST_LOOK_MAX.total_seconds()):
            for look in looks:
                await look()
