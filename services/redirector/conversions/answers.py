"""What is answered to each row that is reported."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from link_events.identity import EventId
from redirector.rows import Fault


class Answer(StrEnum):
    """What a row is found to be."""

    RECEIVED = "received"
    """It is journaled. What becomes of it is the aggregator's to say."""
    INVALID = "invalid"
    """It is none that could be taken, now or ever."""
    BAD_SIGNATURE = "bad_signature"
    """It names a click by an id that is none of ours."""


@dataclass(frozen=True, slots=True)
class Received:
    """The row is journaled, as this event."""

    event_id: EventId

    answer = Answer.RECEIVED

    def shown(self) -> dict[str, Any]:
        """As it is answered."""
        return {"status": self.answer, "event_id": self.event_id}


@dataclass(frozen=True, slots=True)
class Refused:
    """The row is not taken; nothing of it is kept."""

    answer: Answer
    faults: Sequence[Fault]

    def shown(self) -> dict[str, Any]:
        """As it is answered among other rows: with the first fault."""
        field, detail = self.faults[0]
        return {"status": self.answer, "field": field or "row", "detail": detail}


RowAnswer = Received | Refused


class RefusedRowError(Exception):
    """A row that is refused."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused)
        self.refused = refused


def invalid(field: str, detail: str) -> RefusedRowError:
    """A row is refused for one field."""
    return RefusedRowError(Refused(Answer.INVALID, [Fault(field, detail)]))
