"""What a click is to the conversion that names it. Pure."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from link_events.identity import AdvocateId, JournalId, LinkId, Origin, Seq
from link_events.reasons import Earning, Reason, TouchOutcome, Verdict
from link_events.streams import Partition

ClickName = tuple[JournalId, Partition, Seq]
"""A click by what it is called, as credits and touches are ordered where their instants are the same."""


@dataclass(frozen=True, slots=True)
class TouchFacts:
    """What is known of a click that was found: when, whose, and how it is judged."""

    clicked_at: datetime
    day: date
    advocate_id: AdvocateId
    link_id: LinkId
    verdict: Verdict
    reasons: tuple[str, ...]
    self_click: bool
    test: bool


@dataclass(frozen=True, slots=True)
class Touch:
    """A click that a conversion names, and what is known of it. None: it was not found, or not yet."""

    click: Origin
    click_on: date
    facts: TouchFacts | None = None

    @property
    def name(self) -> ClickName:
        """The click's name."""
        return self.click.journal, self.click.partition, self.click.seq


def outcome_of(touch: Touch, occurred_at: datetime, window: timedelta, earning: Earning) -> TouchOutcome:
    """What a touch is to a conversion of that instant. The window ends just before its length is over."""
    facts = touch.facts
    if facts is None:
        return TouchOutcome.UNKNOWN
    if facts.self_click:
        return TouchOutcome.SELF
    if occurred_at < facts.clicked_at:
        return TouchOutcome.PRECEDES_CLICK
    if occurred_at - facts.clicked_at >= window:
        return TouchOutcome.OUTSIDE_WINDOW
    return TouchOutcome.EARNS if _may_earn(facts, earning) else TouchOutcome.NOT_COUNTED


def _may_earn(facts: TouchFacts, earning: Earning) -> bool:
    if facts.test:
        return False
    match earning:
        case Earning.COUNTED:
            return facts.verdict is Verdict.COUNTED
        case Earning.REPEATS:
            return facts.verdict is Verdict.COUNTED or facts.reasons == (Reason.REPEAT,)
        case Earning.ANY:
            return True
