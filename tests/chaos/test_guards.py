"""Chaos finds what it is there to find: with a guard switched off in a test build, numbers are wrong and it says so.

Most faults are caught by several guards, one behind the other. A number goes wrong only where all of them are off; with
the first of them off and the others on, nothing is found. The journal's write and marks have nobody behind them.
"""

from pathlib import Path

import pytest

from event_log.settings import EventLogKind
from stage.chaos.cluster import Ground
from stage.chaos.faults import FaultKind
from stage.chaos.guards import Guard
from stage.chaos.run import Outcome, Plan, run_chaos
from stage.chaos.verdict import Wrong

pytestmark = [pytest.mark.long, pytest.mark.timeout(200)]

SECONDS = 8
STRIKES = 2

ATTRIBUTIONS = 8
"""To be frozen in. Of the sales that each has in its hands, one on average is taken back just then."""

BEHIND_WATERMARK = {
    EventLogKind.POSTGRES: (Guard.LOG_RECONCILE, Guard.CLICK_PKEY),
    EventLogKind.KAFKA: (Guard.CLICK_PKEY,),
}
"""What else keeps a batch that was sent twice from counting twice. Kafka cannot be asked what it has."""

BEHIND_COMPARE_AND_SET = (Guard.EVICTION, Guard.LEASE_LOSS, Guard.WATERMARK, Guard.CLICK_PKEY)
"""What else keeps an aggregator that was frozen from applying a batch that another has applied meanwhile: its sessions
are ended, it is cut short as soon as it finds out, what lies below the watermark is skipped, a click is taken once."""


async def _chaos(ground: Ground, directory: Path, kind: FaultKind, *off: Guard, strikes_min: int = STRIKES) -> Outcome:
    log = EventLogKind.POSTGRES if ground.broker is None else EventLogKind.KAFKA
    plan = Plan(log, seed=1, seconds=SECONDS, strikes_min=strikes_min, kinds=frozenset({kind}), off=off)
    return await run_chaos(plan, directory, ground)


def _expect(outcome: Outcome, *wrong: Wrong) -> None:
    """Exactly this is wrong. One kind of fault alone need not reach everything; where nothing is wrong, it was felt.

    A click that is doubled may be one that a sale names: then credits are wrong as well, for it has two verdicts.
    """
    aside = {Wrong.NOT_BITTEN, Wrong.CREDIT} if Wrong.DOUBLED in wrong else {Wrong.NOT_BITTEN}
    assert wrong or any(one.felt for one in outcome.struck), str(outcome)
    assert outcome.wrongs() - aside == set(wrong), str(outcome)


async def test_clicks_that_are_answered_before_they_are_written_are_lost_with_the_process(
    ground: Ground, tmp_path: Path
) -> None:
    """The journal's write off: whatever was answered in the last moments before a kill is missing."""
    _expect(await _chaos(ground, tmp_path, FaultKind.REDIRECTOR_KILL, Guard.JOURNAL_WRITE), Wrong.LOST)


@pytest.mark.parametrize("event_log", list(EventLogKind), indirect=True)
async def test_without_watermarks_what_is_sent_twice_counts_twice(
    ground: Ground, event_log: EventLogKind, tmp_path: Path
) -> None:
    """The watermark rule off, and what stands behind it."""
    off = (Guard.WATERMARK, *BEHIND_WATERMARK[event_log])
    _expect(await _chaos(ground, tmp_path, FaultKind.AFTER_SEND, *off), Wrong.DOUBLED)


async def test_where_a_shipper_asks_the_log_what_it_has_nothing_is_sent_twice(ground: Ground, tmp_path: Path) -> None:
    """The watermark rule off alone."""
    _expect(await _chaos(ground, tmp_path, FaultKind.AFTER_SEND, Guard.WATERMARK))


async def test_without_compare_and_set_one_that_was_frozen_applies_its_batch_again(
    ground: Ground, tmp_path: Path
) -> None:
    """The compare-and-set off, and what stands behind it."""
    off = (Guard.COMPARE_AND_SET, *BEHIND_COMPARE_AND_SET)
    _expect(await _chaos(ground, tmp_path, FaultKind.AGGREGATOR_ZOMBIE, *off), Wrong.DOUBLED)


async def test_one_that_was_frozen_finds_its_sessions_ended(ground: Ground, tmp_path: Path) -> None:
    """The compare-and-set off alone."""
    _expect(await _chaos(ground, tmp_path, FaultKind.AGGREGATOR_ZOMBIE, Guard.COMPARE_AND_SET))


async def test_where_marks_that_come_meanwhile_are_dropped_a_sale_stays_credited_that_was_taken_back(
    ground: Ground, tmp_path: Path
) -> None:
    """Keeping them off. Reversals are applied while an attributor stands still with their sales in its hands."""
    outcome = await _chaos(ground, tmp_path, FaultKind.ATTRIBUTOR_FREEZE, Guard.MARKS, strikes_min=ATTRIBUTIONS)
    _expect(outcome, Wrong.CREDIT)
