"""What a conversion still waits for follows from its state, its touches and the time."""

from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import pytest

from aggregator.attributing.touches import TouchFacts
from aggregator.explaining.explained import ExplainedTouch, WaitsFor, waits_for
from link_events.identity import AdvocateId, JournalId, LinkId, Origin, Seq
from link_events.reasons import ConversionState, TouchOutcome, Verdict
from link_events.streams import Partition, Stream

NOW: Final = datetime(2026, 11, 26, 12, tzinfo=UTC)
DAY: Final = date(2026, 11, 26)
CLICK: Final = Origin(JournalId(b"journal1"), Stream.CLICKS, Partition(7), Seq(42))
FACTS: Final = TouchFacts(NOW, DAY, AdvocateId("ada"), LinkId(1), Verdict.COUNTED, (), self_click=False, test=False)
KNOWN: Final = ExplainedTouch(CLICK, FACTS, TouchOutcome.EARNS, None)
UNKNOWN: Final = ExplainedTouch(CLICK, None, TouchOutcome.UNKNOWN, None)
LATER, BEFORE = NOW + timedelta(days=7), NOW - timedelta(seconds=1)


def _conversion(state: ConversionState, waits_until: datetime | None = LATER) -> dict[str, Any]:
    return {"state": state, "waits_until": waits_until, "currency": "SEK", "local_day": DAY}


@pytest.mark.parametrize("state", [ConversionState.PENDING_CLICK, ConversionState.CREDITED])
def test_a_click_that_is_not_known_is_waited_for_whatever_the_others_earn(state: ConversionState) -> None:
    waits = waits_for(_conversion(state), [KNOWN, UNKNOWN], NOW)
    assert waits == WaitsFor([CLICK.event_id], None, LATER)


def test_a_click_that_was_waited_for_long_enough_is_named_without_an_end() -> None:
    """It still credits if it comes."""
    waits = waits_for(_conversion(ConversionState.UNKNOWN_CLICK, BEFORE), [UNKNOWN], NOW)
    assert waits == WaitsFor([CLICK.event_id], None, None)


def test_what_follows_a_customer_waits_without_naming_a_click() -> None:
    assert waits_for(_conversion(ConversionState.PENDING_CLICK), [], NOW) == WaitsFor([], None, LATER)


def test_a_missing_rate_is_waited_for_without_an_end() -> None:
    assert waits_for(_conversion(ConversionState.UNKNOWN_CURRENCY), [KNOWN], NOW) == WaitsFor([], ("SEK", DAY), None)


@pytest.mark.parametrize("state", [ConversionState.REVERSED, ConversionState.TEST])
def test_what_nothing_changes_any_more_waits_for_nothing(state: ConversionState) -> None:
    assert waits_for(_conversion(state), [UNKNOWN], NOW) == WaitsFor()


def test_what_nobody_looked_at_yet_waits_for_no_certain_time() -> None:
    waits = waits_for(_conversion(ConversionState.RECEIVED, None), [UNKNOWN], NOW)
    assert waits == WaitsFor([CLICK.event_id], None, None)
