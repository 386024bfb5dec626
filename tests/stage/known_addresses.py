"""A thousand addresses that stand for nobody, and a search that finds them in whatever a stack has left on a disk.

They lie in networks that occur nowhere else: for benchmarks (RFC 2544), for examples (RFC 3849), and in a corner of
loopback. So the search looks for these networks in every spelling, and takes down whichever address it comes upon.
"""

import random
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Final

Address = IPv4Address | IPv6Address

IPV4: Final = IPv4Address("198.18.0.0")
PEERS: Final = IPv4Address("127.18.0.0")
IPV6: Final = IPv6Address("2001:db8::")

MAPPED: Final = rb"\x00{10}\xff\xff"

_IN_TEXT: Final = re.compile(rb"(?:198|127)\.18\.\d{1,3}\.\d{1,3}|2001:0?db8:[0-9a-f:]+", re.IGNORECASE)
_IN_HEX: Final = re.compile(
    rb"(?<![0-9a-f])((?:c6|7f)12[0-9a-f]{4})(?![0-9a-f])|0{20}ffff((?:c6|7f)12[0-9a-f]{4})|(20010db8[0-9a-f]{24})",
    re.IGNORECASE,
)
_PACKED: Final = re.compile(rb"(?:%b|\x02\x20)([\xc6\x7f]\x12..)|(\x20\x01\x0d\xb8.{12})" % MAPPED, re.DOTALL)
"""As our code packs them, and as Postgres packs an `inet`."""
_PACKED_SHORT: Final = re.compile(rb"([\xc6\x7f]\x12..)", re.DOTALL)
"""Without anything around them these are found anywhere by chance: they are looked for where there is only text."""


def some(network: Address, count: int, seed: int) -> list[Address]:
    """`count` addresses in one of the networks above, always the same."""
    bits = network.max_prefixlen - (16 if network.version == 4 else 32)
    numbers = random.Random(seed).sample(range(1, 2 ** min(bits, 62)), count)
    return [type(network)(int(network) + number) for number in numbers]


def found_in(content: bytes, *, only_text: bool) -> Iterator[Address]:
    """Every known address in `content`: as text, in hexadecimal, or packed."""
    for text in _IN_TEXT.findall(content):
        yield from _read(text.decode())
    for hexed in _IN_HEX.finditer(content):
        yield ip_address(bytes.fromhex(hexed[hexed.lastindex or 0].decode()))
    for packed in _PACKED.finditer(content):
        yield ip_address(packed[packed.lastindex or 0])
    if only_text:
        for short in _PACKED_SHORT.findall(content):
            yield ip_address(short)


def found_below(places: Mapping[str, Path], *, only_text: frozenset[str]) -> dict[Address, set[str]]:
    """Which addresses are in which of the `places`, each with all that lies below it."""
    found: defaultdict[Address, set[str]] = defaultdict(set)
    for name, place in places.items():
        for path in place.rglob("*"):
            if path.is_file() and not path.is_symlink():
                for address in found_in(path.read_bytes(), only_text=name in only_text):
                    found[address].add(name)
    return found


def _read(text: str) -> Iterator[Address]:
    """The address that `text` begins with."""
    for end in range(len(text), 0, -1):
        try:
            yield ip_address(text[:end])
        except ValueError:
            continue
        return
