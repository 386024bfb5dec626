"""Links in memory: bounded, the least recently used go first; kept fresh by the links' change feed."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from link_events.identity import Code
from redirector.links.link import Link


@dataclass(slots=True)
class Kept:
    """A link, and what is made of it once for all its clicks; a changed link is kept anew."""

    link: Link
    prepared: Any = None


class LinkMemory:
    """The links that redirect without Postgres."""

    def __init__(self, links_max: int) -> None:
        self._links: OrderedDict[Code, Kept] = OrderedDict()
        self._links_max = links_max

    def __len__(self) -> int:
        return len(self._links)

    def get(self, code: Code) -> Link | None:
        """The link behind `code`, if it is in memory."""
        kept = self.kept(code)
        return None if kept is None else kept.link

    def kept(self, code: Code) -> Kept | None:
        """As `get`, with what was made of the link."""
        kept = self._links.get(code)
        if kept is not None:
            self._links.move_to_end(code)
        return kept

    def remember(self, link: Link) -> None:
        """Keep `link`, unless a later change of it is kept already."""
        known = self._links.get(link.code)
        if known is not None and known.link.change > link.change:
            return
        self._links[link.code] = Kept(link)
        self._links.move_to_end(link.code)
        if len(self._links) > self._links_max:
            self._links.popitem(last=False)

    def forget_all(self) -> None:
        """Let go of every link."""
        self._links.clear()

    def refresh(self, link: Link) -> None:
        """Take over a change of a link that is in memory; others are not drawn in."""
        if link.code in self._links:
            self.remember(link)
