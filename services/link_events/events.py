"""What happened, as values. Each is the `data` of one CloudEvent."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from link_events.identity import AdvocateId, Code, LinkId, Origin
from link_events.reasons import LinkState
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


class EventType(StrEnum):
    """The CloudEvents `type` of everything that travels."""

    CLICK = "advolink.click.v1"
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


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A journal is alive and has nothing older to say than the heartbeat's own time."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """The last record of a journal in its stream and partition: nothing follows."""


type_of_data: Final = {Click: EventType.CLICK, Heartbeat: EventType.HEARTBEAT, Sealed: EventType.SEALED}

EventData = Click | Heartbeat | Sealed


@value(frozen=True, slots=True)
class Event:
    """A decoded event: where it was journaled, when it was captured, and what it says."""

    origin: Origin
    captured_at: datetime
    data: EventData
