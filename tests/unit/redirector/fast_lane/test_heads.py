"""The recogniser takes nothing that the real parser reads otherwise."""

from datetime import UTC, datetime

import httptools
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from link_events.codec import encode
from link_events.identity import JournalId, Origin, Seq
from link_events.reasons import LinkState
from link_events.streams import Partition, Stream
from redirector.capture import Request, capture_click
from redirector.fast_lane.heads import KEPT_MAX, LINE_BYTES_MAX, LINES_MAX, Heads
from redirector.visitors.clients import agent_bytes
from stage.links import PLAIN_LINK

NOW = datetime(2026, 11, 26, tzinfo=UTC)
GOOD = (
    b"Host: go.example.com",
    b'User-Agent: Mozilla/5.0 (X11) "quoted\\',
    b"Accept: */*",
    b"Accept-Language: de-CH,de;q=0.9",
    b"Referer: https://www.linkedin.com/feed",
    b"Sec-Fetch-Dest: document",
    b"Connection: keep-alive",
    b"Cookie: a=b",
    b"X-Request-Id: 7",
    b"X-Forwarded-For: 192.0.2.1, 2001:db8::1",
)
ODD = (
    b"Content-Length: 3",
    b"Content-Length : 3",
    b"Transfer-Encoding: chunked",
    b"Expect: 100-continue",
    b"Upgrade: websocket",
    b"Connection: upgrade",
    b"Connection: close, x",
    b"Keep-Alive: 5",
    b"Host: a b",
    b" folded",
    b"\tfolded",
    b"narrow:narrow",
    b"wide:  wide",
    b"behind: behind ",
    b"nothing: ",
    b"none:",
    b"no colon",
    b": no name",
    b"na me: x",
    b"",
    b"User-Agent: \xe4",
    b"User-Agent: a\tb",
    b"User-Agent: a\rb",
    b"User-Agent: a\nb",
    b"User-Agent: a\0b",
    b"X-Forwarded-For: ",
    b"Cookie: advolink_self=x",
    b"X: " + b"y" * LINE_BYTES_MAX,
)
HOST = GOOD[0]
REPEATABLE = {b"Accept", b"Cookie", b"X-Request-Id"}
"""They say nothing, however often."""


def head_of(*headers: bytes) -> bytes:
    """A head, as the lane hands it over: without its request line."""
    return b"\r\n".join([b"", *headers, b"", b""])


class Parsed:
    """What the real parser finds in a request."""

    def __init__(self, request: bytes) -> None:
        self.headers: list[tuple[str, str]] = []
        self.is_complete = False
        self.requests = 0
        self.body = b""
        self.parser = httptools.HttpRequestParser(self)
        self.parser.feed_data(request)

    def on_message_begin(self) -> None:
        self.requests += 1

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.decode().lower(), value.decode("latin-1")))

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.is_complete = True


def said_by(headers: dict[str, str]) -> tuple[str, bytes]:
    """What the codec writes of a GET's headers, and what of them tells clients apart."""
    click = capture_click(Request("GET", headers), PLAIN_LINK, LinkState.ACTIVE, NOW)
    text = encode(Origin(JournalId(bytes(8)), Stream.CLICKS, Partition(0), Seq(1)), NOW, click).decode()
    return text[text.index(',"method":') : text.index(',"country":')], agent_bytes(click.user_agent, click.language)


@given(st.lists(st.sampled_from(GOOD + ODD) | st.binary(max_size=30), max_size=8), st.data())
def test_what_is_taken_is_one_whole_request_without_a_body(headers: list[bytes], data: st.DataObject) -> None:
    """And says to the parser what it says here; also where all of its lines are known already."""
    heads = Heads()
    for text in (head_of(HOST, *headers), head_of(*data.draw(st.permutations([HOST, *headers])))):
        told = heads.read(text)
        if told is None:
            continue
        head, forwarded = told
        parsed = Parsed(b"GET /x HTTP/1.1" + text)
        names = dict(parsed.headers)
        assert (parsed.is_complete, parsed.requests, parsed.body) == (True, 1, b"")
        assert not parsed.parser.should_upgrade()
        assert parsed.parser.should_keep_alive() is not head.closes
        assert (head.part, head.agent) == said_by(names)
        assert names.get("x-forwarded-for", "") == forwarded
        assert [name for name, _ in parsed.headers].count("host") == 1


KEPT = [line for line in GOOD if not line.startswith((b"X-", b"Cookie"))]


@given(
    st.text("0123456789abcdefABCDEF.:, ").map(str.encode) | st.binary(max_size=40) | st.sampled_from(ODD),
    st.integers(0, len(KEPT)),
)
@example(b"", 0)
@example(b"1.2.3.4\r\nContent-Length: 3", 3)
@example(b"1.2.3.4\r\n\r\nX: y", 3)
@example(b"1" * LINE_BYTES_MAX, 3)
@example(b"192.0.2.1, " * 9 + b"192.0.2.2", 3)
def test_a_head_that_is_known_is_taken_with_a_plain_address_alone(address: bytes, place: int) -> None:
    """Wherever the address stands, and whatever stands there instead of one: what is known saves no look at it."""
    known, new = Heads(), Heads()
    assert known.read(head_of(*KEPT, b"X-Forwarded-For: 192.0.2.1")) is not None
    head = head_of(*KEPT[:place], b"X-Forwarded-For: " + address, *KEPT[place:])
    told, expected = known.read(head), new.read(head)
    assert (told is None) is (expected is None)
    if told is not None and expected is not None:
        assert (told[1], told[0].part, told[0].agent, told[0].closes) == (
            expected[1], expected[0].part, expected[0].agent, expected[0].closes,
        )  # fmt: skip


def test_a_head_begins_behind_the_request_line() -> None:
    """What stands between the version and the line's end is no version of HTTP."""
    heads = Heads()
    assert heads.read(head_of(*KEPT)) is not None
    assert heads.read(b"foo" + head_of(*KEPT)) is None


def test_what_browsers_send_is_taken() -> None:
    """In any order, and again."""
    heads = Heads()
    for headers in (GOOD, GOOD[::-1], GOOD):
        told = heads.read(head_of(*headers))
        assert told is not None
        assert told[1] == "192.0.2.1, 2001:db8::1"


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("place", [0, 1, len(GOOD)])
def test_one_odd_line_is_enough(odd: bytes, place: int) -> None:
    """Wherever it stands, and whatever is known of the others."""
    heads = Heads()
    heads.read(head_of(*GOOD))
    assert heads.read(head_of(*GOOD[:place], odd, *GOOD[place:])) is None


@pytest.mark.parametrize("line", [line for line in GOOD if line.split(b":")[0] not in REPEATABLE])
def test_a_line_that_says_something_says_it_once(line: bytes) -> None:
    """Which of two counts is for the parser to say."""
    assert Heads().read(head_of(*GOOD, line)) is None


@pytest.mark.parametrize("unseen", [b"User-Agent: new", b"Host: new.example", b"Accept: new"])
def test_a_line_not_seen_before_is_not_taken_for_one_that_is_never_kept(unseen: bytes) -> None:
    """Both are unknown to the eye; only what has a name of no meaning is passed over."""
    heads = Heads()
    kept = [line for line in GOOD if line.partition(b":")[0] != unseen.partition(b":")[0]]
    heads.read(head_of(HOST, *kept, b"X-Trace: 1"))
    told = heads.read(head_of(*kept, unseen))
    if unseen.startswith(b"User"):
        assert told is not None
        assert told[0].agent == b"de-CH\0new"


def test_addresses_and_cookies_are_not_kept() -> None:
    """What names a person is gone with the request."""
    heads = Heads()
    heads.read(head_of(*GOOD))
    kept = b"\n".join(heads.lines)
    assert b"User-Agent" in kept
    assert not any(name in kept for name in (b"X-Forwarded-For", b"Cookie", b"X-Request-Id"))


def test_a_head_is_kept_without_its_address() -> None:
    """Whoever sends it."""
    heads = Heads()
    for number in range(100):
        assert heads.read(head_of(*KEPT, b"X-Forwarded-For: 192.0.2.%d" % number)) is not None
    assert heads.heads_kept == 1


def test_what_is_kept_is_bounded() -> None:
    """Whatever is sent: everything is forgotten, and learnt anew."""
    heads = Heads()
    for number in range(2 * KEPT_MAX):
        assert heads.read(head_of(HOST, b"User-Agent: %d" % number)) is not None
    assert len(heads.lines) <= KEPT_MAX
    assert heads.read(head_of(*GOOD)) is not None


def test_a_head_of_more_lines_than_browsers_send_is_not_kept() -> None:
    """Else a stranger decides how much memory each of what is kept takes."""
    heads = Heads()
    head = head_of(HOST, *[b"X: y"] * (LINES_MAX - 4))
    assert head.count(b"\r\n") + 1 == LINES_MAX
    assert heads.read(head) is not None
    assert heads.read(head_of(HOST, *[b"X: y"] * (LINES_MAX - 3))) is None


def test_lines_known_from_other_heads_are_put_together_anew() -> None:
    """And say what they would say to the codec, however many combinations there are: the least recent go."""
    heads = Heads()
    agents = [f"agent {number}" for number in range(200)]
    languages = [f"de-{number}" for number in range(100)]
    for agent in agents:
        for language in languages:
            names = {"user-agent": agent, "accept-language": language, "sec-fetch-mode": "navigate"}
            told = heads.read(head_of(HOST, *(f"{name.title()}: {value}".encode() for name, value in names.items())))
            assert told is not None
            if language == languages[-1]:
                assert (told[0].part, told[0].agent) == said_by(names)
    assert heads.heads_kept <= 2 * KEPT_MAX
