"""How a click is judged, whatever the rules say: every check is asked, in order, and every reason is kept."""

from collections.abc import Callable
from dataclasses import dataclass

from aggregator.judge.named_agents import NamedAgents
from link_events.events import Click
from link_events.reasons import Verdict


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


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict, every reason that matched in the rules' order, and the rules that said so.

    The first reason decided. A counted click has none.
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    rules_version: str


def judge(click: Click, context: Context, rules: Rules) -> Judgement:
    """What `rules` say of `click`. Every reason is hard today: one is enough, and the first decides."""
    answers = (check(click, context) for check in rules.checks)
    reasons = tuple(reason for reason in answers if reason is not None)
    verdict = Verdict.NOT_COUNTED if reasons else Verdict.COUNTED
    return Judgement(verdict, reasons, rules.version)
