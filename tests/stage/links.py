"""Links as values, for tests that need no database."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from link_events.identity import AdvocateId, Code, LinkId
from redirector.links.link import Link

PLAIN_LINK: Final = Link(
    link_id=LinkId(4711),
    code=Code("kB7xQ2mT"),
    advocate_id=AdvocateId("ada.lovelace"),
    destination="https://www.example.com/",
    channel=None,
    content_id=None,
    category=None,
    campaign=None,
    tags=(),
    test=False,
    expires_at=None,
    disabled_at=None,
    created_at=datetime(2022, 2, 1, tzinfo=UTC),
    change=1,
)
"""A link that is on."""


def link(**fields: Any) -> Link:
    """PLAIN_LINK, but for these fields."""
    return replace(PLAIN_LINK, **fields)
