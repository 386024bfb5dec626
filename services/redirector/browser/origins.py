"""From which page a browser reports. Pure.

Browsers say so truly; whoever writes requests by hand says what they like. So this keeps foreign pages out, and nobody
else: what bounds those is the rest of docs/adr/0021-an-intake-without-a-key.md.
"""

from typing import Final

from ada_url import URL

_OF_NO_PAGE: Final = "null"
"""The origin of a page that has none of its own, or keeps it to itself."""


def asking_origin(origin: str | None, referrer: str | None) -> str | None:
    """The origin of the page that asks, written as browsers do (`https://shop.example.com`); None where it is not told.

    `origin` is that header's value. A picture is asked for without it: then the page's address, in `referrer`, says so.
    """
    told = _origin_of(referrer) if origin is None else origin
    return None if told == _OF_NO_PAGE else told


def _origin_of(referrer: str | None) -> str | None:
    try:
        return URL(referrer or "").origin
    except ValueError:
        return None
