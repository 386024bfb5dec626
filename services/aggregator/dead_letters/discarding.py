"""Discarding a dead letter: nothing of it will be counted, its hole closes, and later copies are duplicates."""

from aggregator.dead_letters.outcomes import Ending, Outcome, closed_before, unknown
from aggregator.dead_letters.store import DeadLetterStore
from aggregator.dead_letters.stored import DeadLetterState
from link_events.reasons import DeadLetterEnd


async def discard(store: DeadLetterStore, dead_letter_id: int, why: str) -> Outcome:
    """Give one dead letter up, and note why.

    Raises:
        DatabaseAwayError: Postgres is away; discarding again is safe.
    """
    dead = await store.one(dead_letter_id)
    if dead is None:
        return unknown(dead_letter_id)
    async with store.held(dead) as held:
        if held.state is not DeadLetterState.OPEN:
            return closed_before(dead_letter_id, held.state)
        if dead.origin is not None:
            book = await held.writer.book({dead.origin.journal})
            book.discard(dead.origin.journal, dead.origin.seq)
            await held.writer.write_book(book)
        await held.close(DeadLetterEnd.DISCARDED, why)
    return Outcome(dead_letter_id, Ending.DISCARDED, "discarded")
