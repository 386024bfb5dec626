"""A click's JSON from parts made before: byte for byte what `link_events.codec.encode` makes of the same click.

The parts are cut out of what `encode` writes, so that there is one place which knows what an event looks like. A quote
inside a JSON text is escaped: a field's name between quotes, behind a comma, is found nowhere else.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from sys import intern
from typing import Final

from link_events.codec import encode
from link_events.events import Click
from link_events.identity import AdvocateId, Code, JournalId, LinkId, Origin, Seq
from link_events.reasons import LinkState
from link_events.streams import Partition, Stream
from redirector.capture import Request, capture_click
from redirector.links.link import Link
from redirector.visitors.client import Client

_ANY_INSTANT: Final = datetime(2022, 1, 1, 12, 0, 0, 1, tzinfo=UTC)
_ANY_INSTANT_TEXT: Final = "2022-01-01T12:00:00.000001Z"
_ANY_LINK: Final = Link(
    link_id=LinkId(1),
    code=Code("x"),
    advocate_id=AdvocateId("x"),
    destination="",
    channel=None,
    content_id=None,
    category=None,
    campaign=None,
    tags=(),
    test=False,
    expires_at=None,
    disabled_at=None,
    created_at=_ANY_INSTANT,
    change=1,
)
_REQUEST_BEGINS: Final = ',"method":'
_SIGNALS_BEGIN: Final = ',"signals":'
_CLIENT_BEGINS: Final = ',"country":'
_LAST_BEGINS: Final = ',"self":'


_HEADER_FIELDS: Final = {
    "user-agent": ("user_agent", ',"user_agent":', ',"referrer_origin":'),
    "referer": ("referrer_origin", ',"referrer_origin":', ',"language":'),
    "accept-language": ("language", ',"language":', _SIGNALS_BEGIN),
}
"""Header → the click's field, and between what its part stands."""


@dataclass(frozen=True, slots=True)
class LinkParts:
    """What of a click's JSON comes from its link: around the seq, around the instants, behind the client's."""

    before_seq: str
    before_time: str
    before_occurred: str
    before_request: str
    last: str


def link_parts(link: Link, journal: JournalId, partition: Partition) -> LinkParts:
    """The parts of an active link's clicks."""
    click = capture_click(Request("GET", {}), link, LinkState.ACTIVE, _ANY_INSTANT)
    origin = Origin(journal, Stream.CLICKS, partition, Seq(1))
    text = encode(origin, _ANY_INSTANT, click).decode()
    before_seq, rest = text.split(f'{origin.event_id[:-1]}1"', 1)
    before_time, before_occurred, rest = rest.split(_ANY_INSTANT_TEXT, 2)
    return LinkParts(
        before_seq + origin.event_id[:-1],
        intern('"' + before_time),  # what all links have alike is there once, and stays in the processor's caches
        intern(before_occurred),
        rest[: rest.index(_REQUEST_BEGINS)],
        intern(text[text.index(_LAST_BEGINS) :]),
    )


def header_part(name: str, value: str | None) -> tuple[str, str | None]:
    """The part that a header makes which is no signal, or that there is none; and what a click keeps of it."""
    headers = {} if value is None else {name: value}
    click = capture_click(Request("GET", headers), _ANY_LINK, LinkState.ACTIVE, _ANY_INSTANT)
    field, begin, end = _HEADER_FIELDS[name]
    return _between(click, begin, end), getattr(click, field)


def signals_part(signals: Mapping[str, str]) -> str:
    """The part that the headers of SIGNAL_HEADERS make."""
    click = capture_click(Request("GET", signals), _ANY_LINK, LinkState.ACTIVE, _ANY_INSTANT)
    return _between(click, _SIGNALS_BEGIN, _CLIENT_BEGINS)


def client_part(client: Client) -> str:
    """The part that the client makes."""
    if client.visitor is None or client.network_key is None:
        return _client_part(client)
    begin, middle, end = _around_keys(client.networks, is_local=client.visitor_local)
    return f"{begin}{client.network_key}{middle}{client.visitor}{end}"


@lru_cache(maxsize=64)
def _around_keys(networks: tuple[str, ...], *, is_local: bool) -> tuple[str, str, str]:
    """What stands around network key and visitor, which are hexadecimal and need no escaping."""
    begin, rest = _client_part(Client("VISITOR", is_local, "NETWORK", networks)).split("NETWORK")
    middle, end = rest.split("VISITOR")
    return begin, middle, end


def _client_part(client: Client) -> str:
    click = capture_click(Request("GET", {}), _ANY_LINK, LinkState.ACTIVE, _ANY_INSTANT, lambda *_: client)
    return _between(click, _CLIENT_BEGINS, _LAST_BEGINS)


def instant_text(instant: datetime) -> str:
    """An instant in UTC, as `encode` writes it."""
    return instant.isoformat()[:-6] + "Z"


def _get_part() -> str:
    click = capture_click(Request("GET", {}), _ANY_LINK, LinkState.ACTIVE, _ANY_INSTANT)
    return _between(click, _REQUEST_BEGINS, ',"user_agent":')


def _between(click: Click, begin: str, end: str) -> str:
    text = encode(Origin(JournalId(bytes(8)), Stream.CLICKS, Partition(0), Seq(1)), _ANY_INSTANT, click).decode()
    return text[text.index(begin) : text.index(end)]


GET_PART: Final = _get_part()
"""The part that the method makes. Behind it stand user agent, referrer, language, signals."""
