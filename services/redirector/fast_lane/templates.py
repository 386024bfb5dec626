"""A click's JSON from parts made before: byte for byte what `link_events.codec.encode` makes of the same click.

The parts are cut out of what `encode` writes, so that there is one place which knows what an event looks like. A quote
inside a JSON text is escaped: a field's name between quotes, behind a comma, is found nowhere else.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from link_events.codec import encode
from link_events.events import Click
from link_events.identity import AdvocateId, Code, JournalId, LinkId, Origin, Seq
from link_events.reasons import LinkState
from link_events.streams import Partition, Stream
from redirector.capture import Request, capture_click
from redirector.links.link import Link
from redirector.visitors.client import Client
from redirector.visitors.clients import agent_bytes

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
_CLIENT_BEGINS: Final = ',"country":'
_LAST_BEGINS: Final = ',"self":'


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
        '"' + before_time,
        before_occurred,
        rest[: rest.index(_REQUEST_BEGINS)],
        text[text.index(_LAST_BEGINS) :],
    )


def request_part(headers: Mapping[str, str]) -> tuple[str, bytes]:
    """The part that a GET's headers make, and what of them tells clients apart."""
    click = capture_click(Request("GET", headers), _ANY_LINK, LinkState.ACTIVE, _ANY_INSTANT)
    return _between(click, _REQUEST_BEGINS, _CLIENT_BEGINS), agent_bytes(click.user_agent, click.language)


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


def _between(click: Click, begin: str, end: str) -> str:
    text = encode(Origin(JournalId(bytes(8)), Stream.CLICKS, Partition(0), Seq(1)), _ANY_INSTANT, click).decode()
    return text[text.index(begin) : text.index(end)]
