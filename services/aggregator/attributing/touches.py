"""What a click is to the conversion that names it, and what is stored of that. Pure."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from link_events.identity import AdvocateId, EventPlace, LinkId, Origin
from link_events.reasons import Earning, Reason, TouchOutcome, Verdict
from link_events.streams import Stream


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


def place_of(row: Any) -> EventPlace:
    """Where the event of a row was journaled."""
    return EventPlace(row["journal"], row["partition"], row["seq"])


def click_of(row: Any) -> EventPlace:
    """The click that a row of `conversion_touch` names."""
    return EventPlace(row["click_journal"], row["click_partition"], row["click_seq"])


def touch_of(row: Any) -> Touch:
    """A row of `conversion_touch`."""
    facts = None if row["clicked_at"] is None else facts_of(row, row["clicked_at"])
    return Touch(click_of(row).in_stream(Stream.CLICKS), row["click_on"], facts)


def facts_of(row: Any, clicked_at: datetime) -> TouchFacts:
    """What a row of `conversion_touch` or of `click` knows of a click of that instant."""
    return TouchFacts(
        clicked_at=clicked_at,
        day=row["local_day"],
        advocate_id=row["advocate_id"],
        link_id=row["link_id"],
        verdict=Verdict(row["verdict"]),
        reasons=tuple(row["reasons"]),
        self_click=row["self_click"],
        test=row["test"],
    )


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
