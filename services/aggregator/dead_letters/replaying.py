"""Replaying a dead letter: it is read and judged as the aggregator would today, counted, and its hole closes.

It goes the same way as a batch, in one transaction, under its own offset and time in the log: canonical order is as if
it had been readable at once.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from aggregator.applying.batch import DeadLetter, ReadRecord, admit, judge_clicks, raw_dates, read_records
from aggregator.applying.gathering import Gathered
from aggregator.applying.store import OvertakenError
from aggregator.dead_letters.outcomes import NO_ORIGIN_SENTENCE, Ending, Outcome, closed_before, unknown
from aggregator.dead_letters.store import DeadLetterStore, HeldDeadLetter
from aggregator.dead_letters.stored import DeadLetterState, StoredDeadLetter
from aggregator.judge import Context, Rules
from event_log.contract import LoggedRecord, Record
from link_events.identity import Origin
from link_events.reasons import DeadLetterEnd

TRIES: Final = 5
"""Whoever was faster has committed by the second; what fails each time is told to a person."""


@dataclass(frozen=True, slots=True)
class Mending:
    """What a person gives with a replay: other bytes for it (None: its own), and why."""

    replacement: bytes | None = None
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Replayer:
    """Replays with the rules that the service judges by."""

    store: DeadLetterStore
    context: Context
    rules: Rules

    async def replay(self, dead_letter_id: int, now: datetime, mending: Mending | None = None) -> Outcome:
        """Replay one dead letter; whatever keeps it from being counted leaves everything as it was.

        Raises:
            DatabaseAwayError: Postgres is away; replaying again is safe.
        """
        mending = mending or Mending()
        dead = await self.store.one(dead_letter_id)
        if dead is None:
            return unknown(dead_letter_id)
        if dead.state is not DeadLetterState.OPEN:
            return closed_before(dead_letter_id, dead.state)
        if dead.origin is None:
            return Outcome(dead_letter_id, Ending.NO_ORIGIN, NO_ORIGIN_SENTENCE)
        read = _read(dead, dead.origin, mending.replacement, now)
        if isinstance(read, DeadLetter):
            return Outcome(dead_letter_id, Ending.STILL_DEAD, f"cannot be applied: {read.reason}: {read.detail}")
        for _ in range(TRIES):
            await self.store.ensure_days(raw_dates([read]))
            try:
                return await self._close(dead, read, mending)
            except OvertakenError as error:  # the retention took its day, or another process its key: nothing changed
                why = str(error)
        return Outcome(dead_letter_id, Ending.STILL_DEAD, f"cannot be applied now, replay it again: {why}")

    async def _close(self, dead: StoredDeadLetter, read: ReadRecord, mending: Mending) -> Outcome:
        """Close it and count what it says, unless somebody was faster."""
        async with self.store.held(dead) as held:
            if held.state is not DeadLetterState.OPEN:
                return closed_before(dead.dead_letter_id, held.state)
            await held.close(DeadLetterEnd.REPLAYED, mending.why, mending.replacement)
            await self._apply(read, held)
        return Outcome(dead.dead_letter_id, Ending.REPLAYED, "replayed")

    async def _apply(self, read: ReadRecord, held: HeldDeadLetter) -> None:
        """What a batch of this one record does."""
        writer = held.writer
        book = await writer.book({read.logged.record.journal})
        admitted = admit([read], book)
        zone = held.programme.calendar.zone
        clicks = Gathered(held.programme.repeats)
        clicks.take(judge_clicks(admitted.clicks, zone, self.context, self.rules))
        await writer.write_book(book)
        await writer.write_clicks(clicks)
        await writer.write_facts(admitted.facts, zone)


def _read(dead: StoredDeadLetter, origin: Origin, replacement: bytes | None, now: datetime) -> ReadRecord | DeadLetter:
    """What the dead letter says by the decoder of today."""
    value = (dead.value or b"") if replacement is None else replacement
    logged = LoggedRecord(dead.offset, Record(origin.journal, origin.seq, value), dead.logged_at)
    (read,) = read_records(dead.stream, dead.partition, [logged], now)
    return read
