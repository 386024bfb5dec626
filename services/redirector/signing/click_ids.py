"""The click ids of one journal, under whatever key signs now, where programme and link want them."""

from collections.abc import Callable

from prometheus_client import Counter

from link_events.click_ids import ClickIdIssuer
from link_events.identity import JournalId, Seq
from link_events.signing import Keyring
from link_events.streams import Partition
from redirector.destinations import around_click_id
from redirector.links.link import Link
from redirector.programme.following import FollowedProgramme
from redirector.signing.following import FollowedKeys

Issue = Callable[[Partition, Seq, int], str | None]
"""The id of the click at a seq of a partition that occurred on a UTC day (`utc_day_of`); None without any key."""


class ClickIds:
    """Issues them; `missing` counts the redirects that had to do without one."""

    def __init__(
        self,
        keys: FollowedKeys,
        programme: FollowedProgramme,
        journal: JournalId,
        partitions: int,
        missing: Counter,
    ) -> None:
        self._keys = keys
        self._programme = programme
        self._journal = journal
        self._partitions = partitions
        self._missing = missing
        self._ring: Keyring | None = None
        self._issuer: ClickIdIssuer | None = None

    def around(self, link: Link) -> tuple[str, str] | None:
        """What stands before and behind the id in the address that `link` leads to; None where it carries no id.

        It holds as long as `link` and `FollowedProgramme.current` are the same.
        """
        programme = self._programme.current
        wanted = programme.click_ids if link.click_id is None else link.click_id
        return around_click_id(link.destination, programme.click_id_name) if wanted else None

    @property
    def issue(self) -> Issue:
        """Makes ids under the key that signs now: for one look at the sockets, not for later."""
        if self._keys.ring is not self._ring:
            self._take_over(self._keys.ring)
        return self._miss if self._issuer is None else self._issuer.issue

    def _miss(self, *_click: int) -> None:
        self._missing.inc()

    def _take_over(self, ring: Keyring | None) -> None:
        self._ring = ring
        if ring is not None:  # and keys, once heard of, are never gone again
            self._issuer = ClickIdIssuer(ring.current, ring.secret, self._journal, self._partitions)
