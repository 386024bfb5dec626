"""Telling clients apart: from address, user agent and language to keys of the local day. No address leaves this module.

Asked for every click, so what is the same for many is made once a day: a hash for each user agent and language, which
lacks only the address, and the key of each network.
"""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import blake2b
from typing import Final
from zoneinfo import ZoneInfo

from link_events.periods import local_day
from link_events.reasons import NetworkFact
from redirector.visitors.addresses import ADDRESS_BYTES, MAPPED, Address, Networks, forwarded_address, read_address
from redirector.visitors.client import Client
from redirector.visitors.salts import Salt, Salts

VISITOR_BYTES: Final = 16
NETWORK_KEY_BYTES: Final = 8

BLAKE2_BLOCK_BYTES: Final = 128

IPV4_NETWORK_BYTES: Final = len(MAPPED) + 3
"""A /24."""

IPV6_NETWORK_BYTES: Final = 6
"""A /48: what a site has. A client may take any address of a /64, and often has a /56."""

PEERS_MAX: Final = 4_096
NETWORKS_MAX: Final = 65_536
AGENTS_MAX: Final = 16_384
"""Remembered in memory: peers until the process ends, networks and agents until their day does."""

_A_MINUTE: Final = timedelta(minutes=1)
_NEVER: Final = datetime.min.replace(tzinfo=UTC)
_INTERNAL: Final = (NetworkFact.INTERNAL,)
_UNRESOLVED: Final = Client(networks=(NetworkFact.UNRESOLVED,))

log = logging.getLogger(__name__)


class Day:
    """The keys under one salt: what `Clients.day_of` gives, to be handed back to it."""

    __slots__ = ("__weakref__", "_agents", "_networks", "salt")

    def __init__(self, salt: Salt) -> None:
        self.salt = salt
        self._agents: dict[bytes, blake2b] = {}
        self._networks: dict[bytes, str] = {}

    def visitor(self, address: Address, agent: bytes) -> str:
        """The address comes last and has its length, so no two pairs are hashed alike."""
        hashed = (self._agents.get(agent) or self._prepare(agent)).copy()
        hashed.update(address)
        return hashed.hexdigest()

    def network_key(self, address: Address) -> str:
        """The same for all addresses of a network."""
        network = address[:IPV4_NETWORK_BYTES] if address.startswith(MAPPED) else address[:IPV6_NETWORK_BYTES]
        return self._networks.get(network) or self._learn(network)

    def _prepare(self, agent: bytes) -> blake2b:
        if len(self._agents) >= AGENTS_MAX:
            self._agents.clear()
        # `person` keeps the two kinds of keys apart.
        prepared = blake2b(agent, key=self.salt.secret, digest_size=VISITOR_BYTES, person=b"visitor")
        self._agents[agent] = prepared
        return prepared

    def _learn(self, network: bytes) -> str:
        if len(self._networks) >= NETWORKS_MAX:
            self._networks.clear()
        hashed = blake2b(network, key=self.salt.secret, digest_size=NETWORK_KEY_BYTES, person=b"network")
        key = self._networks[network] = hashed.hexdigest()
        return key


class Clients:
    """Tells clients apart."""

    def __init__(
        self,
        salts: Salts,
        zone: Callable[[], ZoneInfo],
        trusted: Networks,
        internal: Networks,
        *,
        unresolved: Callable[[], None],
        forwarded_by_strangers: Callable[[], None],
    ) -> None:
        """`unresolved` and `forwarded_by_strangers` are called for each click that is so."""
        self._salts = salts
        self._zone = zone
        self._trusted = trusted
        self._internal = internal
        self._unresolved = unresolved
        self._forwarded_by_strangers = forwarded_by_strangers
        self._strangers_named = False
        self._peer = lru_cache(maxsize=PEERS_MAX)(self._read_peer)
        self._day: Day | None = None
        self._from = self._until = _NEVER

    def identify(
        self,
        peer: str | None,
        forwarded_for: str | None,
        user_agent: str | None,
        language: str | None,
        instant: datetime,
    ) -> Client:
        """Who clicked at `instant` (aware), as far as can be told.

        `user_agent` and `language` are those that the click keeps. `forwarded_for`: all X-Forwarded-For headers, joined
        by commas; None where there was none.
        """
        return self.identify_on(self.day_of(instant), peer, forwarded_for, agent_bytes(user_agent, language))

    def identify_on(self, day: Day, peer: str | None, forwarded_for: str | None, agent: bytes) -> Client:
        """The same, for whoever has what `day_of` and `agent_bytes` give already."""
        address, is_proxy = self._peer(peer)
        if is_proxy:
            address = forwarded_address(forwarded_for, self._trusted)
        elif forwarded_for is not None:
            self._forwarded_unheard()
        if address is None:
            self._unresolved()
            return _UNRESOLVED
        networks = _INTERNAL if address in self._internal else ()
        return Client(day.visitor(address, agent), day.salt.local, day.network_key(address), networks)

    def network_key(self, peer: str | None, forwarded_for: str | None, instant: datetime) -> str | None:
        """The key of the network that a request came from at `instant`, None where that cannot be told."""
        address, is_proxy = self._peer(peer)
        if is_proxy:
            address = forwarded_address(forwarded_for, self._trusted)
        return None if address is None else self.day_of(instant).network_key(address)

    def renew(self) -> None:
        """Look at zone and salts again with the next click, and let go of a day whose salt is let go of."""
        self._from = self._until = _NEVER
        if self._day is not None and not self._salts.holds(self._day.salt):
            self._day = None

    def _read_peer(self, peer: str | None) -> tuple[Address | None, bool]:
        address = read_address(peer) if peer else None
        return address, address is not None and address in self._trusted

    def day_of(self, instant: datetime) -> Day:
        """The local day of `instant`: that of its whole minute, for clocks change between minutes."""
        if self._day is not None and self._from <= instant < self._until:
            return self._day
        day = local_day(instant, self._zone())
        salt = self._salts.of(day)
        if self._day is None or self._day.salt is not salt:
            self._day = Day(salt)
        self._from = instant.replace(second=0, microsecond=0)
        self._until = self._from + _A_MINUTE
        return self._day

    def _forwarded_unheard(self) -> None:
        self._forwarded_by_strangers()
        if not self._strangers_named:
            self._strangers_named = True
            log.warning(
                "a request carries X-Forwarded-For and comes from no trusted proxy, so what it says is not heard. If a"
                " proxy of yours stands in front, ADVOLINK_REDIRECTOR_TRUSTED_PROXIES has to name it: until then all"
                " who come through it count as one client"
            )


def agent_bytes(user_agent: str | None, language: str | None) -> bytes:
    """User agent and language as they go into a visitor's key: no two pairs give the same, for neither holds a NUL.

    With NULs behind them, where an address would not fit into their last block any more: so a visitor's key costs one
    block of the hash and never two.
    """
    text = f"{language or ''}\0{user_agent or ''}".encode()
    room = -len(text) % BLAKE2_BLOCK_BYTES
    return text if room >= ADDRESS_BYTES else text + bytes(room + 1)
