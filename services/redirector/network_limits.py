"""How much of something a network may ask for. Pure: the time is an argument.

What is limited: unknown codes, for what scanning costs, and conversions that browsers report, for anybody may. Links
never are, so no limit keeps one from being found.
"""

import math
from collections import OrderedDict
from enum import StrEnum
from typing import Final

from http_api.problems import RETRY_AFTER_S

NETWORKS_MAX: Final = 20_000
"""Networks that are remembered, 4 MB of them. The one that has asked for none for longest goes, and begins anew."""


class LimitPolicy(StrEnum):
    """What is limited, as it is called in the headers of a 429."""

    UNKNOWN_CODES = "unknown-codes"
    BROWSER_CONVERSIONS = "browser-conversions"


class NetworkLimits:
    """A bucket of tokens for each network: whatever is asked for takes one, and they come back at an even rate.

    Kept as the one instant at which the bucket is full again (GCRA, as ATM's policing does it).
    """

    def __init__(
        self,
        per_minute: int,
        burst: int,
        networks_max: int = NETWORKS_MAX,
        policy: LimitPolicy = LimitPolicy.UNKNOWN_CODES,
    ) -> None:
        self._token_s = 60 / per_minute
        self._bucket_s = burst * self._token_s
        self._networks_max = networks_max
        self._full_at_s: OrderedDict[str | None, float] = OrderedDict()
        self.retry_after_s = max(RETRY_AFTER_S, math.ceil(self._token_s))
        """By then there is a token, and the links' changes have been followed."""
        self.headers: Final = {
            "Retry-After": str(self.retry_after_s),
            "RateLimit-Policy": f'"{policy}";q={burst};w={math.ceil(self._bucket_s)}',
            "RateLimit": f'"{policy}";r=0;t={self.retry_after_s}',
        }
        """What one who is over the limit is told, as draft-ietf-httpapi-ratelimit-headers-11 has it."""

    def __len__(self) -> int:
        return len(self._full_at_s)

    def admit(self, network: str | None, now_s: float) -> bool:
        """Take a token of `network`'s, if it has one. Whoever's network cannot be told shares one with all others."""
        full_at_s = max(now_s, self._full_at_s.get(network, now_s)) + self._token_s
        if full_at_s > now_s + self._bucket_s + _ROUNDING_S:
            return False
        self._full_at_s[network] = full_at_s
        self._full_at_s.move_to_end(network)
        if len(self._full_at_s) > self._networks_max:
            self._full_at_s.popitem(last=False)
        return True

    def limited(self, now_s: float) -> int:
        """How many networks have no token left."""
        latest_s = now_s + self._bucket_s - self._token_s + _ROUNDING_S
        return sum(full_at_s > latest_s for full_at_s in self._full_at_s.values())


_ROUNDING_S: Final = 1e-6
"""A token's time may not come out even."""
