"""Reads the list of named agents that is shipped with the rules. Called once, where a process is built."""

import json
from importlib import resources
from typing import Any, Final

from aggregator.judge.named_agents import AgentKind, NamedAgent, NamedAgents

LIST_FILE: Final = "named_agents.v1.json"
"""A released list never changes: another list is another file, and another version of the rules."""


def load_named_agents() -> NamedAgents:
    """The list that `PLAIN_RULES` go with."""
    listed = json.loads(resources.files(__package__).joinpath(LIST_FILE).read_text(encoding="utf-8"))
    return NamedAgents(listed["version"], tuple(_agent(entry) for entry in listed["agents"]))


def _agent(entry: dict[str, Any]) -> NamedAgent:
    return NamedAgent(
        name=entry["name"],
        kind=AgentKind(entry["kind"]),
        anywhere=_folded(entry.get("anywhere", [])),
        at_start=_folded(entry.get("at_start", [])),
    )


def _folded(tokens: list[str]) -> tuple[str, ...]:
    return tuple(token.lower() for token in tokens)
