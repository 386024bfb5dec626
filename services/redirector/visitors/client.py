"""What is known of who clicked, as a value. Pure."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from link_events.values import value

Identify = Callable[[str | None, str | None, str | None, str | None, datetime], "Client"]
"""Peer, X-Forwarded-For, user agent, language, instant; see `Clients.identify`."""


@value(frozen=True, slots=True)
class Client:
    """Keys of one browser and its network, for one local day; None where the client could not be told.

    `visitor_local`: no other redirector makes the same keys. `networks`: facts, see NetworkFact.
    """

    visitor: str | None = None
    visitor_local: bool = False
    network_key: str | None = None
    networks: tuple[str, ...] = ()


_NOBODY: Final = Client()


def nobody(*_request: str | datetime | None) -> Client:
    """Identifies nobody: for clicks of which no address is known, as those of an import."""
    return _NOBODY
