"""How a click is judged, whatever the rules say: every check is asked, in order, and every reason is kept."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from aggregator.judge.named_agents import NamedAgents
from link_events.events import Click
from link_events.reasons import Verdict
from link_events.values import value


@dataclass(frozen=True, slots=True)
class Context:
    """What a judgement needs beside the click itself, as it was when the click happened."""

    named_agents: NamedAgents


Check = Callable[[Click, Context], str | None]
"""One question about a click, named by its function: the reason it found (a `Reason`, or `reason:name`), or None."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What is asked of every click, in this order, under one version."""

    version: str
    checks: tuple[Check, ...]


@value(frozen=True, slots=True)
class Judgement:
    """The verdict, every reason that matched in the rules' order, and the rules that said so.

    The first reason decided. A counted click has none.
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    rules_version: str


def judge(click: Click, context: Context, rules: Rules) -> Judgement:
    """What `rules` say of `click`. Every reason is hard today: one is enough, and the first decides."""
    reasons = []
    for check in rules.checks:  # a plain loop: a generator cost as much again as the checks
        reason = check(click, context)
        if reason is not None:
            reasons.append(reason)
    return _judgement(tuple(reasons), rules.version)


@lru_cache(maxsize=1024)  # one value for all clicks that are judged alike, and nearly all are
def _judgement(reasons: tuple[str, ...], rules_version: str) -> Judgement:
    return Judgement(Verdict.NOT_COUNTED if reasons else Verdict.COUNTED, reasons, rules_version)
