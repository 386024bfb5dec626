"""Which clicks are an advocate's own: those that come with the cookie that a self link set."""

from datetime import datetime, timedelta
from itertools import islice
from typing import Final

from link_events.identity import AdvocateId
from link_events.signing import Keyring, Purpose
from redirector.self_clicks.proofs import verify_proof
from redirector.signing.following import FollowedKeys

COOKIE_NAME: Final = "advolink_self"

TOKEN_LIFE: Final = timedelta(minutes=10)
"""From asking for a self link to opening it. It may be opened in several browsers meanwhile; each of them is marked."""

COOKIE_LIFE: Final = timedelta(days=180)
"""A quarter's contest and the next; the portal can mark a browser anew at any time."""

_COOKIES_MAX: Final = 4
"""A browser sends one of the name; of a header that somebody stuffed, no more are looked at."""


class OwnClicks:
    """Marks browsers, and knows them again."""

    def __init__(self, keys: FollowedKeys) -> None:
        self._keys = keys

    @property
    def ring(self) -> Keyring | None:
        """The keys that sign; None before the first was heard of: nothing can be signed or verified then."""
        return self._keys.ring

    def is_own(self, cookies: str | None, advocate_id: AdvocateId, now: datetime) -> bool:
        """Whether a click with this Cookie header, on a link of `advocate_id`, is their own."""
        ring = self._keys.ring
        if cookies is None or ring is None or COOKIE_NAME not in cookies:
            return False
        pairs = (cookie.strip().partition("=") for cookie in cookies.split(";"))
        values = islice((value for name, _, value in pairs if name == COOKIE_NAME), _COOKIES_MAX)
        return any(verify_proof(value, ring, Purpose.SELF_COOKIE, now).advocate_id == advocate_id for value in values)
