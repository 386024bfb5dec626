"""From a request to a click. Pure: the instant is an argument, and so is whoever tells clients apart by address."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from link_events.events import (
    LANGUAGE_CHARS_MAX,
    METHOD_CHARS_MAX,
    REFERRER_ORIGIN_CHARS_MAX,
    SIGNAL_CHARS_MAX,
    SIGNAL_HEADERS,
    USER_AGENT_CHARS_MAX,
    Click,
)
from link_events.reasons import LinkState
from redirector.links.link import Link
from redirector.visitors.client import Identify, nobody


@dataclass(frozen=True, slots=True)
class Request:
    """What is looked at of a request. Header names are lower case.

    `peer` is the address that is connected to us. `forwarded_for` is the text of all X-Forwarded-For headers, joined by
    commas.
    """

    method: str
    headers: Mapping[str, str]
    peer: str | None = None
    forwarded_for: str | None = None


def capture_click(
    request: Request,
    link: Link,
    state: LinkState,
    occurred_at: datetime,
    identify: Identify = nobody,
    *,
    self_click: bool = False,
) -> Click:
    """The click that `request` is. `self_click`: it comes from the advocate's own browser.

    Nothing of the client's addresses is in it but what `identify` makes of them.
    """
    headers = request.headers
    whole_agent = clean_text(headers.get("user-agent", ""))
    user_agent = whole_agent[:USER_AGENT_CHARS_MAX] or None
    language = primary_language(headers.get("accept-language", ""))
    client = identify(request.peer, request.forwarded_for, user_agent, language, occurred_at)
    return Click(
        occurred_at=occurred_at,
        link_id=link.link_id,
        code=link.code,
        advocate_id=link.advocate_id,
        link_state=state,
        method=clean_text(request.method)[:METHOD_CHARS_MAX],
        user_agent=user_agent,
        user_agent_cut=len(whole_agent) > USER_AGENT_CHARS_MAX,
        referrer_origin=referrer_origin(headers.get("referer", "")),
        language=language,
        signals={name: clean_text(headers[name])[:SIGNAL_CHARS_MAX] for name in SIGNAL_HEADERS if name in headers},
        networks=client.networks,
        network_key=client.network_key,
        visitor=client.visitor,
        visitor_local=client.visitor_local,
        self_click=self_click,
        test=link.test,
    )


def clean_text(text: str) -> str:
    """`text` without what Postgres cannot store (NUL) and what would forge log lines (other controls)."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def referrer_origin(referrer: str) -> str | None:
    """Scheme and host of a web page's address; its path and query are nobody's business."""
    try:
        parts = urlsplit(referrer)
        host = parts.hostname
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not host:
        return None
    shown = f"[{host}]" if ":" in host else host
    return clean_text(f"{parts.scheme}://{shown}")[:REFERRER_ORIGIN_CHARS_MAX]


def primary_language(accept_language: str) -> str | None:
    """The first language of an Accept-Language header."""
    first = accept_language.split(",", 1)[0].split(";", 1)[0].strip()
    return clean_text(first)[:LANGUAGE_CHARS_MAX] or None
