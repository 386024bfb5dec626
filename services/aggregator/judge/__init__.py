"""What a click is worth: a pure function of the stored click, its context and the rules.

No driver, no clock, no randomness: the same three values give the same judgement, live, rebuilt and re-judged.
Only `list_file` touches the disk, once, when the process starts.
"""

from aggregator.judge.judgement import Check, Context, Judgement, Rules, judge
from aggregator.judge.list_file import load_named_agents
from aggregator.judge.named_agents import AgentKind, NamedAgent, NamedAgents
from aggregator.judge.plain_rules import PLAIN_RULES
from aggregator.judge.slots import Place, Repeats, Slot, contends, judge_slot, repeated, slot_of

__all__ = [
    "PLAIN_RULES",
    "AgentKind",
    "Check",
    "Context",
    "Judgement",
    "NamedAgent",
    "NamedAgents",
    "Place",
    "Repeats",
    "Rules",
    "Slot",
    "contends",
    "judge",
    "judge_slot",
    "load_named_agents",
    "repeated",
    "slot_of",
]
