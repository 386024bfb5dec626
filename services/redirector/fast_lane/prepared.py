"""What all clicks on a link have in common, made once and kept with the link in memory."""

from dataclasses import dataclass
from datetime import datetime
from sys import intern

from link_events.streams import Stream, partition_of
from redirector.fast_lane.answers import redirection
from redirector.fast_lane.templates import LinkParts, link_parts
from redirector.journal.journal import Journal
from redirector.journal.segments import Slice
from redirector.links.link import Link
from redirector.links.memory import Kept
from redirector.programme.following import FollowedProgramme
from redirector.programme.store import Programme
from redirector.signing.click_ids import ClickIds


@dataclass(frozen=True, slots=True)
class PreparedLink:
    """An active link's part of clicks and answers. It holds as long as the link and the programme are the same."""

    programme: Programme
    slice_: Slice
    parts: LinkParts
    expires_at: datetime | None
    destination: str
    around_click_id: tuple[str, str] | None
    """What follows the date in an answer around a click id, where the link carries one."""


class Preparing:
    """Prepares links for one journal."""

    def __init__(self, journal: Journal, programme: FollowedProgramme, click_ids: ClickIds) -> None:
        self._journal = journal
        self._programme = programme
        self._around = click_ids.around

    def prepared(self, kept: Kept) -> PreparedLink | None:
        """A link as it is prepared, or None where it is not for the lane."""
        programme = self._programme.current
        before: PreparedLink | None = kept.prepared
        if before is None or before.programme is not programme:
            before = kept.prepared = self._prepare(kept.link, programme)
        return before

    def _prepare(self, link: Link, programme: Programme) -> PreparedLink | None:
        if link.disabled_at is not None or not (link.destination.isascii() and link.destination.isprintable()):
            return None
        partition = partition_of(link.advocate_id, self._journal.partitions)
        around = self._around(link)
        return PreparedLink(
            programme,
            (Stream.CLICKS, partition),
            link_parts(link, self._journal.journal_id, partition),
            link.expires_at,
            link.destination,
            None if around is None else _split(*around),
        )


def _split(before: str, behind: str) -> tuple[str, str]:
    mark = "\0"  # no destination holds one
    begin, _, end = redirection(f"{before}{mark}{behind}").partition(mark)
    return begin, intern(end)
