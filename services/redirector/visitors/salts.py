"""The salts that visitors' keys are made with: a random one for each local day. In memory; `keeping` brings them.

All redirectors share a day's salt. Where the shared one is not known a *local* one is drawn, which nobody else has.
When a day's salt is let go of, nobody can find out any more whose keys that day's were.
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import count, takewhile
from typing import Final
from zoneinfo import ZoneInfo

from link_events.periods import ONE_DAY, local_day

SALT_BYTES: Final = 32

DAYS_AHEAD: Final = 2
"""Days after today that have their salts already: Postgres may be away over midnight, and zones change by 26 hours."""

KEPT_AFTER: Final = timedelta(hours=48)
"""How long after the end of its day a salt is kept."""


@dataclass(frozen=True, slots=True, eq=False)
class Salt:
    """A day's salt. It is never shown."""

    secret: bytes = field(repr=False)
    local: bool


class Salts:
    """The salts that this process knows."""

    def __init__(
        self, shared: Mapping[date, bytes] | None = None, draw: Callable[[int], bytes] = secrets.token_bytes
    ) -> None:
        self._shared = {day: Salt(secret, local=False) for day, secret in (shared or {}).items()}
        self._local: dict[date, Salt] = {}
        self._draw = draw

    @property
    def shared(self) -> Mapping[date, bytes]:
        """What is known of what redirectors share."""
        return {day: salt.secret for day, salt in self._shared.items()}

    def of(self, day: date) -> Salt:
        """The salt of a local day: the shared one, else a local one, which stays until that is known."""
        salt = self._shared.get(day) or self._local.get(day)
        if salt is None:
            salt = self._local[day] = Salt(self._draw(SALT_BYTES), local=True)
        return salt

    def holds(self, salt: Salt) -> bool:
        """Whether `salt` is in use still."""
        return any(known is salt for salts in (self._shared, self._local) for known in salts.values())

    def offers(self, kept_from: date, today: date) -> Mapping[date, bytes]:
        """What to share with other redirectors where nobody has shared anything: of today, and of days ahead.

        What was shared before is offered again, also of days gone by: a Postgres that crashed has lost it. A local salt
        is better than a fresh one: clicks were keyed with it.
        """
        ahead = [today + number * ONE_DAY for number in range(DAYS_AHEAD + 1)]
        drawn = {day: self._local[day].secret if day in self._local else self._draw(SALT_BYTES) for day in ahead}
        return drawn | {day: secret for day, secret in self.shared.items() if day >= kept_from}

    def share(self, told: Mapping[date, bytes]) -> None:
        """Take over what redirectors share: these and no others. Local salts of these days go."""
        for day, secret in told.items():
            if day not in self._shared or self._shared[day].secret != secret:
                self._shared[day] = Salt(secret, local=False)
        self._shared = {day: salt for day, salt in self._shared.items() if day in told}
        self._local = {day: salt for day, salt in self._local.items() if day not in told}

    def let_go(self, kept_from: date) -> None:
        """Forget the salts of earlier days."""
        self._shared = {day: salt for day, salt in self._shared.items() if day >= kept_from}
        self._local = {day: salt for day, salt in self._local.items() if day >= kept_from}

    def days_ahead(self, today: date) -> int:
        """How many days after today have a shared salt, without a gap."""
        days = (today + number * ONE_DAY for number in count(1))
        return sum(1 for _ in takewhile(self._shared.__contains__, days))


def first_day_kept(now: datetime, zone: ZoneInfo) -> date:
    """The first local day whose salt is still kept at `now` (aware)."""
    return local_day(now - KEPT_AFTER, zone)
