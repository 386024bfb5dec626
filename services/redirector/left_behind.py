"""Journals that no worker needs any more: those of more workers than there are today. They are shipped to their end."""

import asyncio
import logging
from collections import deque
from datetime import timedelta
from typing import Final

from redirector.journal.adoption import LockedJournal, OwnedJournal, take_left_behind
from redirector.recalling import Place
from redirector.shipments import Shipment, Shipments, seal_and_finish

LOOK_INTERVAL: Final = timedelta(seconds=1)
"""How often it is looked whether every worker has its journal."""

log = logging.getLogger(__name__)


async def end_left_behind(place: Place, workers: int, shipments: Shipments, own: Shipment) -> None:
    """Once each of the workers has a journal, seal what nobody has and ship it; one worker of all does so.

    A journal that loses its owner later is that of a worker which is about to come back.
    """
    live = place.journal_dir / "live"
    while True:
        ending = sum(one is not own and one.journal.directory.parent == live for one in shipments)
        try:
            left = take_left_behind(live, workers + ending)
        except OSError:  # redirects go on whatever becomes of old journals
            log.exception("journals that were left behind cannot be looked through")
            return
        if left is not None:
            break
        await asyncio.sleep(LOOK_INTERVAL.total_seconds())
    waiting = deque(left)
    try:
        while waiting:
            if (owned := await _opened(waiting.popleft(), place)) is not None:
                await seal_and_finish(shipments, owned)
    finally:
        for one in waiting:
            one.let_go()


async def _opened(locked: LockedJournal, place: Place) -> OwnedJournal | None:
    """The journal, opened beside the event loop: it may take seconds, in which people are redirected."""
    opening = asyncio.create_task(asyncio.to_thread(locked.open, place.partitions, place.limits))
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        if (owned := await opening) is not None:
            await owned.close()
        raise
