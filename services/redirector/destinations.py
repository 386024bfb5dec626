"""Destinations: where a link may lead, stored as browsers serialise URLs (WHATWG), and a click id's place in one. Pure.

A short link of the company's carries its good name: it leads to the public web over http or https and nowhere else.
"""

import ipaddress
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_plus

import ada_url

DESTINATION_CHARS_MAX: Final = 2_048
"""Longer addresses fail in mail programs, chat windows and proxies."""

_WEB_SCHEMES: Final = frozenset({"http:", "https:"})
_LOCAL_SUFFIXES: Final = (".localhost", ".local", ".internal", ".home", ".home.arpa", ".lan", ".intranet", ".corp")


class DestinationRefusedError(ValueError):
    """A destination no link may have; the message says why."""


@dataclass(frozen=True, slots=True)
class DestinationPolicy:
    """`own_hosts` are our short domains; `allowed_private_hosts` may be private all the same (intranets, tests).

    Both as `compared_host` gives them.
    """

    own_hosts: Collection[str]
    allowed_private_hosts: Collection[str] = ()


def canonical_destination(text: str, policy: DestinationPolicy) -> str:
    """The destination in `text` as a browser writes it.

    Raises:
        DestinationRefusedError: it is none, or one that no link may have.
    """
    if any(char < " " or char == "\x7f" for char in text.strip(" ")):
        raise DestinationRefusedError("holds control characters")
    try:
        url = ada_url.URL(text)
    except ValueError as error:
        raise DestinationRefusedError("is not a URL") from error
    if url.protocol not in _WEB_SCHEMES:
        raise DestinationRefusedError("must begin with http:// or https://")
    if url.username or url.password:
        raise DestinationRefusedError("must not hold a user name or password")
    if len(url.href) > DESTINATION_CHARS_MAX:
        raise DestinationRefusedError(f"is longer than {DESTINATION_CHARS_MAX} characters")
    _check_host(url.hostname, policy)
    return str(url.href)


def around_click_id(destination: str, name: str) -> tuple[str, str]:
    """What stands before and behind the click id when `destination` is followed; an id in between makes an address.

    The id is the query's last parameter, as `name`, a CLICK_ID_NAME_PATTERN. What else the query holds stays byte for
    byte, and so does the fragment. A parameter that has the name already goes: it is the id of an earlier click, in an
    address that somebody copied from their browser, and a conversion would be credited to that click.

    The longest name and an id add 106 characters to DESTINATION_CHARS_MAX, and nothing refuses an address for those.
    """
    rest, mark, fragment = destination.partition("#")
    path, _, query = rest.partition("?")
    kept = [part for part in query.split("&") if unquote_plus(part.partition("=")[0]) != name]
    if kept and not kept[-1]:
        kept.pop()  # no query, or one that ends with "&": the id needs no second one
    return f"{path}?{'&'.join([*kept, name])}=", f"{mark}{fragment}"


def compared_host(text: str) -> str:
    """A host name or address, as people write it, in the one form in which hosts are compared.

    Raises:
        ValueError: it is none.
    """
    bracketed = f"[{text}]" if ":" in text and not text.startswith("[") else text
    return _compared(ada_url.URL(f"http://{bracketed}/").hostname)


def _compared(hostname: str) -> str:
    return hostname.strip("[]").rstrip(".").lower()


def _check_host(host: str, policy: DestinationPolicy) -> None:
    name = _compared(host)
    if name in policy.own_hosts and name not in policy.allowed_private_hosts:
        raise DestinationRefusedError("leads back to our own short links")
    if name not in policy.allowed_private_hosts and _is_private(name):
        raise DestinationRefusedError(f"leads to a private, loopback or link-local host ({host})")


def _is_private(name: str) -> bool:
    """Whether `name` means nothing, or something else, outside the network it is used in."""
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return "." not in name or name.endswith(_LOCAL_SUFFIXES)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    if isinstance(address, ipaddress.IPv6Address) and address.is_site_local:
        return True
    return not address.is_global or address.is_multicast or address.is_reserved
