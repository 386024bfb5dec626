"""What a run has come to, as a person reads it: also the form in which docs/benchmarks.md keeps it."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from stage.chaos.faults import FaultKind
from stage.chaos.measures import Measure, Measures, is_longest
from stage.chaos.nemesis import Struck


def table(struck: Sequence[Struck]) -> str:
    """Each kind: how often it struck, how often that was felt, how long it took to be well again, and the evidence."""
    return "\n".join(_rows(struck))


def _rows(struck: Sequence[Struck]) -> Iterator[str]:
    yield "| fault | struck | felt | s each | evidence |"
    yield "|---|---|---|---|---|"
    by_kind: defaultdict[FaultKind, list[Struck]] = defaultdict(list)
    for one in struck:
        by_kind[one.fault.kind].append(one)
    for kind in (kind for kind in FaultKind if kind in by_kind):
        strikes = by_kind[kind]
        felt = sum(one.felt for one in strikes)
        seconds = sum(one.took_s for one in strikes) / len(strikes)
        yield f"| {kind} | {len(strikes)} | {felt} | {seconds:.1f} | {_evidence(strikes)} |"
    seconds = sum(one.took_s for one in struck) / max(1, len(struck))
    yield f"| all | {len(struck)} | {sum(one.felt for one in struck)} | {seconds:.1f} | |"


def _evidence(strikes: Sequence[Struck]) -> str:
    seen = [one.measures for one in strikes]
    parts = [_told(measure, seen) for measure in Measure if any(measures[measure] for measures in seen)]
    return "; ".join(parts)


def _told(measure: Measure, seen: Sequence[Measures]) -> str:
    if is_longest(measure):
        return f"{measure.removesuffix('_ms')} {max(measures[measure] for measures in seen):,} ms at most"
    return f"{measure} {sum(measures[measure] for measures in seen):,}"
