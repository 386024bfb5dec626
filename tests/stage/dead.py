"""Dead letters for tests: a decoder that cannot read what is written well, and what is stored of the letters."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final
from unittest.mock import patch

from aggregator.applying import batch
from aggregator.dead_letters.outcomes import Outcome
from aggregator.dead_letters.replaying import Mending, Replayer
from aggregator.dead_letters.store import DeadLetterStore
from aggregator.dead_letters.stored import StoredDeadLetter, Wanted
from aggregator.judge import PLAIN_RULES
from database.pool import Pool
from link_events.codec import UndecodableError, decode
from link_events.events import Click, Event
from link_events.identity import Code, Origin
from link_events.reasons import DeadLetterReason
from stage.pipe import CONTEXT
from stage.sql import fetch

ALL_MAX: Final = 10_000

UNREADABLE: Final = Code("unreadable")
"""A click on this code is as good as any: only the broken decoder refuses it."""


def _is_on_unreadable(event: Event) -> bool:
    return isinstance(event.data, Click) and event.data.code == UNREADABLE


@contextmanager
def broken_decoder(refuses: Callable[[Event], bool] = _is_on_unreadable) -> Iterator[None]:
    """An aggregator of a bad build inside the block: it refuses every click on UNREADABLE, or what `refuses` says."""

    def refusing(value: bytes, origin: Origin) -> Event:
        event = decode(value, origin)
        if refuses(event):
            raise UndecodableError(DeadLetterReason.BREAKS_SCHEMA, "a bad build cannot read it")
        return event

    with patch.object(batch, "decode", refusing):
        yield


async def dead_letters(pool: Pool) -> tuple[StoredDeadLetter, ...]:
    """All of them, the oldest first."""
    found = await DeadLetterStore(pool).find(Wanted(), limit=ALL_MAX)
    return tuple(reversed(found))


async def replayed(pool: Pool, dead_letter_id: int, mending: Mending | None = None, **at: datetime) -> Outcome:
    """Replay one as the command does, now or `now`."""
    replayer = Replayer(DeadLetterStore(pool), CONTEXT, PLAIN_RULES)
    return await replayer.replay(dead_letter_id, at.get("now", datetime.now(UTC)), mending)


async def holes(dsn: str) -> list[tuple[int, int, str]]:
    """Every open hole: from, to, kind."""
    return [
        (first, last, kind)
        for first, last, kind in await fetch(dsn, "SELECT seq_from, seq_to, kind FROM hole ORDER BY journal, seq_from")
    ]
