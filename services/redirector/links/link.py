"""A link, as a value. Pure."""

from dataclasses import dataclass
from datetime import datetime

from link_events.identity import AdvocateId, Code, LinkId
from link_events.reasons import LinkState


@dataclass(frozen=True, slots=True)
class LinkFields:
    """What a caller says of a link to be."""

    advocate_id: AdvocateId
    destination: str
    channel: str | None = None
    content_id: str | None = None
    category: str | None = None
    campaign: str | None = None
    tags: tuple[str, ...] = ()
    expires_at: datetime | None = None
    test: bool = False
    click_id: bool | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """A short link. Code and advocate are for ever; `change` numbers its last change.

    `click_id` says whether redirects carry one; None leaves it to the programme.
    """

    link_id: LinkId
    code: Code
    advocate_id: AdvocateId
    destination: str
    channel: str | None
    content_id: str | None
    category: str | None
    campaign: str | None
    tags: tuple[str, ...]
    test: bool
    expires_at: datetime | None
    disabled_at: datetime | None
    created_at: datetime
    change: int
    click_id: bool | None = None

    def state_at(self, instant: datetime) -> LinkState:
        """What the link is at `instant`."""
        if self.disabled_at is not None:
            return LinkState.DISABLED
        if self.expires_at is not None and instant >= self.expires_at:
            return LinkState.EXPIRED
        return LinkState.ACTIVE
