"""What has to be true of a stack's numbers after everything that was done to it. Pure: it looks at what was found."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from typing import Final

from link_events.identity import EventId
from stage.chaos.fates import NO_STATUS, Fate, RequestId, Told

EXPECTED: Final = frozenset({HTTPStatus.FOUND, HTTPStatus.ACCEPTED, HTTPStatus.SERVICE_UNAVAILABLE, NO_STATUS})
"""What a request may be answered, or not be."""

REPORTED: Final = {"v": "conversions", "r": "reversals"}
"""By the letter that a report's id begins with (stage.chaos.buying). All other requests are clicks."""


class Wrong(StrEnum):
    """What can be wrong."""

    LOST = "lost"
    """A request was accepted, and there is no event of it."""
    DOUBLED = "doubled"
    """There are several events of one request."""
    REFUSED = "refused"
    """A request was refused, and there is an event of it."""
    STRANGER = "stranger"
    """There is an event of no request."""
    ANSWER = "answer"
    """A request was answered neither 302 nor 202 nor 503."""
    DRIFT = "drift"
    """Counts are not what raw clicks, credits and activities add up to."""
    HOLDER = "holder"
    """A conversion does not stand for its key as the first of its events, or a key has none."""
    CREDIT = "credit"
    """A conversion's state or credits are not what they come to when they are reckoned once more."""
    MARKED = "marked"
    """A conversion is to be attributed, however long one waits."""
    HOLE = "hole"
    """Seqs are missing."""
    DEAD_LETTER = "dead_letter"
    """A record could not be applied."""
    STOPPED = "stopped"
    """A partition stands still."""
    LAG = "lag"
    """Something in the log is not applied, however long one waits."""
    UNSHIPPED = "unshipped"
    """Something in the journal is not in the log, however long one waits."""
    ENDED = "ended"
    """A service ended although nobody had killed it."""
    UNWELL = "unwell"
    """The stack did not work again after a fault was over."""
    NOT_BITTEN = "not_bitten"
    """Nothing was sent again, rolled back or connected anew: these faults have tested nothing."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that is wrong, and enough of it to begin looking."""

    wrong: Wrong
    what: str

    def __str__(self) -> str:
        return f"{self.wrong}: {self.what}"


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """A click, conversion or reversal that is stored, and the request that it is of."""

    event: EventId
    request: RequestId | None


@dataclass(frozen=True, slots=True)
class Found:
    """What a stack holds after it was healed, in the order in which `violations` speaks of it."""

    fates: Sequence[Told]
    stored: Sequence[StoredEvent]
    others: Mapping[Wrong, Sequence[str]] = field(default_factory=dict)

    def counted(self) -> Counter[str]:
        """How many of each kind are stored."""
        return Counter(REPORTED.get((one.request or "")[:1], "clicks") for one in self.stored)


def violations(found: Found) -> Sequence[Violation]:
    """Everything that is wrong; nothing where all is well."""
    return [*_of_requests(found.fates, found.stored), *_of_others(found.others)]


def _of_requests(fates: Sequence[Told], stored: Sequence[StoredEvent]) -> Iterable[Violation]:
    events_of: defaultdict[RequestId | None, list[EventId]] = defaultdict(list)
    for one in stored:
        events_of[one.request].append(one.event)
    known = {told.request for told in fates}
    for told in fates:
        events = events_of.get(told.request, [])
        what = f"request {told.request} ({told.fate} after {told.waited_s:.3f} s), events {events}"
        if told.fate is Fate.ACCEPTED and not events:
            yield Violation(Wrong.LOST, what)
        if told.fate is Fate.REFUSED and events:
            yield Violation(Wrong.REFUSED, what)
        if len(events) > 1:
            yield Violation(Wrong.DOUBLED, what)
        if told.status not in EXPECTED:
            yield Violation(Wrong.ANSWER, f"request {told.request} was answered {told.status}")
    for request, events in events_of.items():
        if request not in known:
            yield Violation(Wrong.STRANGER, f"events {events} name request {request}")


def _of_others(others: Mapping[Wrong, Sequence[str]]) -> Iterable[Violation]:
    for wrong, lines in others.items():
        for line in lines:
            yield Violation(wrong, line)
