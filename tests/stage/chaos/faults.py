"""What is done to a stack: a closed list of kinds, and a sequence of them that follows from a seed alone. Pure."""

import random
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from event_log.settings import EventLogKind


class FaultKind(StrEnum):
    """Each kind of fault."""

    REDIRECTOR_KILL = "redirector_kill"
    REDIRECTOR_FREEZE = "redirector_freeze"
    AGGREGATOR_KILL = "aggregator_kill"
    AGGREGATOR_FREEZE = "aggregator_freeze"
    """For longer than its lease."""
    AGGREGATOR_ZOMBIE = "aggregator_zombie"
    """Likewise, with a batch in its hands that it begins to apply when it wakes."""
    ATTRIBUTOR_FREEZE = "attributor_freeze"
    """For less than its lease, when it has looked at what is marked: others go on, and mark some of it again."""
    BACKEND_KILL = "backend_kill"
    """Of one of Postgres's processes, which makes it throw out all the others and recover."""
    BACKEND_FREEZE = "backend_freeze"
    BACKEND_TERMINATE = "backend_terminate"
    """One session is ended, as an administrator does."""
    POSTMASTER_KILL = "postmaster_kill"
    POSTMASTER_FREEZE = "postmaster_freeze"
    """With every connection cut, so that everybody has to connect anew and nobody can."""
    BROKER_KILL = "broker_kill"
    BROKER_FREEZE = "broker_freeze"
    AFTER_APPEND = "kill_after_append"
    BEFORE_SEND = "kill_before_send"
    AFTER_SEND = "kill_after_send"
    SEGMENT_UNNAMED = "kill_segment_unnamed"
    SEGMENT_ROLL = "kill_segment_roll"
    ADOPTION = "kill_adoption"
    AFTER_COMPARE_AND_SET = "kill_after_compare_and_set"
    BEFORE_COMMIT = "kill_before_commit"
    AFTER_COMMIT = "kill_after_commit"
    AFTER_FACTS = "kill_after_facts"
    IN_ATTRIBUTION = "kill_in_attribution"
    BEFORE_ATTRIBUTION_COMMIT = "kill_before_attribution_commit"
    POSTGRES_DELAY = "postgres_delay"
    POSTGRES_CUT = "postgres_cut"
    POSTGRES_BLACK_HOLE = "postgres_black_hole"
    POSTGRES_SLICE = "postgres_slice"
    KAFKA_DELAY = "kafka_delay"
    KAFKA_CUT = "kafka_cut"
    KAFKA_BLACK_HOLE = "kafka_black_hole"
    KAFKA_SLICE = "kafka_slice"


OF_KAFKA: Final = frozenset(kind for kind in FaultKind if kind.startswith(("broker_", "kafka_")))
"""What can only be done where there is a Kafka."""

SECONDS: Final = (0.5, 2.0)
"""How long a fault lasts that lasts at all, at least and at most. One that has to outlast something adds that."""

LULL_SECONDS: Final = (0.2, 1.0)
"""How long there is peace before it."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One strike, after `lull_s` of peace. `pick` chooses among what is there then: a victim, a variant."""

    number: int
    kind: FaultKind
    lull_s: float
    seconds: float
    pick: int

    def choose(self, count: int) -> int:
        """One of so many."""
        return self.pick % count


def kinds_for(log: EventLogKind) -> frozenset[FaultKind]:
    """Every kind that can be done to a stack on `log`."""
    return frozenset(FaultKind) - (frozenset() if log is EventLogKind.KAFKA else OF_KAFKA)


def schedule(seed: int, kinds: Collection[FaultKind]) -> Iterator[Fault]:
    """Faults without end. Each kind comes once before any comes again; all else is the seed's."""
    rng = random.Random(seed)
    bag: list[FaultKind] = []
    number = 0
    while True:
        if not bag:
            bag = sorted(kinds)
            rng.shuffle(bag)
        number += 1
        lull_s, seconds = round(rng.uniform(*LULL_SECONDS), 3), round(rng.uniform(*SECONDS), 3)
        yield Fault(number, bag.pop(), lull_s, seconds, rng.randrange(2**16))
