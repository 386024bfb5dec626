"""A whole stack under load, thrown about by a nemesis: nothing is lost, nothing doubled, and counts are those of raw.

Whoever wants more of it: `make chaos` (docs/chaos.md).
"""

from pathlib import Path

import pytest

from event_log.settings import EventLogKind
from stage.chaos.cluster import Ground
from stage.chaos.run import Outcome, Plan, run_chaos

pytestmark = pytest.mark.parametrize("event_log", list(EventLogKind), indirect=True)

FELT_RATIO_MIN = 0.8
"""Of all strikes; the others met nobody."""


@pytest.mark.timeout(400)
async def test_a_minute_of_chaos_loses_and_doubles_nothing(
    ground: Ground, event_log: EventLogKind, tmp_path: Path
) -> None:
    """A strike every four seconds, each kind before any comes again."""
    _expect_well(await run_chaos(Plan(event_log, seed=1, seconds=60), tmp_path, ground))


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_chaos_among_the_workers_of_a_redirector_loses_and_doubles_nothing(
    ground: Ground, event_log: EventLogKind, tmp_path: Path
) -> None:
    """One of two workers is killed or frozen, or dies at a failpoint, or their parent is killed, among all the rest."""
    _expect_well(await run_chaos(Plan(event_log, seed=3, seconds=90, workers=2), tmp_path, ground))


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_five_minutes_of_chaos_lose_and_double_nothing(
    ground: Ground, event_log: EventLogKind, tmp_path: Path
) -> None:
    """Each kind strikes twice or more."""
    _expect_well(await run_chaos(Plan(event_log, seed=2, seconds=300, strikes_min=2), tmp_path, ground))


def _expect_well(outcome: Outcome) -> None:
    assert not outcome.violations, str(outcome)
    assert sum(one.felt for one in outcome.struck) >= FELT_RATIO_MIN * len(outcome.struck), str(outcome)
