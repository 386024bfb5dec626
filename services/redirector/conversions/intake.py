"""Taking what is reported: each row is read and checked, and what holds is in the journal before it is answered."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Final

from link_events.click_ids import ClickIdOutcome
from link_events.events import Activity, Conversion, Fact, NamedTouch, Reversal
from link_events.reasons import Via
from redirector.conversions.answers import Answer, Fault, Received, Refused, RefusedRowError, RowAnswer, invalid
from redirector.conversions.reading import (
    ActivityIn,
    ConversionIn,
    ReversalIn,
    activity_of,
    conversion_of,
    expect_takeable,
    read_row,
    reversal_of,
)
from redirector.customers.following import FollowedCustomerKey
from redirector.errors import BadClickIdError
from redirector.journal.journal import utc_now
from redirector.metrics import AnswersGiven, IntakeMetrics
from redirector.recording import Recorder
from redirector.signing.checking import ClickIdCheck

TURN_ROWS: Final = 50
"""Rows that are read, or journaled in one write, before others have their turn: about half a millisecond."""

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
        return await self._take(rows, self.read_conversion, self._metrics.conversions)

    async def take_reversals(self, rows: Sequence[object]) -> list[RowAnswer]:
        """Reversals of conversions, those that have yet to be reported too."""
        return await self._take(rows, self._read_reversal, self._metrics.reversals)

    async def take_activities(self, rows: Sequence[object]) -> list[RowAnswer]:
        """Activities of advocates."""
        return await self._take(rows, self._read_activity, self._metrics.activities)

    async def read_conversion(self, row: object, via: Via = Via.API) -> Conversion:
        """The conversion that `row` reports, checked.

        Raises:
            RefusedRowError: it is none that could be taken.
            KeyAwayError: a key is missing that it needs.
        """
        said = read_row(row, ConversionIn)
        expect_takeable(said, self._now())
        customer = None if said.customer_id is None else self._customers.hashed(said.customer_id)
        return conversion_of(said, await self._touches(said.click_ids), customer, via)

    async def _read_reversal(self, row: object) -> Reversal:
        return reversal_of(read_row(row, ReversalIn), self._now())

    async def _read_activity(self, row: object) -> Activity:
        return activity_of(read_row(row, ActivityIn), self._now())

    async def _touches(self, click_ids: Sequence[str]) -> Sequence[NamedTouch]:
        try:
            return await self._click_ids.named(click_ids)
        except BadClickIdError as error:
            place = f"click_ids/{error.index}"
            if error.outcome is ClickIdOutcome.MALFORMED:
                raise invalid(place, "is no click id") from error
            raise RefusedRowError(Refused(Answer.BAD_SIGNATURE, [Fault(place, error.outcome)])) from error

    async def _take(self, rows: Sequence[object], read: ReadRow, given: AnswersGiven) -> list[RowAnswer]:
        """All rows are read before any is journaled; between turns, redirects go on."""
        found: list[Fact | Refused] = []
        for row in rows:
            try:
                found.append(await read(row))
            except RefusedRowError as error:
                found.append(error.refused)
            if len(found) % TURN_ROWS == 0:
                await asyncio.sleep(0)
        facts = [one for one in found if not isinstance(one, Refused)]
        received = [
            await self._recorder.keep(facts[start : start + TURN_ROWS]) for start in range(0, len(facts), TURN_ROWS)
        ]
        ids = iter([origin.event_id for origins in received for origin in origins])
        answers: list[RowAnswer] = [one if isinstance(one, Refused) else Received(next(ids)) for one in found]
        given.note(one.answer for one in answers)
        return answers
