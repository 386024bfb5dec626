"""What was seen of a fault: the closed set of things that are measured at each strike."""

from collections import Counter
from enum import StrEnum
from typing import Final


class Measure(StrEnum):
    """One of them. What ends in `_ms` is the longest of its kind, everything else is a number of things."""

    KILLED = "processes killed"
    MOVED = "partitions changed hands"
    CUT = "connections cut"
    HELD = "bytes held up"
    SLICES = "slices"
    UNANSWERED = "connections unanswered"
    STUCK = "frozen backends asked something"
    FROZEN_MS = "frozen for_ms"
    WAIT_MS = "request waited_ms"
    """The longest that a request of the load waited."""
    UNKNOWN = "answers never seen"
    REFUSED = "requests refused"
    UNSHIPPED = "events held back in the journal"
    DUPLICATES = "duplicates skipped"
    INTERRUPTIONS = "interruptions of applying"
    FAILURES = "interruptions of shipping"
    REWINDS = "rewinds"


Measures = Counter[Measure]

COUNTERS: Final = {
    Measure.DUPLICATES: "duplicates_skipped",
    Measure.INTERRUPTIONS: "applying_interruptions",
    Measure.FAILURES: "shipping_failures",
    Measure.REWINDS: "shipping_rewinds",
}
"""Those that services count themselves, by their names without prefix and suffix."""


def is_longest(measure: Measure) -> bool:
    """Whether of several the longest is told, and not the sum."""
    return measure.endswith("_ms")
