"""Journals that are done, and that the event log has lost again: they are shipped once more.

A journal that is under way asks the log by itself what it holds; one that is done would never be heard of again. So
whoever restores an older database, or fails over to a copy that was behind, gets from their files too what is missing.
"""

import asyncio
import logging
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from event_log.contract import EventLog, EventLogError
from redirector.journal.acks import load_acks
from redirector.journal.adoption import (
    OwnedJournal,
    PartitionsChangedError,
    adopt,
    done_journals,
    journal_of,
    unmark_done,
)
from redirector.journal.journal import Limits
from redirector.shipments import Shipments

ROUND: Final = timedelta(minutes=10)

AGAIN: Final = timedelta(seconds=5)
"""After a round that did not get through, because the log was away."""

ASK_TIMEOUT: Final = timedelta(seconds=30)
"""A log that has not answered by then is treated as away."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Place:
    """Where journals lie, how many partitions they are made for, and how large one may grow."""

    journal_dir: Path
    partitions: int
    limits: Limits


async def keep_recalling(place: Place, event_log: EventLog, shipments: Shipments) -> None:
    """Go round for ever."""
    while True:
        try:
            await recall(place, event_log, shipments)
            wait = ROUND
        except (EventLogError, TimeoutError) as error:
            log.info("journals that are done are looked through again soon: %s", error)
            wait = AGAIN
        except OSError:  # redirects go on whatever becomes of old journals
            log.exception("journals that are done cannot be looked through")
            wait = ROUND
        await asyncio.sleep(wait.total_seconds())


async def recall(place: Place, event_log: EventLog, shipments: Shipments) -> None:
    """One round: take up again what the log has less of than it had acked.

    Raises:
        EventLogError: the log is away, or refuses.
    """
    for kind in ("live", "imports"):
        for directory in done_journals(place.journal_dir / kind):
            if await _has_lost(event_log, directory) and (owned := _taken_up(directory, place)):
                log.warning("the event log has lost what it had of %s, which is done; it is shipped again", directory)
                shipments.finish(shipments.start(owned, is_import=kind == "imports"))


def _taken_up(directory: Path, place: Place) -> OwnedJournal | None:
    """The journal, which is not done any more; None where it is somebody else's or gone, or cannot be taken up."""
    try:
        owned = adopt(directory, place.partitions, place.limits, done=True)
    except PartitionsChangedError as error:
        log.error("the event log has lost what it had of a journal, which cannot be shipped again: %s", error)  # noqa: TRY400
        return None
    if owned is not None:
        unmark_done(directory)
    return owned


async def _has_lost(event_log: EventLog, directory: Path) -> bool:
    """Whether the log holds less of a journal than it had acked. False where it cannot say."""
    journal, acks = journal_of(directory), load_acks(directory)
    for slice_, seq in acks.seqs.items() if acks else ():
        async with asyncio.timeout(ASK_TIMEOUT.total_seconds()):
            known = await event_log.last_seq(journal, *slice_)
        if known is None:
            return False
        if known < seq:
            return True
    return False
