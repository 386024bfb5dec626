"""What is known of a journal, the state that puts it in, and what of it holds `complete_through` back. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from link_events.identity import JournalId

SILENT_AFTER: Final = timedelta(minutes=1)
"""A dozen heartbeats, unless set otherwise."""

NAMED_MAX: Final = 20
"""Of more journals that hold `complete_through` back, those that do so most are named."""


_INSTANT: Final = timedelta.resolution
"""The least there is: what was captured at the same instant as something that is missing may be missing too."""


class JournalState(StrEnum):
    """What a journal is, as far as its events that were applied tell.

    `sealed`: it said its last word in every partition. `retired`: a person declared it lost, and it has captured
    nothing since.
    """

    LIVE = "live"
    SILENT = "silent"
    SEALED = "sealed"
    RETIRED = "retired"


class HeldBackBy(StrEnum):
    """What of a journal holds `complete_through` back: it says nothing, misses events, or has not come everywhere."""

    SILENT = "silent"
    HOLE = "hole"
    UNHEARD = "unheard"


@dataclass(frozen=True, slots=True)
class KnownJournal:
    """A journal's watermarks and open holes, over all partitions.

    `applied_up_to` is the instant of its least advanced partition that is not sealed. `unheard` partitions have nothing
    of it yet; where there are any, `unheard_after` is the first instant known of it. What is missing of it was captured
    at `missing_after` or later.
    """

    journal: JournalId
    last_captured_at: datetime | None
    applied_up_to: datetime | None = None
    sealed: bool = False
    unheard: int = 0
    unheard_after: datetime | None = None
    missing_seqs: int = 0
    missing_after: datetime | None = None
    retired_at: datetime | None = None
    retired_why: str | None = None
    is_import: bool = False

    @property
    def is_retired(self) -> bool:
        """Whether a person retired it and it has captured nothing since."""
        return self.retired_at is not None and (
            self.last_captured_at is None or self.last_captured_at <= self.retired_at
        )

    @property
    def is_sealed(self) -> bool:
        """Whether it said its last word, and everywhere."""
        return self.sealed and self.unheard == 0

    def state(self, now: datetime, silent_after: timedelta) -> JournalState:
        """Its state as of `now`: silent where it was not heard of for longer than `silent_after`."""
        if self.is_sealed:
            return JournalState.SEALED
        if self.is_retired:
            return JournalState.RETIRED
        heard = self.applied_up_to or self.last_captured_at
        return JournalState.LIVE if heard is not None and now - heard <= silent_after else JournalState.SILENT

    def held_back(self, now: datetime, silent_after: timedelta) -> "HeldBack | None":
        """How it holds `complete_through` back, where by more than `silent_after`: anything less is its heartbeats."""
        if self.bound is None or now - self.bound[0] <= silent_after:
            return None
        return HeldBack(self.journal, self.state(now, silent_after), *self.bound)

    @property
    def bound(self) -> tuple[datetime, HeldBackBy] | None:
        """Up to when everything of it is applied, and what ends there; None where it holds nothing back."""
        return min(self._bounds(), default=None)

    def _bounds(self) -> Iterator[tuple[datetime, HeldBackBy]]:
        if self.missing_after is not None:
            yield self.missing_after, HeldBackBy.HOLE
        if self.is_retired:
            return
        if self.unheard_after is not None:
            yield self.unheard_after, HeldBackBy.UNHEARD
        if self.applied_up_to is not None:
            yield self.applied_up_to, HeldBackBy.SILENT


@dataclass(frozen=True, slots=True)
class HeldBack:
    """A journal that holds `complete_through` back to `since` or earlier, and why."""

    journal: JournalId
    state: JournalState
    since: datetime
    why: HeldBackBy


def complete_through(now: datetime, journals: Iterable[KnownJournal], unattributed: datetime | None = None) -> datetime:
    """The instant up to which all of `journals` have been counted without a hole; never one that is yet to come.

    `unattributed`: when the first was captured of what is applied and waits for the attributor.
    """
    bounds = [now, *(journal.bound[0] for journal in journals if journal.bound is not None)]
    return min(bounds if unattributed is None else [*bounds, unattributed - _INSTANT])


def held_back_by(now: datetime, journals: Iterable[KnownJournal], silent_after: timedelta) -> Sequence[HeldBack]:
    """Which of `journals` hold `complete_through` back by more than `silent_after`, the furthest first."""
    held = [one for journal in journals if (one := journal.held_back(now, silent_after))]
    return sorted(held, key=lambda one: (one.since, one.journal))[:NAMED_MAX]
