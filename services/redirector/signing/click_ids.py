"""The click ids of one journal, under whatever key signs now, where programme and link want them."""

from prometheus_client import Counter

from link_events.click_ids import ClickIdIssuer
from link_events.identity import JournalId, Seq
from link_events.signing import Keyring
from link_events.streams import Partition
from redirector.destinations import around_click_id
from redirector.links.link import Link
from redirector.programme.following import FollowedProgramme
from redirector.signing.following import FollowedKeys


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

    def issue(self, partition: Partition, seq: Seq, utc_day: int) -> str | None:
        """The id of the click at `seq`, which occurred on `utc_day` (`click_ids.utc_day_of`); None without any key."""
        if self._keys.ring is not self._ring:
            self._take_over(self._keys.ring)
        if self._issuer is None:
            self._missing.inc()
            return None
        return self._issuer.issue(partition, seq, utc_day)

    def _take_over(self, ring: Keyring | None) -> None:
        self._ring = ring
        if ring is not None:  # and keys, once heard of, are never gone again
            self._issuer = ClickIdIssuer(ring.current, ring.secret, self._journal, self._partitions)
