"""`complete_through` promises no more than every known journal can keep."""

from datetime import UTC, date, datetime, timedelta

import pytest

from aggregator.freshness.store import Freshness, complete_through
from aggregator.programme.store import Programme

NOW = datetime(2022, 4, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("watermarks", "applied_up_to", "missing_after", "complete"),
    [
        (0, None, None, None),
        (3, NOW - HOUR, None, NOW - HOUR),
        (3, NOW - HOUR, NOW - 2 * HOUR, NOW - 2 * HOUR),
        (3, NOW - 2 * HOUR, NOW - HOUR, NOW - 2 * HOUR),
        (3, None, None, NOW),
        (3, None, NOW - HOUR, NOW - HOUR),
        (3, NOW + HOUR, None, NOW),
    ],
)
def test_counts_are_complete_up_to_the_slowest_journal_or_the_first_hole(
    watermarks: int, applied_up_to: datetime | None, missing_after: datetime | None, complete: datetime | None
) -> None:
    """Nothing known is nothing promised; all sealed is complete as of now; a clock ahead of ours promises nothing."""
    assert complete_through(NOW, watermarks, applied_up_to, missing_after) == complete


@pytest.mark.parametrize(
    ("complete", "last_day", "provisional"),
    [
        (None, date(2022, 3, 31), True),
        (NOW, None, True),
        (NOW, date(2022, 3, 31), False),
        (NOW, date(2022, 4, 1), True),
        (datetime(2022, 4, 1, 3, 59, 59, tzinfo=UTC), date(2022, 3, 31), True),
        (datetime(2022, 4, 1, 4, tzinfo=UTC), date(2022, 3, 31), False),
    ],
)
def test_numbers_are_provisional_until_their_last_local_day_is_complete(
    complete: datetime | None, last_day: date | None, provisional: object
) -> None:
    """In the programme's zone: in New York the last of March ends at four in the morning, UTC."""
    freshness = Freshness(NOW, complete, Programme("America/New_York"))
    assert freshness.is_provisional(last_day) is provisional
