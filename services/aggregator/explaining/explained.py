"""What became of a conversion, put together from the rows that were stored of it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from aggregator.attributing.touches import TouchFacts, click_of, outcome_of, place_of, touch_of
from aggregator.conversions.bodies import Body, state_beside
from aggregator.explaining.placing import CreditedPlace
from link_events.identity import EventId, EventPlace, Origin
from link_events.reasons import ConversionState, Earning, TouchOutcome, Via
from link_events.streams import Stream

Row = Mapping[str, Any]

WAITS_FOR_NOTHING = frozenset({ConversionState.REVERSED, ConversionState.TEST})


@dataclass(frozen=True, slots=True)
class KeyEvent:
    """An event of a conversion's key, and what it is to it."""

    event_id: EventId
    state: ConversionState


@dataclass(frozen=True, slots=True)
class ExplainedTouch:
    """A click that is named, what is known of it, and what it earned. `outcome` is None where nobody looked yet."""

    click: Origin
    facts: TouchFacts | None
    outcome: TouchOutcome | None
    credit: Row | None


@dataclass(frozen=True, slots=True)
class WaitsFor:
    """What may still change a conversion by itself: clicks that are not known, a rate; until when it is looked at."""

    clicks: Sequence[EventId] = ()
    rate: tuple[str, date] | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """All that is stored of one conversion. `events` are those of its key, its holder first; of very many, the first.

    `binder` is the conversion that it follows. `touches` are by the event that names them, `credits` by the click.
    """

    conversion: Row
    events: Sequence[Row]
    binder: Row | None
    touches: Mapping[EventPlace, Sequence[Row]]
    credits: Mapping[EventPlace, Row]
    reversals: Sequence[Row]


@dataclass(frozen=True, slots=True)
class ExplainedEvent:
    """A received event, and what became of it. What follows `events` is empty where it is not its key's holder."""

    event: Row
    state: ConversionState
    stored: Stored
    events: Sequence[KeyEvent]
    touches: Sequence[ExplainedTouch]
    waits_for: WaitsFor
    counts: Sequence[CreditedPlace]

    @property
    def is_holder(self) -> bool:
        """Whether it stands for its key."""
        return place_of(self.event) == place_of(self.stored.conversion)


def explained(
    event: Row, stored: Stored, counts: Sequence[CreditedPlace], earning: Earning, now: datetime
) -> ExplainedEvent:
    """What became of an event of the key that `stored` is of."""
    state = state_of(event, stored)
    held = place_of(event) == place_of(stored.conversion)
    touches = _touches(stored, earning) if held else _named(stored.touches.get(place_of(event), ()))
    return ExplainedEvent(
        event=event,
        state=state,
        stored=stored,
        events=[KeyEvent(_event_id(one), state_of(one, stored)) for one in stored.events],
        touches=touches,
        waits_for=waits_for(stored.conversion, touches, now) if held else WaitsFor(),
        counts=counts if held else (),
    )


def state_of(event: Row, stored: Stored) -> ConversionState:
    """What became of an event: of its conversion, where it stands for that; else what it is to the one that does."""
    if place_of(event) == place_of(stored.conversion):
        return ConversionState(stored.conversion["state"])
    return state_beside(_body(stored.events[0]), _body(event))


def waits_for(conversion: Row, touches: Sequence[ExplainedTouch], now: datetime) -> WaitsFor:
    """What may still change a conversion by itself. A click that comes after `until` credits as well."""
    state = ConversionState(conversion["state"])
    if state in WAITS_FOR_NOTHING:
        return WaitsFor()
    clicks = [touch.click.event_id for touch in touches if touch.facts is None]
    unknown_rate = state is ConversionState.UNKNOWN_CURRENCY
    rate = (conversion["currency"], conversion["local_day"]) if unknown_rate else None
    waits_until = conversion["waits_until"]
    waits = waits_until is not None and waits_until > now and (clicks or state is ConversionState.PENDING_CLICK)
    return WaitsFor(clicks, rate, waits_until if waits else None)


def _touches(stored: Stored, earning: Earning) -> Sequence[ExplainedTouch]:
    """The touches that a conversion is reckoned by: those of the one that it follows, where it follows one."""
    source = stored.binder or stored.conversion
    window_s = source["window_s"]
    window = None if window_s is None else timedelta(seconds=window_s)
    found = []
    for row in stored.touches.get(place_of(source), ()):
        touch = touch_of(row)
        outcome = None if window is None else outcome_of(touch, source["occurred_at"], window, earning)
        found.append(ExplainedTouch(touch.click, touch.facts, outcome, stored.credits.get(click_of(row))))
    return found


def _named(rows: Sequence[Row]) -> Sequence[ExplainedTouch]:
    """Touches of an event that stands for nothing: nobody looks at its clicks."""
    return [ExplainedTouch(touch_of(row).click, None, None, None) for row in rows]


def _body(event: Row) -> Body:
    return Body(Via(event["via"]), event["body"])


def _event_id(event: Row) -> EventId:
    return place_of(event).in_stream(Stream.CONVERSIONS).event_id
