"""A click's JSON made of parts is byte for byte what the codec writes of the same click."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from link_events.codec import encode
from link_events.events import SIGNAL_HEADERS
from link_events.identity import (
    ADVOCATE_ID_PATTERN,
    CODE_PATTERN,
    SEQ_MAX,
    AdvocateId,
    Code,
    JournalId,
    LinkId,
    Origin,
    Seq,
)
from link_events.reasons import LinkState, NetworkFact
from link_events.streams import Partition, Stream
from redirector.capture import Request, capture_click
from redirector.fast_lane.templates import (
    GET_PART,
    client_part,
    header_part,
    instant_text,
    link_parts,
    signals_part,
)
from redirector.links.link import Link
from redirector.visitors.client import Client

_values = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=600)
_headers = st.dictionaries(
    st.sampled_from(["user-agent", "accept-language", "referer", "accept", *SIGNAL_HEADERS]), _values
)
_instants = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
_links = st.builds(
    Link,
    link_id=st.integers(1, 2**63 - 1).map(LinkId),
    code=st.from_regex(CODE_PATTERN, fullmatch=True).map(Code),
    advocate_id=st.from_regex(ADVOCATE_ID_PATTERN, fullmatch=True).map(AdvocateId),
    destination=st.just("https://www.example.com/"),
    disabled_at=st.none(),
    expires_at=st.none(),
)


_origins = st.builds(
    Origin,
    st.binary(min_size=8, max_size=8).map(JournalId),
    st.just(Stream.CLICKS),
    st.integers(0, 255).map(Partition),
    st.integers(1, SEQ_MAX).map(Seq),
)


_keys = st.binary(min_size=8, max_size=8).map(bytes.hex)
_clients = st.builds(
    Client, st.none() | _keys, st.booleans(), st.none() | _keys, st.lists(st.sampled_from(NetworkFact)).map(tuple)
)


@given(_links, _headers, st.tuples(_instants, _instants), _origins, _clients)
def test_the_parts_make_what_the_codec_makes(
    link: Link, headers: dict[str, str], instants: tuple[datetime, datetime], origin: Origin, client: Client
) -> None:
    """Over any link, headers of printable ASCII, instants with and without microseconds, journal and seq."""
    captured, occurred = instants
    parts = link_parts(link, origin.journal, origin.partition)
    said = "".join(header_part(name, headers.get(name))[0] for name in ("user-agent", "referer", "accept-language"))
    signals = signals_part({name: value for name, value in headers.items() if name in SIGNAL_HEADERS})
    made = (
        f"{parts.before_seq}{origin.seq}{parts.before_time}{instant_text(captured)}{parts.before_occurred}"
        f"{instant_text(occurred)}{parts.before_request}{GET_PART}{said}{signals}{client_part(client)}{parts.last}"
    )
    click = capture_click(Request("GET", headers), link, LinkState.ACTIVE, occurred, lambda *_: client)
    assert made.encode() == encode(origin, captured, click)
