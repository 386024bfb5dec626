"""Whose address a request comes from is what trusted proxies say; whatever else is said makes no difference."""

import socket
import time
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redirector.visitors.addresses import (
    MAPPED,
    PROXIES_MAX,
    Networks,
    forwarded_address,
    network_named,
    read_address,
)

CLIENT: Final = "203.0.113.9"
NOBODY: Final = Networks([])
PROXIES: Final = Networks([network_named(name) for name in ("10.1.0.0/16", "192.0.2.7", "2001:db8:1::/48")])


def packed(text: str) -> bytes:
    """The 16 bytes of an address, by the standard library."""
    address = ip_address(text)
    return address.packed if isinstance(address, IPv6Address) else MAPPED + address.packed


def addresses() -> st.SearchStrategy[IPv4Address | IPv6Address]:
    return st.ip_addresses()


# ------------------------------------------------------------ one address


@given(addresses(), st.sampled_from(["", " ", "\t", "  \t "]))
def test_every_address_is_read_as_the_standard_library_reads_it(
    address: IPv4Address | IPv6Address, around: str
) -> None:
    """In its plain form, whatever blanks stand around it."""
    assert read_address(f"{around}{address}{around}") == packed(str(address))


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("203.0.113.9:443", "203.0.113.9"),
        ("203.0.113.9:0", "203.0.113.9"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:65535", "2001:db8::1"),
        ("2001:DB8::1", "2001:db8::1"),
        ("2001:db8:0:0:0:0:0:1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("[fe80::1%en-0.1]:80", "fe80::1"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("::ffff:cb00:7109", "203.0.113.9"),
        ("[::ffff:203.0.113.9]:8080", "203.0.113.9"),
        ("127.0.0.1", "127.0.0.1"),
        ("::1", "::1"),
    ],
)
def test_what_proxies_put_around_an_address_is_left_out(text: str, address: str) -> None:
    """Ports, brackets and zones; IPv4 as IPv6 maps it is the IPv4 address. Private ones are addresses too."""
    assert read_address(text) == packed(address)


HOSTILE: Final = (
    *("", " ", "unknown", "_hidden", "localhost", "-", "null", "0", "1", "203.0.113", "203.0.113.9.", "203.0.113.256"),
    *("203.0.113.09", "0xcb.0.113.9", "3405803785", "203.0.113.9/32", "203.0.113.9 10.1.0.1", "203.0.113.9;", "é"),
    *("203.0.113.9:", "203.0.113.9:port", "203.0.113.9:123456", "203.0.113.9:-1", "[203.0.113.9]x", "[2001:db8::1"),
    *("2001:db8::1]", "[]", "[]:80", "[:]", ":", "1::2::3", "2001:db8::g", "12345::", ":::", "fe80::1%", "%eth0"),
    *(
        "fe80::1%eth0%1",
        "fe80::1%e th",
        "[203.0.113.9]",
        "[2001:db8::1]:",
        "[2001:db8::1]80",
        "[[2001:db8::1]]",
        "203.0.113.9%eth0",
    ),
    *(
        "203.0.113.9\0",
        "\0",
        "\ud800",
        "203.0.113.9\n",
        "\r\nX: 1",
        '"203.0.113.9"',
        "for=203.0.113.9",
        "\N{FULLWIDTH DIGIT ONE}.2.3.4",
    ),
    *("9" * 81, ":" * 1_000, "[" * 100_000, "1." * 50_000, " " * 100_000, "203.0.113.9" + " " * 100_000),
)


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: repr(text)[:30])
def test_what_is_no_address_is_none(text: str) -> None:
    """Never an exception, and never something near it."""
    assert read_address(text) is None


@given(st.text() | st.text("0123456789abcdef:.[]%, \0", max_size=60))
def test_whatever_is_sent_gives_an_address_or_none(text: str) -> None:
    address = read_address(text)
    assert address is None or len(address) == 16


# ------------------------------------------------------------ networks


@given(st.lists(addresses(), min_size=1, max_size=6), st.data(), addresses())
def test_networks_hold_what_the_standard_library_says_they_hold(
    starts: list[IPv4Address | IPv6Address], data: st.DataObject, other: IPv4Address | IPv6Address
) -> None:
    """However many there are, and of both kinds."""
    named = []
    for start in starts:
        bits = data.draw(st.integers(8, start.max_prefixlen))
        first = int(start) >> (start.max_prefixlen - bits) << (start.max_prefixlen - bits)
        with suppress(ValueError):  # where it holds all of IPv4
            named.append(network_named(f"{type(start)(first)}/{bits}"))
    networks = Networks(named)
    for address in (*starts, other):
        asked = address.ipv4_mapped or address if isinstance(address, IPv6Address) else address
        assert (packed(str(address)) in networks) == any(asked in network for network in named)


@pytest.mark.parametrize(
    "text",
    [
        *("0.0.0.0/0", "::/0", "0.0.0.0/1", "128.0.0.0/1", "10.0.0.0/7", "8000::/1", "::/7", "::/64", "::ffff:0:0/96"),
        "::ffff:0:0/100",
    ],
)
def test_a_network_that_names_everybody_is_refused(text: str) -> None:
    """Whoever trusts everybody lets clients say who they are. Nobody's own networks are so wide."""
    with pytest.raises(ValueError, match=r"wider than /8 \(IPv4\) or /7 \(IPv6\): it would name everybody"):
        network_named(text)


@pytest.mark.parametrize("text", ["*", "", "10.1.0.1/16", "10.1.0.0/33", "proxy.example.com", "10.1", "unix:", "/8"])
def test_what_is_no_network_is_refused(text: str) -> None:
    """With how one looks, and without what was given."""
    with pytest.raises(ValueError, match=r"must hold networks like 10\.1\.0\.0/16") as refused:
        network_named(text)
    assert not text or f" {text} " not in str(refused.value).replace("a * is none", "")


@pytest.mark.parametrize("text", ["10.0.0.0/8", "fc00::/7", "10.1.2.3", "2001:db8::1", "::ffff:10.1.0.0/112"])
def test_private_networks_and_single_addresses_may_be_named(text: str) -> None:
    """An IPv4 network in IPv6's spelling is the IPv4 network."""
    assert str(network_named(text)) in (text, f"{text}/32", f"{text}/128", "10.1.0.0/16")


# ------------------------------------------------------------ what proxies say


@pytest.mark.parametrize(
    ("forwarded_for", "address"),
    [
        (CLIENT, CLIENT),
        (f"6.6.6.6, {CLIENT}", CLIENT),
        (f"6.6.6.6,{CLIENT} , 10.1.0.9", CLIENT),
        (f"unknown, {CLIENT}, 10.1.0.9, 192.0.2.7,2001:db8:1::5", CLIENT),
        (f"10.1.0.8, {CLIENT}, 10.1.0.9", CLIENT),
        (f"{CLIENT}:51234, [2001:db8:1::5]:443", CLIENT),
        (f"::ffff:{CLIENT}, ::ffff:10.1.0.9", CLIENT),
        (f",,{CLIENT}", CLIENT),
        ("2001:db8:2::5", "2001:db8:2::5"),
        ("10.1.0.8, 10.1.0.9", "10.1.0.8"),
        ("10.1.0.8", "10.1.0.8"),
        *((said, None) for said in (None, "", " ", ",", f"{CLIENT},", f"{CLIENT}, unknown", f"{CLIENT}, 10.1.0.9,")),
        (f"{CLIENT}, 10.1.0.9, unknown, 10.1.0.9", None),
    ],
)
def test_the_client_is_the_rightmost_that_is_no_trusted_proxy(forwarded_for: str | None, address: str | None) -> None:
    """Where nothing readable stands there, nobody knows: it is never somebody further left."""
    assert forwarded_address(forwarded_for, PROXIES) == (None if address is None else packed(address))


@given(st.text() | st.sampled_from(HOSTILE), st.booleans())
def test_what_a_client_sends_ahead_never_matters(ahead: str, through_two: bool) -> None:  # noqa: FBT001 - drawn
    """A client may send any X-Forwarded-For of its own: proxies add whom they were asked by at its right."""
    said = f"{ahead}, {CLIENT}" + (", 10.1.0.9" if through_two else "")
    assert forwarded_address(said, PROXIES) == packed(CLIENT)


def test_a_way_through_more_proxies_than_anybody_has_leads_to_nobody() -> None:
    """It ends somewhere, whatever trusted proxies write."""
    for proxies, address in ((PROXIES_MAX - 1, packed(CLIENT)), (PROXIES_MAX, None), (10_000, None)):
        assert forwarded_address(", ".join([CLIENT] + ["10.1.0.9"] * proxies), PROXIES) == address


@pytest.mark.parametrize("hostile", ["," * 60_000, "10.1.0.9," * 7_000, "1" * 60_000, "[" * 60_000 + f",{CLIENT}"])
def test_a_huge_header_costs_no_more_than_reading_it(hostile: str) -> None:
    """As much as fits into a request's head; far less than what a request costs anyway."""
    started_s = time.process_time()  # what it costs, whoever else uses the machine
    for _ in range(100):
        forwarded_address(hostile, PROXIES)
    assert time.process_time() - started_s < 1


def test_the_operating_system_reads_addresses_strictly() -> None:
    """What the reading above relies on: no octal, no short forms, nothing behind."""
    for text in ("010.1.0.1", "10.1", "10.1.0.1 ", "0x0a.1.0.1"):
        with pytest.raises(OSError, match="illegal"):
            socket.inet_pton(socket.AF_INET, text)
