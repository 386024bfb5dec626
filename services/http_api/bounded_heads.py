"""Request heads are bounded, in bytes and in time; bodies in time; connections in number. A stop loses no request.

uvicorn's httptools protocol bounds neither the URL nor the headers, and a header that comes in pieces is copied with
each of them: one connection could take all memory and the loop's time. It also waits for ever for the end of a head
or of a body, and when it stops it closes connections on which a request may just have come.
"""

import asyncio
import fcntl
import struct
import termios
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from http_api.connections import Connections
from http_api.refusing import RefusedConnection

HEAD_BYTES_MAX: Final = 65_536
"""Request line and headers of one request; proxies and browsers stay far under it. Trailers have as much again."""

HEAD_SECONDS_MAX: Final = 10.0
"""From a connection, or from the first byte of a later request, to the end of the head."""

BODY_SECONDS_MAX: Final = 30.0
"""From one piece of a body to the next."""

LAST_REQUEST_SECONDS: Final = 0.5
"""While it stops: how long a connection is still listened to that has no request. A client that sent one before it
could know is answered; what is sent later than that is lost with the connection, as HTTP allows (RFC 9112, 9.6)."""

PIECE_BYTES: Final = 4096
"""The parser is fed no more at once, since it does not tell where in a piece a head began: a head that begins behind
another request may be longer than the bound by less than this."""

REFUSAL: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-length: 0\r\nx-robots-tag: noindex\r\nconnection: close\r\n\r\n"
)


class BoundedHeads(HttpToolsProtocol):
    """uvicorn's protocol, which answers 431 to a head past its bound and closes a connection that is late.

    Once `is_stopping`, the next answer on this connection is the last. `transport` is None for good where there were
    too many connections: another protocol says so.
    """

    server_state: Connections

    head_bytes_max: int = HEAD_BYTES_MAX
    head_seconds_max: float = HEAD_SECONDS_MAX
    body_seconds_max: float = BODY_SECONDS_MAX

    is_stopping = False

    _counting = True  # in a head or in trailers, or idle before a head
    _counted_bytes = 0
    _in_head = True  # in a head, or idle before one
    _rest_is_dropped = False
    _late: asyncio.TimerHandle | None = None
    _body_goes_on = False  # some came since the timer was set

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A connection that says nothing is late as well; one too many is turned away."""
        if self.server_state.is_full:
            transport.set_protocol(RefusedConnection(transport, self.server_state))
            return
        super().connection_made(transport)
        self._expect_head()
        if self.server_state.is_stopping:  # it had connected before the listener was closed
            self.shutdown()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is late any more."""
        self._nothing_is_late()
        super().connection_lost(exc)

    def eof_received(self) -> bool | None:  # type: ignore[override]
        """A client that has sent its request whole, and closed its side, is still answered: the last answer."""
        if not (self._is_answering() and self._in_head):
            return None
        self.is_stopping = True
        self.cycle.keep_alive = False
        return True

    def data_received(self, data: bytes) -> None:
        """Feed the parser in pieces, none of which goes past the bound of a head."""
        self._rest_is_dropped = False
        start = 0
        while start < len(data) and not self._rest_is_dropped and not self.transport.is_closing():
            size = PIECE_BYTES
            if self._counting:
                size = min(size, self.head_bytes_max - self._counted_bytes)
                if size <= 0:
                    self._refuse()
                    return
            piece = data[start : start + size]
            start += len(piece)
            if self._counting:
                self._counted_bytes += len(piece)
            super().data_received(piece)
        if self._in_head and self._counted_bytes and self._late is None:
            self._expect_head()

    def on_message_begin(self) -> None:
        """At least one byte of a head has come, also where it began within a piece."""
        self._counted_bytes = self._counted_bytes or 1
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """What follows is a body.

        Raises:
            ValueError: the head names no host, or several (RFC 9112, 3.2). The parser ends with it: 400.
        """
        hosts = sum(name == b"host" for name, _ in self.headers)
        if hosts > 1 or (not hosts and self.parser.get_http_version() == "1.1"):
            raise ValueError("a request names one host")
        self._in_head = self._counting = False
        self._expect_body()
        # uvicorn drops what came together with a refused upgrade; fed in pieces it would be read as a request.
        self._rest_is_dropped = self.parser.should_upgrade()
        super().on_headers_complete()
        if self.is_stopping and self.cycle is not None:
            self.cycle.keep_alive = False

    def on_chunk_header(self) -> None:
        """The data of a chunk follows, or after the last one trailers, which the parser collects like headers."""
        self._counting, self._counted_bytes = True, 0

    def on_body(self, body: bytes) -> None:
        """How large a body may be is bounded elsewhere (`bodies`)."""
        self._counting = False
        self._body_goes_on = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """What follows is another head."""
        self._in_head = self._counting = True
        self._counted_bytes = 0
        self._nothing_is_late()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """While a response is under way uvicorn may not read, so a head behind it has its time from now on."""
        super().on_response_complete()
        if self._in_head and self._counted_bytes and not self.transport.is_closing():
            self._expect_head()

    def shutdown(self) -> None:
        """The next answer is the last; where no request comes, the connection ends soon."""
        self.is_stopping = True
        if self._is_answering():
            self.cycle.keep_alive = False
        else:
            self._unset_keepalive_if_required()
            self.loop.call_later(LAST_REQUEST_SECONDS, self._close_unless_asked)

    def _close_unless_asked(self) -> None:
        if self._is_answering() or self._counted_bytes or self.transport.is_closing():
            return
        if _has_unread(self.transport):  # a request that is about to be read
            self.loop.call_soon(self._close_unless_asked)
        else:
            self.transport.close()

    def _expect_head(self) -> None:
        self._nothing_is_late()
        self._late = self.loop.call_later(self.head_seconds_max, self._close_late)

    def _expect_body(self) -> None:
        self._nothing_is_late()
        self._body_goes_on = False
        self._late = self.loop.call_later(self.body_seconds_max, self._close_stalled)

    def _nothing_is_late(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _close_late(self) -> None:
        self._late = None
        if not self._is_answering():
            self.transport.close()

    def _close_stalled(self) -> None:
        if self._body_goes_on or self.flow.read_paused:  # more has come, or it is we who do not read
            self._expect_body()
        else:
            self._late = None
            self.transport.close()

    def _refuse(self) -> None:
        if not self._is_answering():  # never into the middle of another answer
            self.transport.write(REFUSAL)
        self.transport.close()

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete


def _has_unread(transport: asyncio.Transport) -> bool:
    """Whether the kernel holds bytes of it that were not read yet."""
    waiting = fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.FIONREAD, struct.pack("i", 0))
    return waiting != struct.pack("i", 0)
