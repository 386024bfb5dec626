"""The list of named agents is sound: each entry is told by its tokens, and by no entry before it."""

import json
import re
from importlib import resources
from typing import Any, Final

import pytest

from aggregator.judge.list_file import LIST_FILE, load_named_agents
from aggregator.judge.named_agents import AgentKind, find_agent

LISTED: Final = json.loads(resources.files("aggregator.judge").joinpath(LIST_FILE).read_text(encoding="utf-8"))
ENTRIES: Final[list[dict[str, Any]]] = LISTED["agents"]
AGENTS: Final = load_named_agents()


def _name(entry: dict[str, Any]) -> str:
    return str(entry["name"])


def test_the_list_has_the_version_of_its_file() -> None:
    """A list is found by its version, and a version names one list."""
    assert f"named_agents.v{AGENTS.version}.json" == LIST_FILE


@pytest.mark.parametrize("entry", ENTRIES, ids=_name)
def test_an_agent_is_told_by_its_own_example(entry: dict[str, Any]) -> None:
    """No entry is dead, and none is hidden behind another."""
    found = find_agent(AGENTS, entry["example"])
    assert found is not None
    assert found.name == entry["name"]


@pytest.mark.parametrize("entry", ENTRIES, ids=_name)
def test_an_entry_is_sound(entry: dict[str, Any]) -> None:
    """Its name can stand in a reason, its keys are known, and its tokens mean something."""
    anywhere, at_start = entry.get("anywhere", []), entry.get("at_start", [])
    assert entry.keys() <= {"name", "kind", "anywhere", "at_start", "example"}
    # `named_bot:<name>` is a column value and a metric label.
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,40}", entry["name"])
    assert all(token.isascii() for token in anywhere + at_start)
    # What is looked for anywhere may stand inside other words; shorter tokens hit phones.
    assert all(len(token) >= 6 for token in anywhere)


def test_no_two_agents_share_a_name() -> None:
    """A reason names one agent."""
    assert len({entry["name"] for entry in ENTRIES}) == len(ENTRIES)


def test_each_kind_is_on_the_list() -> None:
    """Previews, crawlers, AI agents, monitors and HTTP libraries."""
    assert {entry["kind"] for entry in ENTRIES} == set(AgentKind)


def test_a_token_for_the_start_is_looked_for_only_there() -> None:
    """`WhatsApp/` at the start is the preview; later it is the app in which a person reads."""
    assert find_agent(AGENTS, "WhatsApp/2.23.20.0 A") is not None
    assert find_agent(AGENTS, "Mozilla/5.0 (iPhone) Mobile/15E148 WhatsApp/2.23.20.0") is None


@pytest.mark.parametrize("user_agent", ["", " ", "Mozilla/5.0", "\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}" * 512])
def test_what_names_nobody_finds_nobody(user_agent: str) -> None:
    """Nothing, next to nothing, and letters that grow when they are folded."""
    assert find_agent(AGENTS, user_agent) is None
