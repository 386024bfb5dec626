"""A conversion as it is answered, with what became of it."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Final

from pydantic import BaseModel, Field

from aggregator.attributing.touches import place_of
from aggregator.counts.tables import CountsTable
from aggregator.explaining.explained import ExplainedEvent, ExplainedTouch, Row, WaitsFor
from aggregator.explaining.placing import CreditedPlace
from aggregator.explaining.store import KEY_EVENTS_MAX
from aggregator.routes.answers import AnswerOut, rate_text
from link_events.reasons import ConversionState, Model, TouchOutcome, Verdict, Via
from link_events.streams import Stream


class RateWaitedOut(BaseModel):
    """A rate that is missing."""

    currency: str
    day: date


class WaitsForOut(BaseModel):
    """What may still change the conversion by itself."""

    clicks: list[str] = Field(description="Clicks that it names and that are not known.")
    rate: RateWaitedOut | None
    until: datetime | None = Field(description="How long clicks are waited for. One that comes later credits as well.")


class WeightsOut(BaseModel):
    """What of the conversion a touch earns under each model, in millionths."""

    last: int
    first: int
    linear: int
    position: int
    time_decay: int


class TouchOut(BaseModel):
    """A click that the conversion names; what is null is not known, or was not earned."""

    click: str
    clicked_at: datetime | None
    advocate_id: str | None
    link_id: int | None
    verdict: Verdict | None
    reasons: list[str]
    outcome: TouchOutcome | None = Field(description="null: nobody looked yet.")
    weights: WeightsOut | None
    credited_millionths: int | None = Field(description="What it earns under the model that counts.")
    value_minor: int | None


class ReversalOut(BaseModel):
    """Something that was taken back of it."""

    reversal_id: str
    occurred_at: datetime
    value_minor: int | None = Field(description="In the conversion's currency; null: all of it.")
    full: bool


class ResultsOut(BaseModel):
    """Results by the day of the conversion, and by the days of the clicks."""

    credited_millionths: int = 0
    value_minor: int = 0
    by_click_millionths: int = 0
    by_click_value_minor: int = 0


class CreditedPlaceOut(BaseModel):
    """A counts row that the conversion is in, with its results as they are now; null where the row is not there."""

    counts: CountsTable
    key: str = Field(description="The advocate's or the link's id.")
    period: str
    period_start: date
    period_end: date
    adds: ResultsOut
    results: ResultsOut | None
    read_at: str = Field(description="The path of this API that shows the row.")


class KeyEventOut(BaseModel):
    """An event with the same source, kind and external id."""

    event_id: str
    state: ConversionState


class ConversionOut(BaseModel):
    """A conversion as it was received, and what became of it.

    Where another event holds its key, that one has what follows `events`.
    """

    event_id: str
    source: str
    kind: str
    external_id: str
    state: ConversionState
    holder: str = Field(description="The event that stands for its source, kind and external id.")
    occurred_at: datetime
    day: date
    captured_at: datetime
    logged_at: datetime
    applied_at: datetime
    via: Via
    test: bool
    value_minor: int | None
    currency: str | None
    has_customer: bool
    events: list[KeyEventOut] = Field(description=f"The holder first; at most {KEY_EVENTS_MAX}.")
    touches: list[TouchOut]
    decided_at: datetime | None = None
    follows: str | None = Field(None, description="The conversion whose touches earn, of the same customer.")
    window_s: int | None = None
    model: Model | None = Field(None, description="The model that counts.")
    net_value_minor: int | None = Field(None, description="What is left of its value, in its currency.")
    credited_value_minor: int | None = Field(None, description="The same in the programme's currency.")
    credited_currency: str | None = None
    rate: str | None = None
    rate_from: date | None = Field(None, description="From which day on the rate holds.")
    waits_for: WaitsForOut
    reversals: list[ReversalOut]
    counts: list[CreditedPlaceOut]


class OneConversionOut(ConversionOut, AnswerOut):
    """One conversion and the freshness of the answer."""


class ConversionsOut(AnswerOut):
    """Conversions."""

    rows: list[ConversionOut]
    next_cursor: str | None


_OF_THE_EVENT: Final = (
    *("source", "kind", "external_id", "occurred_at", "captured_at", "logged_at", "applied_at"),
    *("via", "test", "value_minor", "currency"),
)
_OF_THE_CONVERSION: Final = (
    *("decided_at", "window_s", "model", "net_value_minor", "credited_value_minor", "credited_currency", "rate_from"),
)


def shown(one: ExplainedEvent) -> dict[str, Any]:
    """The fields of ConversionOut."""
    event, conversion = one.event, one.stored.conversion
    decided = _decided(one) if one.is_holder else {}
    return {
        "event_id": _event_id(event),
        **{name: event[name] for name in _OF_THE_EVENT},
        "state": one.state,
        "holder": _event_id(conversion),
        "day": event["local_day"],
        "has_customer": event["customer"] is not None,
        "events": [KeyEventOut(event_id=known.event_id, state=known.state) for known in one.events],
        "touches": [_touch(touch) for touch in one.touches],
        "waits_for": _waits_for(one.waits_for),
        "reversals": [_reversal(row) for row in one.stored.reversals] if one.is_holder else [],
        "counts": [_place(place) for place in one.counts],
        **decided,
    }


def _decided(one: ExplainedEvent) -> Mapping[str, Any]:
    conversion, binder = one.stored.conversion, one.stored.binder
    return {
        **{name: conversion[name] for name in _OF_THE_CONVERSION},
        "rate": None if conversion["rate"] is None else rate_text(conversion["rate"]),
        "follows": None if binder is None else _event_id(binder),
    }


def _event_id(row: Row) -> str:
    return place_of(row).in_stream(Stream.CONVERSIONS).event_id


def _touch(touch: ExplainedTouch) -> TouchOut:
    facts, credit = touch.facts, touch.credit
    return TouchOut(
        click=touch.click.event_id,
        clicked_at=facts and facts.clicked_at,
        advocate_id=facts and facts.advocate_id,
        link_id=facts and facts.link_id,
        verdict=facts and facts.verdict,
        reasons=list(facts.reasons) if facts else [],
        outcome=touch.outcome,
        weights=credit and WeightsOut(**{model.value: credit[model] for model in Model}),
        credited_millionths=credit and credit["counted_millionths"],
        value_minor=credit and credit["value_minor"],
    )


def _waits_for(waits: WaitsFor) -> WaitsForOut:
    rate = waits.rate and RateWaitedOut(currency=waits.rate[0], day=waits.rate[1])
    return WaitsForOut(clicks=list(waits.clicks), rate=rate, until=waits.until)


def _reversal(row: Row) -> ReversalOut:
    names = ("reversal_id", "occurred_at", "value_minor")
    return ReversalOut(**{name: row[name] for name in names}, full=row["value_minor"] is None)


def _place(place: CreditedPlace) -> CreditedPlaceOut:
    return CreditedPlaceOut(
        counts=place.counts,
        key=place.key,
        period=place.period.label,
        period_start=place.period.start,
        period_end=place.period.end,
        adds=ResultsOut(**place.adds),
        results=ResultsOut(**place.numbers) if place.numbers else None,
        read_at=place.read_at,
    )
