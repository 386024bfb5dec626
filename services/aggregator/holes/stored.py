"""A hole as it is stored. Values; `store` reads them."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from link_events.identity import Origin, Seq
from link_events.reasons import HoleKind


class HoleState(StrEnum):
    """Whether a hole holds anything back. One that was filled is not there any more."""

    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class StoredHole:
    """Seqs that were skipped, from that of `first` to `seq_to`, captured at `captured_after` or later."""

    first: Origin
    seq_to: Seq
    kind: HoleKind
    captured_after: datetime
    opened_at: datetime
    closed_at: datetime | None
    closed_why: str | None

    @property
    def state(self) -> HoleState:
        """Whether it still holds something back."""
        return HoleState.OPEN if self.closed_at is None else HoleState.CLOSED

    @property
    def seqs(self) -> int:
        """How many seqs it holds."""
        return self.seq_to - self.first.seq + 1
