"""The address that a request came from: its peer's, or what trusted proxies say. Pure.

An address is 16 bytes; IPv4 stands in them as IPv6 maps it (::ffff:a.b.c.d), so that both spellings are one client.
Whatever cannot be read is no address: reading raises nothing, and takes no longer where a text is hostile.
"""

import re
import socket
from collections import defaultdict
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final, TypeAlias

Address: TypeAlias = bytes
Network: TypeAlias = IPv4Network | IPv6Network

ADDRESS_BYTES: Final = 16

MAPPED: Final = bytes(10) + b"\xff\xff"
"""What an IPv4 address begins with, among 16 bytes."""

PROXIES_MAX: Final = 16
"""Trusted proxies on a request's way; one with more goes round in a circle."""

ADDRESS_CHARS_MAX: Final = 80
"""The longest IPv6 address takes 45; the rest is for brackets, a zone, a port and blanks."""

_ADDRESS_BITS: Final = 128
_ALL_IPV4: Final = IPv6Network("::ffff:0:0/96")

_PREFIX_BITS_MIN: Final = {4: 8, 6: 7}
"""10.0.0.0/8 and fc00::/7 are the widest private networks, and nobody's own are wider."""

_IPV6: Final = r"[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*"
_ZONE: Final = r"(?:%[0-9A-Za-z._-]+)?"
_PORT: Final = r":[0-9]{1,5}"
_DRESSED: Final = re.compile(
    rf"""(?P<ipv4>[0-9.]+) {_PORT}
        | \[ (?P<bracketed>{_IPV6}) {_ZONE} \] (?:{_PORT})?
        | (?P<zoned>{_IPV6}) {_ZONE}
        | (?P<plain>[0-9A-Fa-f:.]+)""",
    re.VERBOSE,
)
"""An address with what proxies put around it."""


class Networks:
    """Some networks, asked whether an address is in one of them: at the same cost, however many there are."""

    def __init__(self, networks: Iterable[Network]) -> None:
        starts: dict[int, set[int]] = defaultdict(set)
        for network in networks:
            bits = network.max_prefixlen - network.prefixlen  # of what follows the prefix: the same in 16 bytes
            starts[bits].add(int.from_bytes(_sixteen(network.network_address.packed), "big") >> bits)
        self._starts = tuple(starts.items())

    def __contains__(self, address: Address) -> bool:
        if self._starts:
            number = int.from_bytes(address, "big")
            for bits, starts in self._starts:
                if number >> bits in starts:
                    return True
        return False


def network_named(text: str) -> Network:
    """The network that an operator names: `10.1.0.0/16`, `2001:db8::/32`, or a single address.

    Raises:
        ValueError: it is none, or so wide that it names everybody. The message does not repeat it.
    """
    try:
        network = ip_network(text)
    except ValueError:
        form = "networks like 10.1.0.0/16 or 2001:db8::/32, with no bits behind their length, or addresses"
        raise ValueError(f"must hold {form}; a * is none") from None
    if isinstance(network, IPv6Network) and network.subnet_of(_ALL_IPV4):
        network = IPv4Network((network.network_address.packed[-4:], network.prefixlen - _ALL_IPV4.prefixlen))
    if network.prefixlen < _PREFIX_BITS_MIN[network.version] or network.overlaps(_ALL_IPV4):
        raise ValueError("must not hold a network wider than /8 (IPv4) or /7 (IPv6): it would name everybody")
    return network


def forwarded_address(forwarded_for: str | None, trusted: Networks) -> Address | None:
    """Whom a trusted proxy asks for: the rightmost address that is no trusted proxy's; None where that is unreadable.

    `forwarded_for` is the text of all X-Forwarded-For headers, joined by commas. Each proxy adds at the right end whom
    it was asked by, so nothing further left than the client is looked at: what a client sends ahead says nothing. Where
    all are trusted proxies, the request began at the leftmost.
    """
    further_left = forwarded_for or ""  # a proxy that does not say whom it asks for is nobody's browser
    if "," not in further_left:
        return read_address(further_left)
    for _ in range(PROXIES_MAX):
        further_left, more, said = further_left.rpartition(",")
        address = read_address(said)
        if address is None or address not in trusted or not more:
            return address
    return None


def read_address(text: str) -> Address | None:
    """The address in `text`, with a zone, a port or brackets around it or without; None where there is none.

    A zone is left out: it tells interfaces of one machine apart, not clients.
    """
    if len(text) > ADDRESS_CHARS_MAX:
        return None
    address = _plain_address(text)
    if address is None and (dressed := _DRESSED.fullmatch(text.strip(" \t"))):
        address = _plain_address(dressed[dressed.lastgroup or 0])
    return address


def _plain_address(text: str) -> Address | None:
    try:
        if ":" in text:
            return socket.inet_pton(socket.AF_INET6, text)
        return MAPPED + socket.inet_pton(socket.AF_INET, text)
    except (OSError, ValueError):  # a ValueError for a NUL, and for half a character
        return None


def _sixteen(packed: bytes) -> bytes:
    return packed if len(packed) == _ADDRESS_BITS // 8 else MAPPED + packed
