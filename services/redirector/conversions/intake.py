"""Taking what is reported: each row is read and checked, and what holds is in the journal before it is answered."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from link_events.click_ids import ClickIdOutcome
from link_events.events import Activity, Conversion, Fact, NamedTouch, Reversal
from link_events.reasons import Via
from redirector.conversions.answers import Answer, Received, Refused, RefusedRowError, RowAnswer, invalid
from redirector.conversions.reading import (
    ActivityIn,
    ConversionIn,
    ReversalIn,
    activity_of,
    conversion_of,
    expect_takeable,
    read_report,
    reversal_of,
)
from redirector.customers.following import FollowedCustomerKey
from redirector.errors import BadClickIdError, KeyAwayError
from redirector.journal.journal import JournalFullError, utc_now
from redirector.metrics import AnswersGiven, IntakeMetrics, TurnedAway
from redirector.recording import Recorder
from redirector.rows import Fault
from redirector.signing.checking import ClickIdCheck

TURN: Final = timedelta(milliseconds=1)
"""How long rows are read before others have their turn: a row may name two hundred clicks, or none."""

WRITE_ROWS: Final = 50
"""Rows that are journaled in one write, likewise: about half a millisecond."""

ReadRow = Callable[[object], Awaitable[Fact]]


class Intake:
    """Takes rows, parsed JSON. Each method answers every row, in their order.

    To report the same again is always safe: what names a conversion, a reversal or an activity counts once. So what a
    full journal has taken of a request that it refuses does no harm.

    Raises (all of them):
        KeyAwayError: a key is missing that some row needs. Nothing of the request is journaled.
        JournalFullError: not every row could be journaled.
    """

    def __init__(
        self,
        recorder: Recorder,
        click_ids: ClickIdCheck,
        customers: FollowedCustomerKey,
        metrics: IntakeMetrics,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._recorder = recorder
        self._click_ids = click_ids
        self._customers = customers
        self._metrics = metrics
        self._now = now

    async def take_conversions(self, rows: Sequence[object]) -> list[RowAnswer]:
        """Conversions, from a system of the company's."""
        read = partial(self._read_conversion, asked_at_s=self._click_ids.now_s())
        return await self._take(rows, read, self._metrics.conversions)

    async def take_reversals(self, rows: Sequence[object]) -> list[RowAnswer]:
        """Reversals of conversions, those that have yet to be reported too."""
        return await self._take(rows, self._read_reversal, self._metrics.reversals)

    async def take_activities(self, rows: Sequence[object]) -> list[RowAnswer]:
        """Activities of advocates."""
        return await self._take(rows, self._read_activity, self._metrics.activities)

    async def _read_conversion(self, row: object, asked_at_s: float) -> Conversion:
        said = read_report(row, ConversionIn)
        expect_takeable(said, self._now())
        customer = None if said.customer_id is None else self._customers.hashed(said.customer_id)
        return conversion_of(said, await self._touches(said.click_ids, asked_at_s), customer, Via.API)

    async def _read_reversal(self, row: object) -> Reversal:
        return reversal_of(read_report(row, ReversalIn), self._now())

    async def _read_activity(self, row: object) -> Activity:
        return activity_of(read_report(row, ActivityIn), self._now())

    async def _touches(self, click_ids: Sequence[str], asked_at_s: float) -> Sequence[NamedTouch]:
        try:
            return await self._click_ids.named(click_ids, asked_at_s)
        except BadClickIdError as error:
            place = f"click_ids/{error.index}"
            if error.outcome is ClickIdOutcome.MALFORMED:
                raise invalid(place, "is no click id") from error
            raise RefusedRowError(Refused(Answer.BAD_SIGNATURE, [Fault(place, error.outcome)])) from error

    async def _take(self, rows: Sequence[object], read: ReadRow, given: AnswersGiven) -> list[RowAnswer]:
        try:
            answers = await self._answers(rows, read)
        except KeyAwayError:
            self._metrics.turned_away[TurnedAway.KEY_AWAY].inc()
            raise
        except JournalFullError:
            self._metrics.turned_away[TurnedAway.JOURNAL_FULL].inc()
            raise
        given.note(answer.answer for answer in answers)
        return answers

    async def _answers(self, rows: Sequence[object], read: ReadRow) -> list[RowAnswer]:
        """All rows are read before any is journaled; between turns, redirects go on."""
        found: list[Fact | Refused] = []
        clock_s = asyncio.get_running_loop().time
        turn_ends_s = clock_s() + TURN.total_seconds()
        for row in rows:
            try:
                found.append(await read(row))
            except RefusedRowError as error:
                found.append(error.refused)
            if clock_s() >= turn_ends_s:
                await asyncio.sleep(0)
                turn_ends_s = clock_s() + TURN.total_seconds()
        facts = [one for one in found if not isinstance(one, Refused)]
        received = [
            await self._recorder.keep(facts[start : start + WRITE_ROWS]) for start in range(0, len(facts), WRITE_ROWS)
        ]
        ids = iter([origin.event_id for origins in received for origin in origins])
        return [one if isinstance(one, Refused) else Received(next(ids)) for one in found]
