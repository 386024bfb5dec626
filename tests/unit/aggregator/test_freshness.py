"""Numbers are provisional until everything of their days has come."""

from datetime import UTC, date, datetime

import pytest

from aggregator.freshness.store import Freshness
from aggregator.programme.store import Programme

NOW = datetime(2022, 4, 1, 12, tzinfo=UTC)


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
