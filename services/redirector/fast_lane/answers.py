"""The lane's answers, as bytes on the wire: the same that the plain path gives (redirector.routes.redirects)."""

from collections.abc import Iterable
from http import HTTPStatus
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


def _turned_away() -> tuple[str, bytes]:
    page = PAGES[HTTPStatus.SERVICE_UNAVAILABLE].encode()
    head = (
        f"{_NEVER_KEPT}retry-after: {RETRY_AFTER_S}\r\ncontent-length: {len(page)}\r\n"
        f"content-type: text/html; charset=utf-8\r\n{_NEVER_INDEXED}"
    )
    return head, page


TURNED_AWAY: Final = _turned_away()
"""What follows in a 503, and its body."""
