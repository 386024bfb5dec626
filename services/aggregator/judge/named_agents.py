"""Bots that give their name, and how a user agent is looked up among them.

Tokens are literal and compared without regard to case: senders, proxies and collections write the same bot as
`WhatsApp/2`, `whatsapp/2` and `SkypeURIPreview`, and no browser differs from a bot by case alone. There are no regular
expressions: a literal costs a fraction of a microsecond, cannot run away, and shows what it matches.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final

USER_AGENTS_REMEMBERED: Final = 8_192
"""Answers kept per process. On 190 000 real clicks 4 096 answered 87 % and 16 384 90 %; 8 192 take some 3 MB."""


class AgentKind(StrEnum):
    """What a named agent fetches links for."""

    LINK_PREVIEW = "link_preview"
    CRAWLER = "crawler"
    AI_AGENT = "ai_agent"
    MONITOR = "monitor"
    HTTP_LIBRARY = "http_library"


@dataclass(frozen=True, slots=True)
class NamedAgent:
    """A bot and the lower-case tokens that give it away: anywhere in a user agent, or only at its start."""

    name: str
    kind: AgentKind
    anywhere: tuple[str, ...]
    at_start: tuple[str, ...]


# Compared and hashed by identity: a process has one list, and the memory below must not hash a hundred entries.
@dataclass(frozen=True, slots=True, eq=False)
class NamedAgents:
    """One version of the list. The first agent that matches names the bot, so the more special stand first."""

    version: str
    agents: tuple[NamedAgent, ...]


@lru_cache(maxsize=USER_AGENTS_REMEMBERED)
def find_agent(named_agents: NamedAgents, user_agent: str) -> NamedAgent | None:
    """The first of `named_agents` whose token `user_agent` holds, or None."""
    # Plain loops: on a person's user agent, which no token matches, generators cost four times as much.
    folded = user_agent.lower()
    for agent in named_agents.agents:
        if folded.startswith(agent.at_start):
            return agent
        for token in agent.anywhere:
            if token in folded:
                return agent
    return None
