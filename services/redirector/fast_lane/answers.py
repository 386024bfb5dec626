"""The lane's answers, as bytes on the wire: the same that the plain path gives (redirector.routes.redirects)."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Final

from http_api.problems import RETRY_AFTER_S
from redirector.pages import PAGES

CLOSING: Final = b"connection: close\r\n\r\n"

_NEVER_KEPT: Final = "cache-control: private, no-store\r\nreferrer-policy: strict-origin-when-cross-origin\r\n"
_NEVER_INDEXED: Final = "x-robots-tag: noindex\r\n\r\n"


def beginning(status: HTTPStatus, server_headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The status line, and what the server says with every answer."""
    lines = [f"HTTP/1.1 {status.value} {status.phrase}\r\n"]
    lines += [f"{name.decode()}: {value.decode()}\r\n" for name, value in server_headers]
    return "".join(lines)


def redirection(destination: str) -> str:
    """What follows in a redirect."""
    return f"location: {destination}\r\n{_NEVER_KEPT}content-length: 0\r\n{_NEVER_INDEXED}"


def page(status: HTTPStatus, headers: Mapping[str, str] = MappingProxyType({})) -> tuple[str, bytes]:
    """What follows where a link leads nowhere, with `headers` among it, and the body."""
    body = PAGES[status].encode()
    more = "".join(f"{name.lower()}: {value}\r\n" for name, value in headers.items())
    rest = (
        f"{_NEVER_KEPT}{more}content-length: {len(body)}\r\ncontent-type: text/html; charset=utf-8\r\n{_NEVER_INDEXED}"
    )
    return rest, body


TURNED_AWAY: Final = page(HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": str(RETRY_AFTER_S)})
"""What follows in a 503, and its body."""
