"""Codes that nobody has, in the lane: limited at once, or told when the links' changes have been followed.

What they are answered is what the plain path answers (redirector.finding). Without its framework whoever scans for
codes costs little.
"""

import asyncio
import time
from functools import partial
from http import HTTPStatus
from typing import NamedTuple

from link_events.identity import Code, is_code
from redirector.fast_lane.answers import TURNED_AWAY, beginning, page
from redirector.fast_lane.asker import Asker
from redirector.fast_lane.heads import Heads
from redirector.finding import LinkFinder
from redirector.links.resolving import LOOKUP_TIMEOUT
from redirector.metrics import RedirectMetrics, Unknown


class Stranger(NamedTuple):
    """A request for a code that is surely no link, but for one that was made elsewhere a moment ago."""

    asker: Asker
    code: Code
    request: bytes
    closes: bool
    asked_s: float


class UnknownCodes:
    """Answers plain requests for them."""

    def __init__(self, finder: LinkFinder, heads: Heads, metrics: RedirectMetrics) -> None:
        self._finder = finder
        self._heads = heads
        self._metrics = metrics
        self._loop = asyncio.get_running_loop()
        absent, limited = HTTPStatus.NOT_FOUND, HTTPStatus.TOO_MANY_REQUESTS
        self._answers = {
            Unknown.ABSENT: (absent, page(absent)),
            Unknown.LIMITED: (limited, page(limited, finder.limits.headers)),
            Unknown.UNSURE: (HTTPStatus.SERVICE_UNAVAILABLE, TURNED_AWAY),
        }

    def ask(self, asker: Asker, code: Code, request: bytes, rest: bytes) -> bool:
        """Take a request, which is answered later for certain; False where `code` may be a link, or the head is odd."""
        if not (is_code(code) and self._finder.surely_lacks(code)):
            return False
        told = self._heads.read(rest)
        if told is None:
            return False
        head, forwarded_for = told
        stranger = Stranger(asker, code, request, head.closes, time.perf_counter())
        if self._finder.admits(asker.peer, forwarded_for or None):
            self._wait(stranger)
        else:
            self._loop.call_soon(self._answer, stranger, Unknown.LIMITED)
        return True

    def _wait(self, stranger: Stranger) -> None:
        followed = self._finder.next_round()
        late = self._loop.call_later(LOOKUP_TIMEOUT.total_seconds(), followed.cancel)
        followed.add_done_callback(partial(self._followed, stranger, late))

    def _followed(self, stranger: Stranger, late: asyncio.TimerHandle, followed: "asyncio.Future[bool]") -> None:
        late.cancel()
        if followed.cancelled() or not followed.result():
            self._answer(stranger, Unknown.UNSURE)
        elif self._finder.surely_lacks(stranger.code):
            self._answer(stranger, Unknown.ABSENT)
        else:
            stranger.asker.hand_over(stranger.request)

    def _answer(self, stranger: Stranger, outcome: Unknown) -> None:
        status, (rest, body) = self._answers[outcome]
        self._metrics.unknown_codes[outcome].inc()
        self._metrics.redirects.labels(status.value).inc()
        self._metrics.duration.observe(time.perf_counter() - stranger.asked_s)
        begin = beginning(status, stranger.asker.server_headers)
        stranger.asker.answer(f"{begin}{rest}".encode(), body, closes=stranger.closes)
