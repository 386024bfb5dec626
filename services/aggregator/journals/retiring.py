"""Whether a journal can be retired, and what came of it. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from aggregator.journals.states import JournalState, KnownJournal


class Retirement(StrEnum):
    """What came of retiring a journal; all but the first left everything as it was."""

    RETIRED = "retired"
    RETIRED_BEFORE = "retired_before"
    SEALED = "sealed"
    LIVE = "live"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Retired:
    """One attempt: what came of it, what was known before, and how many holes were closed."""

    ending: Retirement
    known: KnownJournal | None = None
    holes_closed: int = 0


def retirement(known: KnownJournal | None, now: datetime, silent_after: timedelta, *, force: bool) -> Retirement:
    """What is to come of retiring a journal of which that is `known`. A live one needs `force`."""
    if known is None:
        return Retirement.UNKNOWN
    match known.state(now, silent_after):
        case JournalState.SEALED:
            return Retirement.SEALED
        case JournalState.RETIRED:
            return Retirement.RETIRED_BEFORE
        case JournalState.LIVE if not force:
            return Retirement.LIVE
        case _:
            return Retirement.RETIRED
