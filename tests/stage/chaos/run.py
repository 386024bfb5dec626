"""One run of chaos: a stack, a load, a nemesis, and the verdict."""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from event_log.settings import EventLogKind
from stage.chaos.cluster import Ground, issued_codes, made_key, opened_cluster
from stage.chaos.fates import Fate
from stage.chaos.faults import FaultKind, kinds_for, schedule
from stage.chaos.guards import Guard
from stage.chaos.load import Load
from stage.chaos.looking import drain, look
from stage.chaos.measures import COUNTERS, Measure, Measures
from stage.chaos.nemesis import Nemesis, Struck
from stage.chaos.report import table
from stage.chaos.verdict import Violation, Wrong, violations

VIOLATIONS_SHOWN: Final = 20
STRIKES_PER_FELT_MAX: Final = 3


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done: for `seconds`, and until each kind was felt `strikes_min` times.

    A kind that struck STRIKES_PER_FELT_MAX times as often is not waited for any longer.

    `kinds`: all that the log allows, unless some are named. `off`: guards that are switched off, in a test build.
    `workers`: how many processes the redirector has.
    """

    log: EventLogKind
    seed: int
    seconds: float
    strikes_min: int = 0
    kinds: frozenset[FaultKind] = frozenset()
    off: tuple[Guard, ...] = ()
    workers: int = 1

    @property
    def all_kinds(self) -> frozenset[FaultKind]:
        """The kinds of fault that strike."""
        return self.kinds or kinds_for(self.log)

    def goes_on(self, passed_s: float, done: Sequence[Struck]) -> bool:
        """Whether there is more to be done."""
        struck = Counter(one.fault.kind for one in done)
        felt = Counter(one.fault.kind for one in done if one.felt)
        return passed_s < self.seconds or any(
            felt[kind] < self.strikes_min and struck[kind] < STRIKES_PER_FELT_MAX * self.strikes_min
            for kind in self.all_kinds
        )

    def replay(self) -> str:
        """The command that does the same again."""
        minutes = f"MINUTES={self.seconds / 60:g}"
        return f"make chaos {minutes} SEED={self.seed} LOG={self.log} FAULTS={self.strikes_min} WORKERS={self.workers}"


@dataclass(slots=True)
class Outcome:
    """What it came to."""

    plan: Plan
    directory: Path
    struck: Sequence[Struck] = ()
    fates: Counter[Fate] = field(default_factory=Counter)
    stored: Counter[str] = field(default_factory=Counter)
    violations: Sequence[Violation] = ()

    @property
    def totals(self) -> Measures:
        """What services counted themselves, of all strikes together."""
        return Measures({measure: sum(one.measures[measure] for one in self.struck) for measure in COUNTERS})

    def wrongs(self) -> set[Wrong]:
        """Every kind of thing that is wrong."""
        return {violation.wrong for violation in self.violations}

    def __str__(self) -> str:
        fates = ", ".join(f"{self.fates[fate]:,} {fate}" for fate in Fate)
        stored = ", ".join(f"{count:,} {what}" for what, count in self.stored.items())
        lines = [
            f"Chaos on {self.plan.log}, seed {self.plan.seed}; again: {self.plan.replay()}",
            "",
            table(self.struck),
            "",
            f"Requests: {fates}. Stored of them: {stored}.",
            "Counted by the services: " + ", ".join(f"{name} {count:,}" for name, count in self.totals.items()) + ".",
        ]
        if not self.violations:
            return "\n".join([*lines, "Nothing lost, nothing doubled, nothing else amiss."])
        shown = [f"  {violation}" for violation in self.violations[:VIOLATIONS_SHOWN]]
        more = len(self.violations) - len(shown)
        lines += [f"{len(self.violations)} things are wrong:", *shown, f"  and {more} more" if more else ""]
        return "\n".join([*lines, f"Fates, timeline and logs are in {self.directory}."])


async def run_chaos(
    plan: Plan, directory: Path, ground: Ground, tell: Callable[[Struck], None] = lambda _: None
) -> Outcome:
    """Do what `plan` says to a fresh stack on `ground`, and say what it came to. `tell` hears of each strike."""
    outcome = Outcome(plan, directory)
    async with opened_cluster(directory, ground, plan.off, plan.workers) as cluster:
        key = await made_key(cluster)
        codes = await issued_codes(cluster, key)
        cluster.start_load(Load(cluster.redirector.port, codes, str(cluster.fates.directory), key))
        nemesis = Nemesis(cluster, schedule(plan.seed, plan.all_kinds), tell)
        wrong: list[Violation] = []
        try:
            await nemesis.rage(plan.goes_on)
        except AssertionError as error:
            wrong.append(Violation(Wrong.UNWELL, str(error)))
        await asyncio.to_thread(cluster.stop_load)
        await cluster.heal()
        found = await look(cluster, await drain(cluster))
        outcome.struck = nemesis.struck
        outcome.fates = Counter(told.fate for told in found.fates)
        outcome.stored = found.counted()
        outcome.violations = [*wrong, *violations(found), *_unless_bitten(plan, outcome)]
    return outcome


def _unless_bitten(plan: Plan, outcome: Outcome) -> Collection[Violation]:
    """Whether the faults have reached what they are meant to test."""
    on_kafka = plan.log is EventLogKind.KAFKA
    signs = [Measure.DUPLICATES] if on_kafka else [Measure.INTERRUPTIONS, Measure.FAILURES, Measure.REWINDS]
    missing = []
    if not any(outcome.totals[measure] for measure in signs):
        missing.append(f"none of {', '.join(signs)}")
    if not outcome.fates[Fate.ACCEPTED]:
        missing.append("no request was accepted")
    return [Violation(Wrong.NOT_BITTEN, what) for what in missing]
