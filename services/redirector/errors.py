"""What the redirector refuses or cannot do.

    RedirectorError
    ├── UnknownAdvocateError       the caller's fault: 422
    ├── CodeTakenError             the caller's fault: 409
    ├── ImportRefusedError         the caller's fault: 422
    ├── ImportRunningError         ask again later: 409
    ├── BadClickIdError            the caller's fault: 422, or that row's answer
    └── KeyAwayError               ask again later: 503

A full journal is redirector.journal.journal.JournalFullError, an outage database.pool.DatabaseAwayError.
"""

from link_events.click_ids import ClickIdOutcome
from link_events.identity import AdvocateId


class RedirectorError(Exception):
    """The root of the tree above."""


class UnknownAdvocateError(RedirectorError):
    """A link was asked for an advocate that nobody put."""

    def __init__(self, advocate_id: AdvocateId) -> None:
        super().__init__(f"there is no advocate {advocate_id!r}; PUT /v1/advocates/{advocate_id} first")


class CodeTakenError(RedirectorError):
    """An alias belongs to another link."""

    def __init__(self, code: str) -> None:
        super().__init__(f"{code!r} is taken by another link")


class ImportRefusedError(RedirectorError):
    """A file cannot be imported at all; the message says why."""


class ImportRunningError(RedirectorError):
    """The same file is being imported right now."""


class BadClickIdError(RedirectorError):
    """A click is named by what is no valid click id: where it stands among those given, and what it was found to be."""

    def __init__(self, index: int, outcome: ClickIdOutcome) -> None:
        super().__init__(f"click id {index} is {outcome}")
        self.index = index
        self.outcome = outcome


class KeyAwayError(RedirectorError):
    """A key was never heard of, or whether there is a newer one cannot be told now. The message names the key."""
