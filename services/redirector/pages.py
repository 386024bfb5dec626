"""The small pages people see where a link leads nowhere or marks their browser, and robots.txt."""

from http import HTTPStatus
from typing import Final

from link_events.identity import AdvocateId

ROBOTS_TXT: Final = "User-agent: *\nAllow: /\n"
"""Previews on social posts are made by crawlers: shut out, they show a bare address or call the link broken."""

_PAGE: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>body{{font:1.1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:18vh auto;padding:0 1.5rem}}</style>
<h1>{title}</h1>
<p>{text}</p>
</html>
"""

_TEXTS: Final = {
    HTTPStatus.NOT_FOUND: (
        "There is no such link",
        "Please check the address: capital and small letters differ. If somebody sent it to you, ask them again.",
    ),
    HTTPStatus.GONE: (
        "This link has ended",
        "It was switched off, or its time is over. If somebody sent it to you, ask them for a newer one.",
    ),
    HTTPStatus.TOO_MANY_REQUESTS: (
        "One moment, please",
        "From your network many links were asked for that there are not. Please try again in a few seconds.",
    ),
    HTTPStatus.SERVICE_UNAVAILABLE: (
        "One moment, please",
        "This link cannot be looked up right now. Please try again in a few seconds.",
    ),
}

SELF_LINK_REFUSED: Final = _PAGE.format(
    title="This link does not work",
    text="It works for a few minutes only, and those are over, or part of it is missing."
    " Please go back to where you found it, and let a new one be made.",
)


PAGES: Final = {status: _PAGE.format(title=title, text=text) for status, (title, text) in _TEXTS.items()}


def marked_page(advocate_id: AdvocateId) -> str:
    """What an advocate sees when their browser was marked. An id holds nothing that HTML would take for its own."""
    return _PAGE.format(
        title="This browser is yours",
        text=f"From now on, clicks with it on the links of {advocate_id} are known to be your own: they are kept and"
        " never counted. A cookie remembers that for half a year, unless you delete it or somebody else opens such a"
        " link in this browser.",
    )
