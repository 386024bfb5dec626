"""A connection with a fast lane: plain requests are answered by it, all others by uvicorn's protocol, bytes untouched.

The lane is open while the parser is between two requests and has nothing to say. What comes while the lane owes an
answer waits for it, and is not read on: so answers are in the order of the requests.
"""

import asyncio
import os
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from http_api.bounded_heads import BoundedHeads
from http_api.connections import Connections
from redirector.fast_lane.answers import CLOSING
from redirector.fast_lane.heads import HEAD_BYTES_MAX, LINE_END
from redirector.fast_lane.lane import FastLane

SWEEP_INTERVAL: Final = timedelta(seconds=1)
"""How often connections are looked at that have been idle too long: no timer is set for each request."""

_HEAD_END: Final = b"\r\n\r\n"


class LaneConnection(BoundedHeads):
    """One client's connection."""

    def __init__(self, lane: FastLane, **server: Any) -> None:
        super().__init__(**server)
        self._ask = lane.ask
        self._is_open = False
        self._is_owed = False
        self._held = b""
        self._upgraded = False
        self._descriptor = -1
        self.peer: str | None = None
        self._idle_sweeps = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Note where answers are written to."""
        super().connection_made(transport)
        if self.transport is not None:
            self.peer = self.client[0] if self.client else None
            self._descriptor = transport.get_extra_info("socket").fileno()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody is there any more."""
        self._is_open = False
        self._held = b""
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what is for the lane."""
        if self._is_owed:
            self._held += data
            self.flow.pause_reading()
        elif (
            data.endswith(_HEAD_END)
            and len(data) <= HEAD_BYTES_MAX
            and (self._is_open or self._opens())
            and self._ask(self, data)
        ):
            self._is_owed = True
        else:
            self._is_open = False
            super().data_received(data)

    def on_headers_complete(self) -> None:
        """A request that wants another protocol is the last that is understood for certain."""
        self._upgraded = self._upgraded or self.parser.should_upgrade()
        super().on_headers_complete()

    def eof_received(self) -> bool | None:  # type: ignore[override]
        """A client that has said all it wants may still wait for its answer."""
        self.is_stopping = self.is_stopping or self._is_owed
        return True if self._is_owed else super().eof_received()

    def shutdown(self) -> None:
        """The answer that is owed is the last."""
        if self._is_owed:
            self.is_stopping = True
        else:
            super().shutdown()

    # ------------------------------------------------------------ what the lane asks for

    @property
    def server_headers(self) -> Sequence[tuple[bytes, bytes]]:
        """What the server says with every answer."""
        return self.server_state.default_headers

    def answer(self, answer: bytes, body: bytes, *, closes: bool) -> None:
        """Send the answer that is owed, the last where the client or the server `closes` the connection."""
        self._is_owed = False
        self._idle_sweeps = 0
        if self.transport.is_closing():
            return
        if closes or self.is_stopping:
            self._send(answer[: -len(LINE_END)] + CLOSING + body)
            self.transport.close()
            return
        self._send(answer + body)
        if self._held:
            held, self._held = self._held, b""
            self.flow.resume_reading()
            self.data_received(held)

    def hand_over(self, request: bytes) -> None:
        """Leave the request to the parser after all, and what came behind it."""
        self._is_owed = self._is_open = False
        self._idle_sweeps = 0
        held, self._held = self._held, b""
        if not self.transport.is_closing():
            self.flow.resume_reading()
            super().data_received(request + held)

    def give_up(self) -> None:
        """There will be no answer."""
        self._is_owed = False
        self.transport.close()

    def sweep(self, sweeps_max: int) -> None:
        """Close a connection that was idle in the lane as often as that; what is idle in the parser has a timer."""
        self._idle_sweeps += 1
        if self._idle_sweeps > sweeps_max and self._is_open and not self._is_owed:
            self.transport.close()

    def _send(self, answer: bytes) -> None:
        """Write at once. Nothing waits in the transport while the lane is open, so that nothing is overtaken.

        Where something has to wait, the connection is the parser's, and idle by a timer as after any answer of its.
        """
        try:
            sent = os.write(self._descriptor, answer)
        except OSError:  # the client does not read, or has gone; the transport knows what to do
            sent = 0
        if sent < len(answer):
            self._is_open = False
            self.transport.write(answer[sent:])
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _opens(self) -> bool:
        """Whether the parser has nothing to do and nothing to say; its timers end where it has not."""
        self._is_open = (
            self._in_head
            and not self._counted_bytes
            and not self._upgraded
            and not self._is_answering()
            and not self.transport.is_closing()
            and not self.transport.get_write_buffer_size()
        )
        if self._is_open:
            self._nothing_is_late()
            self._unset_keepalive_if_required()
        return self._is_open

    def _is_answering(self) -> bool:
        return self._is_owed or super()._is_answering()


async def keep_swept(connections: Connections, idle_seconds: float) -> None:
    """Close connections that have been idle for too long, for ever."""
    while True:
        await asyncio.sleep(SWEEP_INTERVAL.total_seconds())
        for connection in tuple(connections.connections):
            if isinstance(connection, LaneConnection):
                connection.sweep(int(idle_seconds / SWEEP_INTERVAL.total_seconds()))
