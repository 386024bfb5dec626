"""What becomes of a connection when there are as many as there may be: a plain answer, and the end."""

import asyncio
from typing import Final

from http_api.connections import Connections
from http_api.problems import RETRY_AFTER_S

REFUSED_SECONDS_MAX: Final = 1.0
"""How long a connection is waited for that says nothing."""

REFUSED_AT_ONCE_MAX: Final = 512
"""More than these are cut off without a word."""

REFUSAL: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\n"
    b"retry-after: %d\r\ncontent-length: 0\r\nx-robots-tag: noindex\r\nconnection: close\r\n\r\n" % RETRY_AFTER_S
)


class RefusedConnection(asyncio.Protocol):
    """Answers 503 to whatever comes, and closes. It waits for the request: to close on one unread would reset it."""

    def __init__(self, transport: asyncio.Transport, connections: Connections) -> None:
        self._transport = transport
        self._connections = connections
        connections.limits.refused()
        connections.being_refused += 1
        if connections.being_refused > REFUSED_AT_ONCE_MAX:
            transport.abort()
        self._late = asyncio.get_running_loop().call_later(REFUSED_SECONDS_MAX, self._refuse)

    def data_received(self, _data: bytes) -> None:
        """Any request has the same answer."""
        self._refuse()

    def connection_lost(self, _exc: Exception | None) -> None:
        """It is gone."""
        self._connections.being_refused -= 1
        self._late.cancel()

    def _refuse(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(REFUSAL)
            self._transport.close()
