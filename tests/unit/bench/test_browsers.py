"""The load of the benchmarks is what it is said to be."""

from collections import Counter
from ipaddress import ip_address
from typing import Final

import httptools
import pytest

from browsers import AGENTS, CODES, REQUESTS, each_code_once, write_requests

LOOKED_AT_EACH: Final = 50
"""Reading all of them takes ten times as long as making them."""


class Parsed:
    """A request as httptools reads it."""

    def __init__(self, request: bytes) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self.whole = False
        httptools.HttpRequestParser(self).feed_data(request)

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_message_complete(self) -> None:
        self.whole = True


@pytest.fixture(scope="module")
def requests(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    written = write_requests(tmp_path_factory.mktemp("bench") / "requests").read_bytes()
    return [head + b"\r\n\r\n" for head in written.split(b"\r\n\r\n")[:-1]]


def test_as_many_are_ready_as_are_said(requests: list[bytes]) -> None:
    assert len(requests) == REQUESTS


def test_codes_are_drawn_by_zipf(requests: list[bytes]) -> None:
    (first, most), (_, second) = Counter(map(target_of, requests)).most_common(2)
    total = sum(1 / rank for rank in range(1, CODES + 1))
    assert first == b"/B0000000"
    assert most / REQUESTS == pytest.approx(1 / total, rel=0.1)
    assert second / REQUESTS == pytest.approx(1 / total / 2, rel=0.1)


def test_nearly_every_user_agent_and_very_many_addresses_are_there(requests: list[bytes]) -> None:
    assert AGENTS * 0.9 < len({said(request, b"User-Agent") for request in requests}) <= AGENTS
    addresses = {said(request, b"X-Forwarded-For") for request in requests}
    versions = Counter(ip_address(address.decode()).version for address in addresses)
    assert versions[4] > 25_000
    assert versions[6] > 10_000


def test_each_request_is_whole_and_says_once_what_a_click_is_made_of(requests: list[bytes]) -> None:
    for request in map(Parsed, requests[::LOOKED_AT_EACH]):
        named = Counter(name for name, _ in request.headers)
        assert request.whole
        assert set(named.values()) == {1}
        assert named.keys() >= {b"host", b"user-agent", b"accept-language", b"sec-fetch-mode", b"x-forwarded-for"}


def test_every_code_that_is_asked_for_is_asked_for_once_before(requests: list[bytes]) -> None:
    before = list(map(target_of, each_code_once()))
    assert len(before) == len(set(before))
    assert set(before) == set(map(target_of, requests))


def target_of(request: bytes) -> bytes:
    """What a request asks for."""
    return request.split(b" ", 2)[1]


def said(request: bytes, header: bytes) -> bytes:
    """What a header of it says."""
    return request.split(b"\r\n" + header + b": ", 1)[1].split(b"\r\n", 1)[0]
