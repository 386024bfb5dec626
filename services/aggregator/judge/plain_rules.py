"""The first rules: what a click says about itself that makes it no person's click, or no one else's.

Whether it repeats another is asked of those that count by these (`slots`), for that takes more than the click. Each
check takes a click and its context and returns the reason that matched, or None. `PLAIN_RULES` is the list to
read first. A change to a check, to the order or to the named agents needs a new version.
"""

from typing import Final

from aggregator.judge.judgement import Context, Rules
from aggregator.judge.named_agents import find_agent
from link_events.events import Click
from link_events.reasons import LinkState, Reason

PREFETCH_HEADERS: Final = frozenset({"sec-purpose", "purpose", "x-moz"})
PREFETCH_WORDS: Final = ("prefetch", "prerender")
PREVIEW_HEADERS: Final = frozenset({"x-purpose", "purpose"})
PREVIEW_WORDS: Final = ("preview",)


def inactive_link(click: Click, _context: Context) -> str | None:
    """The link was disabled or expired: nobody was redirected."""
    return None if click.link_state is LinkState.ACTIVE else Reason.INACTIVE_LINK


def method_head(click: Click, _context: Context) -> str | None:
    """A HEAD asks where a link leads and does not go there."""
    return Reason.METHOD_HEAD if click.method == "HEAD" else None


def method_other(click: Click, _context: Context) -> str | None:
    """Following a link is a GET. Methods are case-sensitive (RFC 9110 §9.1)."""
    return None if click.method in ("GET", "HEAD") else Reason.METHOD_OTHER


def prefetch(click: Click, _context: Context) -> str | None:
    """The browser fetched ahead, without its person having clicked."""
    return Reason.PREFETCH if _says(click, PREFETCH_HEADERS, PREFETCH_WORDS) else None


def preview_header(click: Click, _context: Context) -> str | None:
    """The browser or the app drew a preview: Safari's top sites, Facebook's app."""
    return Reason.PREVIEW_HEADER if _says(click, PREVIEW_HEADERS, PREVIEW_WORDS) else None


def user_agent_missing(click: Click, _context: Context) -> str | None:
    """Every browser names itself. A name of blanks is none."""
    return None if (click.user_agent or "").strip() else Reason.USER_AGENT_MISSING


def named_bot(click: Click, context: Context) -> str | None:
    """The client gives the name of a known bot, which the reason repeats."""
    agent = find_agent(context.named_agents, click.user_agent or "")
    return None if agent is None else f"{Reason.NAMED_BOT}:{agent.name}"


def self_click(click: Click, _context: Context) -> str | None:
    """The advocate's own: it came with the cookie that the redirector had signed for them."""
    return Reason.SELF_CLICK if click.self_click else None


def marked_test(click: Click, _context: Context) -> str | None:
    """The link, or the click, is somebody's test."""
    return Reason.TEST if click.test else None


PLAIN_RULES: Final = Rules(
    version="plain-2",
    checks=(
        inactive_link,
        method_head,
        method_other,
        prefetch,
        preview_header,
        user_agent_missing,
        named_bot,
        self_click,
        marked_test,
    ),
)


def _says(click: Click, headers: frozenset[str], words: tuple[str, ...]) -> bool:
    """Whether one of `headers` holds one of `words`, in any case."""
    # Nearly every click carries none of these headers: this look is all it pays.
    if headers.isdisjoint(click.signals):
        return False
    values = [click.signals[header].lower() for header in headers if header in click.signals]
    return any(word in value for value in values for word in words)
