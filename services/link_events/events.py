"""What happened, as values. Each is the `data` of one CloudEvent."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from link_events.identity import (
    AdvocateId,
    Code,
    ConversionKey,
    Currency,
    CustomerHash,
    LinkId,
    Origin,
    ReversalId,
)
from link_events.reasons import ActivityKind, LinkState, Via
from link_events.streams import Stream
from link_events.values import value

DATA_CONTENT_TYPE: Final = "application/json"

USER_AGENT_CHARS_MAX: Final = 512
"""Longer user agents are cut and marked: no browser sends one, and a journal frame stays small."""

METHOD_CHARS_MAX: Final = 16
"""Whatever a browser sends is shorter, and what else is sent is not counted: its end is no loss."""

REFERRER_ORIGIN_CHARS_MAX: Final = 261
"""`https://` and a host name of 253 characters at most."""

LANGUAGE_CHARS_MAX: Final = 35
"""A language tag; RFC 5646 §4.4.1 asks for room for at least 35 characters."""

VISITOR_CHARS_MAX: Final = 64
"""Twice what we write. A visitor is part of a key in Postgres, which takes no long ones."""

SIGNAL_HEADERS: Final = (
    "sec-purpose",
    "purpose",
    "x-purpose",
    "x-moz",
    "sec-fetch-dest",
    "sec-fetch-mode",
    "sec-fetch-site",
    "sec-fetch-user",
    "signature-agent",
)
"""Request headers that tell a navigation from a prefetch, a preview or an agent. Kept when present."""

SIGNAL_CHARS_MAX: Final = 128
"""A signal header's value is cut here; the known ones have at most a few words."""

TOUCHES_MAX: Final = 200
"""More clicks than one customer makes before one purchase; it bounds what one conversion costs."""

VALUE_MINOR_MAX: Final = 10**15
"""Millions of euros also where a minor unit is worth least, a hundredth of a rial. Below 2**53, up to which whatever
reads JSON is exact; sums go beyond it, and beyond 64 bits."""


class EventType(StrEnum):
    """The CloudEvents `type` of everything that travels."""

    CLICK = "advolink.click.v1"
    CONVERSION = "advolink.conversion.v1"
    REVERSAL = "advolink.reversal.v1"
    ACTIVITY = "advolink.activity.v1"
    HEARTBEAT = "advolink.heartbeat.v1"
    SEALED = "advolink.sealed.v1"


@value(frozen=True, slots=True)
class Click:
    """One request for a link, in raw form.

    `occurred_at` decides the local day and the raw partition. `signals` holds the headers of SIGNAL_HEADERS
    that were present, by name. `networks` holds facts frozen at capture (`internal`, `datacentre`, …).
    A `visitor_local` one matches no other redirector's: its salt was nobody else's.
    """

    occurred_at: datetime
    link_id: LinkId
    code: Code
    advocate_id: AdvocateId
    link_state: LinkState
    method: str
    user_agent: str | None = None
    user_agent_cut: bool = False
    referrer_origin: str | None = None
    language: str | None = None
    signals: dict[str, str] = field(default_factory=dict)
    country: str | None = None
    networks: tuple[str, ...] = ()
    network_key: str | None = None
    visitor: str | None = None
    visitor_local: bool = False
    self_click: bool = False
    test: bool = False


@value(frozen=True, slots=True)
class NamedTouch:
    """A click that a conversion names: what its click id says. Whether there is such a click is asked later."""

    origin: Origin
    utc_day: date


@value(frozen=True, slots=True)
class Conversion:
    """The wanted act, as one report of it says. `touches` stand in the order of their origins, each once.

    `value_minor` is in minor units of `currency`: both or neither. `customer` or touches are there, or both.
    """

    occurred_at: datetime
    key: ConversionKey
    touches: tuple[NamedTouch, ...] = ()
    customer: CustomerHash | None = None
    value_minor: int | None = None
    currency: Currency | None = None
    via: Via = Via.API
    test: bool = False


@value(frozen=True, slots=True)
class Reversal:
    """A conversion is taken back: all of it, or, where `value_minor` is given, so much of its value."""

    occurred_at: datetime
    key: ConversionKey
    reversal_id: ReversalId
    value_minor: int | None = None


@value(frozen=True, slots=True)
class Activity:
    """What an advocacy board reports of an advocate. `source` and `external_id` name it for ever."""

    occurred_at: datetime
    source: str
    external_id: str
    kind: ActivityKind
    advocate_id: AdvocateId
    channel: str | None = None
    content_id: str | None = None
    category: str | None = None


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A journal is alive and has nothing older to say than the heartbeat's own time."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """The last record of a journal in its stream and partition: nothing follows."""


Fact = Conversion | Reversal | Activity
"""What others report to the redirector, beside the clicks that it sees itself."""

EventData = Click | Fact | Heartbeat | Sealed

type_of_data: Final[Mapping[type[EventData], EventType]] = {
    Click: EventType.CLICK,
    Conversion: EventType.CONVERSION,
    Reversal: EventType.REVERSAL,
    Activity: EventType.ACTIVITY,
    Heartbeat: EventType.HEARTBEAT,
    Sealed: EventType.SEALED,
}


@value(frozen=True, slots=True)
class Event:
    """A decoded event: where it was journaled, when it was captured, and what it says."""

    origin: Origin
    captured_at: datetime
    data: EventData


def stream_of(fact: Fact) -> Stream:
    """The stream that carries it."""
    return Stream.ACTIVITIES if isinstance(fact, Activity) else Stream.CONVERSIONS


def key_of_fact(fact: Fact) -> str:
    """What decides its partition: activities lie where the advocate's clicks do, reversals with their conversion."""
    return fact.advocate_id if isinstance(fact, Activity) else fact.key.text
