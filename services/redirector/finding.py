"""From a request for a code to its link, or to what becomes of a code that nobody has.

Unknown codes are limited for each network, so that trying them out costs little. Links never are: the limit is asked
only about a code that is surely none.
"""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime

from database.pool import DatabaseAwayError
from link_events.identity import Code, is_code
from redirector.capture import Request
from redirector.links.link import Link
from redirector.links.resolving import LinkResolver
from redirector.metrics import RedirectMetrics, Unknown
from redirector.network_limits import NetworkLimits

NetworkOf = Callable[[str | None, str | None, datetime], str | None]
"""A key of the network that a request came from at an instant; see `Clients.network_key`."""


class LinkFinder:
    """Finds links."""

    def __init__(
        self, resolver: LinkResolver, limits: NetworkLimits, network_of: NetworkOf, metrics: RedirectMetrics
    ) -> None:
        self.limits = limits
        self._resolver = resolver
        self._network_of = network_of
        self._metrics = metrics

    async def find(self, code: str, request: Request) -> Link | Unknown:
        """The link behind `code`; what is none is counted."""
        link = await self._found(code, request)
        if isinstance(link, Unknown):
            self._metrics.unknown_codes[link].inc()
        return link

    async def _found(self, text: str, request: Request) -> Link | Unknown:
        if not is_code(text):
            return Unknown.NO_CODE
        code = Code(text)
        if self.surely_lacks(code) and not self.admits(request.peer, request.forwarded_for):
            return Unknown.LIMITED
        try:
            return await self._resolver.resolve(code) or Unknown.ABSENT
        except DatabaseAwayError:
            return Unknown.UNSURE

    def surely_lacks(self, code: Code) -> bool:
        """Whether `code` is surely no link but one that was made elsewhere a moment ago."""
        return self._resolver.surely_lacks(code)

    def next_round(self) -> "asyncio.Future[bool]":
        """Have the links' changes looked at, after which no link that was made before this call is surely lacked.

        Whether that got through; it may be cancelled.
        """
        return self._resolver.next_round()

    def admits(self, peer: str | None, forwarded_for: str | None) -> bool:
        """Whether a request from there may ask for one more code that is surely lacked."""
        network = self._network_of(peer, forwarded_for, datetime.now(UTC))
        admitted = self.limits.admit(network, time.monotonic())
        if not admitted:
            self._resolver.hurry()  # a link that was made a moment ago is known when they come again
        return admitted
