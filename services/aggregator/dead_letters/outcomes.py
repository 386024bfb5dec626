"""What came of an attempt to close a dead letter. Closed, like every set of words that people meet."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from aggregator.dead_letters.stored import DeadLetterState


class Ending(StrEnum):
    """How it ended; all but the first two left everything as it was."""

    REPLAYED = "replayed"
    DISCARDED = "discarded"
    CLOSED_BEFORE = "closed_before"
    STILL_DEAD = "still_dead"
    NO_ORIGIN = "no_origin"
    UNKNOWN = "unknown"


FAILURES: Final = frozenset({Ending.STILL_DEAD, Ending.NO_ORIGIN, Ending.UNKNOWN})
"""What was wanted is not so now. That it was so before is no failure."""

NO_ORIGIN_SENTENCE: Final = (
    "cannot be replayed: it has no readable origin, so nothing says whose event it is or if it was counted; "
    "it can only be discarded"
)

_BEFORE: Final = {
    DeadLetterState.FILLED: "its hole is closed: a good copy came and is counted, or the hole was given up by hand",
    DeadLetterState.REPLAYED: "was replayed before",
    DeadLetterState.DISCARDED: "was discarded before",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """One attempt. `sentence` goes on after the dead letter's id."""

    dead_letter_id: int
    ending: Ending
    sentence: str

    @property
    def failed(self) -> bool:
        """Whether it ended in one of FAILURES."""
        return self.ending in FAILURES


def closed_before(dead_letter_id: int, state: DeadLetterState) -> Outcome:
    """Nothing was to be done any more."""
    return Outcome(dead_letter_id, Ending.CLOSED_BEFORE, f"nothing to do: {_BEFORE[state]}")


def unknown(dead_letter_id: int) -> Outcome:
    """There is none of that id."""
    return Outcome(dead_letter_id, Ending.UNKNOWN, "there is no such dead letter")
