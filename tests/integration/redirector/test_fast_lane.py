"""The fast lane answers as the plain path does, byte for byte, and records the same clicks; whatever is sent."""

import asyncio
import os
import re
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from database.keys import Scope, create_key
from redirector.fast_lane import connection
from stage.events import BROWSER
from stage.redirectors import RunningRedirector, running_redirector
from stage.sockets import ANSWER_SECONDS_MAX, converse, exchange, listening
from stage.waiting import eventually_async

pytestmark = pytest.mark.asyncio(loop_scope="module")

NEVER = datetime(2000, 1, 1, tzinfo=UTC)

LAST = b"GET /plain HTTP/1.1\r\nHost: go.example.com\r\nConnection: close\r\nUser-Agent: the last\r\n\r\n"
"""Sent behind what a test sends: it is answered where the connection was left in order, and ends it."""

PLAIN = (
    b"GET /plain HTTP/1.1\r\nHost: go.example.com\r\nUser-Agent: " + BROWSER.encode() + b"\r\n"
    b"Accept: text/html,*/*;q=0.8\r\nAccept-Language: de-CH,de;q=0.9\r\nAccept-Encoding: gzip\r\n"
    b"Referer: https://www.linkedin.com/feed?x=1\r\nSec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\n"
    b"Sec-Fetch-User: ?1\r\nX-Forwarded-For: 192.0.2.7\r\nX-Request-Id: 5f2c\r\nConnection: keep-alive\r\n\r\n"
)
HOST = b"Host: go.example.com\r\n"


def get(target: bytes = b"/plain", *lines: bytes, version: bytes = b"HTTP/1.1", method: bytes = b"GET") -> bytes:
    """A request for `target` with a Host and `lines`."""
    return b"%s %s %s\r\n%s%s\r\n" % (method, target, version, HOST, b"".join(line + b"\r\n" for line in lines))


ODD = {
    "plain": PLAIN,
    "twice": PLAIN * 2,
    "many": PLAIN * 40,
    "then a page": PLAIN + get(b"/nobody"),
    "a page, then plain": get(b"/nobody") + PLAIN,
    "a query": get(b"/plain?utm_source=x&y=%20z"),
    "an odd query": get(b"/plain?a[]=<b>|{c}"),
    "an empty query": get(b"/plain?"),
    "two question marks": get(b"/plain??a"),
    "a fragment": get(b"/plain#here"),
    "a slash behind": get(b"/plain/"),
    "two slashes": get(b"//plain"),
    "escaped": get(b"/%70lain"),
    "escaped slash": get(b"/plain%2f"),
    "a NUL": get(b"/pl\0ain"),
    "high bytes": get(b"/pl\xe4in"),
    "absolute": get(b"http://go.example.com/plain"),
    "absolute elsewhere": get(b"http://evil.example/plain"),
    "asterisk": get(b"*", method=b"OPTIONS"),
    "head": get(method=b"HEAD"),
    "post": get(b"/plain", b"Content-Length: 3", method=b"POST") + b"abc",
    "get with a body": get(b"/plain", b"Content-Length: 3") + b"abc",
    "get with a body of nothing": get(b"/plain", b"Content-Length: 0"),
    "a body that is a request": get(b"/plain", b"Content-Length: %d" % len(PLAIN)) + PLAIN,
    "chunks": get(b"/plain", b"Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "chunks that hide a request": get(b"/plain", b"Transfer-Encoding: chunked") + b"0\r\n\r\n" + PLAIN,
    "length and chunks": get(b"/plain", b"Content-Length: 6", b"Transfer-Encoding: chunked") + b"0\r\n\r\nGET",
    "two lengths": get(b"/plain", b"Content-Length: 0", b"Content-Length: 5") + b"abcde",
    "space before the colon": get(b"/plain", b"Content-Length : 3") + b"abc",
    "folded": get(b"/plain", b"X-A: b", b" Content-Length: 3") + b"abc",
    "bare line feeds": b"GET /plain HTTP/1.1\nHost: go.example.com\n\n",
    "a bare carriage return": get(b"/plain", b"X-A: b\rContent-Length: 3"),
    "empty lines first": b"\r\n\r\n" + PLAIN,
    "expect": get(b"/plain", b"Expect: 100-continue"),
    "upgrade": get(b"/plain", b"Connection: Upgrade", b"Upgrade: websocket") + PLAIN,
    "http2": get(b"/plain", b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMA"),
    "http2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no host": b"GET /plain HTTP/1.1\r\nUser-Agent: x\r\n\r\n",
    "two hosts": get(b"/plain", b"Host: evil.example"),
    "an odd host": b"GET /plain HTTP/1.1\r\nHost: a b\r\n\r\n",
    "1.0": get(version=b"HTTP/1.0"),
    "1.0 that stays": get(b"/plain", b"Connection: keep-alive", version=b"HTTP/1.0"),
    "0.9": b"GET /plain\r\n\r\n",
    "1.2": get(version=b"HTTP/1.2"),
    "lower case": get(method=b"get"),
    "close": get(b"/plain", b"Connection: close") + PLAIN,
    "close among others": get(b"/plain", b"Connection: x, close"),
    "two connections": get(b"/plain", b"Connection: keep-alive", b"Connection: close"),
    "proxy connection": get(b"/plain", b"Proxy-Connection: close"),
    "two agents": get(b"/plain", b"User-Agent: one", b"User-Agent: two"),
    "no agent": get(),
    "an empty agent": get(b"/plain", b"User-Agent: "),
    "a long agent": get(b"/plain", b"User-Agent: " + b"x" * 513),
    "the longest agent": get(b"/plain", b"User-Agent: " + b"x" * 512),
    "a very long agent": get(b"/plain", b"User-Agent: " + b"x" * 5000),
    "an agent beyond ASCII": get(b"/plain", "User-Agent: Müller".encode()),
    "an agent with quotes": get(b"/plain", rb'User-Agent: "a\\b"</x>'),
    "spaces around": get(b"/plain", b"User-Agent:   spaced  "),
    "no space": get(b"/plain", b"User-Agent:narrow"),
    "a tab": get(b"/plain", b"User-Agent: a\tb"),
    "a control": get(b"/plain", b"User-Agent: a\x01b"),
    "signals": get(b"/plain", b"Purpose: prefetch", b"X-Moz: prefetch", b"Sec-Purpose: prefetch;prerender"),
    "a language only": get(b"/plain", b"Accept-Language: *"),
    "a referrer that is none": get(b"/plain", b"Referer: about:blank"),
    "a cookie": get(b"/plain", b"Cookie: a=b"),
    "two cookies": get(b"/plain", b"Cookie: a=b", b"Cookie: c=d"),
    "forwarded twice": get(b"/plain", b"X-Forwarded-For: 192.0.2.1", b"X-Forwarded-For: 192.0.2.2"),
    "forwarded in small letters": get(b"/plain", b"x-forwarded-for: 192.0.2.1"),
    "forwarded nonsense": get(b"/plain", b'X-Forwarded-For: "><script>'),
    "nobody": get(b"/nobody"),
    "disabled": get(b"/gone"),
    "expired": get(b"/over"),
    "not yet expired": get(b"/lasting"),
    "test": get(b"/test"),
    "robots": get(b"/robots.txt"),
    "docs": get(b"/docs"),
    "api": get(b"/v1/links"),
    "an oversize head": get(b"/plain", *(b"X-%d: %s" % (n, b"y" * 900) for n in range(80))),
    "many headers": get(b"/plain", *(b"X-%d: y" % n for n in range(200))),
    "unfinished": PLAIN[:-2],
    "rubbish": b"\x16\x03\x01\x02\x00\x01\x00",
    "rubbish behind": PLAIN + b"\x16\x03\x01\x02\x00\r\n\r\n",
}


@dataclass
class Both:
    """Two redirectors on one database, of which one has the lane."""

    lane: RunningRedirector
    plain: RunningRedirector
    lane_port: int
    plain_port: int
    taken: list[bytes]

    async def compare(self, *streams: Sequence[bytes]) -> list[bytes]:
        """Send `streams` to both, each on a connection of its own and all at once; what both have answered."""
        lane, plain = await asyncio.gather(
            *(
                asyncio.gather(*(exchange(port, pieces) for pieces in streams))
                for port in (self.lane_port, self.plain_port)
            )
        )
        assert lane == plain
        assert self._clicks(self.lane) == self._clicks(self.plain)
        return lane

    @staticmethod
    def _clicks(redirector: RunningRedirector) -> Counter[str]:
        return Counter(repr(replace(click, occurred_at=NEVER)) for click in redirector.new_clicks())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def both(module_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Both]:
    """Both, and each has every link in memory."""
    key = await create_key(module_dsn, name="test", scopes=[Scope.ADMIN])
    async with AsyncExitStack() as stack:
        one, other = [
            await stack.enter_async_context(
                running_redirector(module_dsn, tmp_path_factory.mktemp(name), key, **TRUSTING)
            )
            for name in ("lane", "plain")
        ]
        for alias, fields in LINKS.items():
            await one.issue(alias=alias, destination=f"https://www.example.com/{alias}?a=b#c", **fields)
        for each in (one, other):
            await eventually_async(partial(_shares_salts, each), what="the salt is shared")
        await one.change("gone", disabled=True)
        taken = _note_taken(one)
        found = Both(
            one,
            other,
            await stack.enter_async_context(listening(one.service, lane=True)),
            await stack.enter_async_context(listening(other.service, lane=False)),
            taken,
        )
        for alias in LINKS:
            for redirector in (one, other):
                await redirector.click(alias)
        for each in (one, other):
            each.new_clicks()
        yield found


async def _shares_salts(redirector: RunningRedirector) -> bool:
    return not redirector.service.salts.today_is_local


TRUSTING = {"trusted_proxies": ["127.0.0.1"], "unknown_codes_burst": 1_000_000}
"""Addresses are told, and whoever asks for codes that nobody has is not limited."""

LINKS: dict[str, dict[str, Any]] = {
    "plain": {},
    "gone": {},
    "over": {"expires_at": "2022-01-01T00:00:00Z"},
    "lasting": {"expires_at": "2099-01-01T00:00:00Z"},
    "test": {"test": True},
}


def _note_taken(redirector: RunningRedirector) -> list[bytes]:
    """The request lines that its lane takes from now on."""
    taken: list[bytes] = []
    ask = redirector.service.lane.ask

    def noting(asker: Any, request: bytes) -> bool:
        if ask(asker, request):
            taken.append(request.partition(b"\r\n")[0])
            return True
        return False

    redirector.service.lane.ask = noting  # type: ignore[method-assign]
    return taken


@pytest.mark.parametrize("request_", ODD.values(), ids=ODD.keys())
async def test_an_odd_request_is_answered_and_recorded_alike(both: Both, request_: bytes) -> None:
    """In one piece, together with others, behind a plain one, split in two anywhere near its line ends."""
    cuts = {1, len(request_) // 2, len(request_) - 1, *_line_ends(request_)}
    split = [[request_[:at], request_[at:], LAST] for at in cuts]
    await both.compare([request_, LAST], [request_ + LAST], [PLAIN, request_, LAST], *split)


def _line_ends(request: bytes) -> list[int]:
    places = [found.start() + offset for found in re.finditer(rb"\r\n", request) for offset in (0, 1, 2)]
    return [place for place in places[:: max(1, len(places) // 8)] if 0 < place < len(request)]


async def test_plain_requests_take_the_lane(both: Both) -> None:
    """Else all of these tests would compare the plain path with itself."""
    requests = [PLAIN, get(b"/plain?x=y"), get(b"/lasting"), get(b"/test"), LAST]
    both.taken.clear()
    assert await converse(both.lane_port, requests) == await converse(both.plain_port, requests)
    clicks = both.lane.new_clicks()
    assert [replace(one, occurred_at=NEVER) for one in both.plain.new_clicks()] == [
        replace(one, occurred_at=NEVER) for one in clicks
    ]
    assert len({click.visitor for click in clicks}) > 1
    assert all(click.visitor and not click.visitor_local for click in clicks[:1])
    assert [line.split()[1] for line in both.taken] == [b"/plain", b"/plain?x=y", b"/lasting", b"/test", b"/plain"]


async def test_what_is_not_plain_does_not(both: Both) -> None:
    """In any doubt the real parser reads."""
    both.taken.clear()
    names = ("two hosts", "get with a body", "folded", "a control", "expect", "1.0", "head", "twice", "absolute")
    await both.compare(*([ODD[name]] for name in names))
    assert both.taken == []


async def test_the_lane_takes_over_again_where_the_parser_left(both: Both) -> None:
    """A connection that had a page answered is as good as new."""
    requests = [get(b"/no.code"), PLAIN, get(b"/gone"), get(b"/robots.txt"), PLAIN, LAST]
    both.taken.clear()
    assert await converse(both.lane_port, requests) == await converse(both.plain_port, requests)
    assert len(both.taken) == 3


async def test_a_client_that_closes_its_side_is_still_answered(both: Both) -> None:
    """It has said all it wants."""
    for one in (both.lane, both.plain):
        one.new_clicks()
    for port in (both.lane_port, both.plain_port):
        answer = await exchange(port, [PLAIN], half_closes=True)
        assert answer.startswith(b"HTTP/1.1 302 Found\r\n")
    assert len(both.lane.new_clicks()) == len(both.plain.new_clicks()) == 1


async def test_an_answer_that_has_to_wait_for_its_client_leaves_no_connection_behind(
    both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes whole, and how long the connection may be idle then is the parser's affair again."""
    some = SimpleNamespace(write=lambda descriptor, answer: os.write(descriptor, answer[:10]))
    monkeypatch.setattr(connection, "os", some)
    async with asyncio.timeout(ANSWER_SECONDS_MAX / 2):
        answer = await exchange(both.lane_port, [PLAIN])
    assert answer == await exchange(both.plain_port, [PLAIN])
    assert len(both.lane.new_clicks()) == len(both.plain.new_clicks()) == 1


_lines = st.sampled_from(
    [line for request in ODD.values() for line in request.split(b"\r\n")[1:] if 0 < len(line) < 200]
    + [b"Connection: keep-alive", b"X-Forwarded-For: 2001:db8::1", b"Accept-Language: en-GB"]
)
_targets = st.sampled_from([b"/plain", b"/plain?a", b"/gone", b"/test", b"/nobody", b"/lasting", b"/robots.txt"])
_requests = st.builds(lambda target, lines: get(target, *lines), _targets, st.lists(_lines, max_size=6))


@st.composite
def _streams(draw: st.DrawFn) -> list[bytes]:
    """Some requests, perhaps with a byte changed, in pieces."""
    data = b"".join(draw(st.lists(_requests, min_size=1, max_size=4)))
    if draw(st.booleans()):
        at = draw(st.integers(0, len(data) - 1))
        data = data[:at] + bytes([draw(st.integers(0, 255))]) + data[at + draw(st.integers(0, 1)) :]
    cuts = sorted(draw(st.sets(st.integers(1, len(data) - 1), max_size=3)))
    return [data[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pieces=_streams())
async def test_whatever_is_sent_in_whatever_pieces_is_answered_and_recorded_alike(
    both: Both, pieces: list[bytes]
) -> None:
    """Requests made of good and odd lines, with bytes changed, cut anywhere."""
    await both.compare([*pieces, LAST])
