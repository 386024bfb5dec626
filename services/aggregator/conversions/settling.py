"""Which of several events with one key holds it, and which of several reversals with one id stands. Pure.

Decided by places alone, never by what came first: the same log gives the same, however it is cut into batches, and a
dead letter that is replayed or a hole that fills stands where it would have stood.
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import NamedTuple

from link_events.events import Conversion, Reversal
from link_events.identity import ConversionKey, JournalId, Origin, ReversalId, Seq
from link_events.reasons import Via
from link_events.streams import Offset
from link_events.values import value

ReversalName = tuple[ConversionKey, ReversalId]
"""What names a reversal for ever."""


class HolderPlace(NamedTuple):
    """Where an event stands among those with its key: canonical order, but what a server said comes first.

    Browsers report in public: nobody shall take an order's key, or hide what it is worth, by being quicker.
    """

    by_browser: bool
    offset: Offset
    journal: JournalId
    seq: Seq


@value(frozen=True, slots=True)
class ReceivedConversion:
    """A conversion as it was received."""

    origin: Origin
    captured_at: datetime
    logged_at: datetime
    offset: Offset
    conversion: Conversion
    local_day: date

    @property
    def place(self) -> HolderPlace:
        """Where it stands."""
        by_browser = self.conversion.via is not Via.API
        return HolderPlace(by_browser, self.offset, self.origin.journal, self.origin.seq)


@value(frozen=True, slots=True)
class ReceivedReversal:
    """A reversal as it was received."""

    origin: Origin
    captured_at: datetime
    offset: Offset
    reversal: Reversal

    @property
    def name(self) -> ReversalName:
        """What names it for ever."""
        return self.reversal.key, self.reversal.reversal_id


def holders(events: Iterable[ReceivedConversion]) -> Mapping[ConversionKey, ReceivedConversion]:
    """Of each key the event that stands first, in the order of keys."""
    first: dict[ConversionKey, ReceivedConversion] = {}
    for one in events:
        known = first.get(one.conversion.key)
        if known is None or one.place < known.place:
            first[one.conversion.key] = one
    return dict(sorted(first.items()))


def first_told(reversals: Iterable[ReceivedReversal]) -> Mapping[ReversalName, ReceivedReversal]:
    """Of each reversal the event that stands first in canonical order, in the order of names."""
    first: dict[ReversalName, ReceivedReversal] = {}
    for one in reversals:
        known = first.get(one.name)
        if known is None or _order(one) < _order(known):
            first[one.name] = one
    return dict(sorted(first.items()))


def _order(one: ReceivedReversal) -> tuple[Offset, JournalId, Seq]:
    return one.offset, one.origin.journal, one.origin.seq
