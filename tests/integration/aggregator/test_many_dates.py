"""Clicks of many dates, as an import brings them, are applied without taking the server's locks away from others."""

from dataclasses import replace
from datetime import timedelta

from aggregator.applying.batch import DATES_MAX
from stage.events import PLAIN_CLICK
from stage.journaling import Pen
from stage.pipe import Pipe
from stage.sql import fetch_value

BATCHES = "SELECT array_agg(dates ORDER BY applied_at) FROM (SELECT applied_at, count(DISTINCT occurred_on) AS dates "
BATCHES += "FROM click GROUP BY applied_at) AS batch"


async def test_a_batch_of_many_dates_is_applied_in_parts(pipe: Pipe) -> None:
    """No transaction touches more raw partitions than the limit, and nothing is left out or counted twice."""
    pen, dates = Pen(), 2 * DATES_MAX + 3
    days = [PLAIN_CLICK.occurred_at - timedelta(days=day) for day in range(dates)]
    await pipe.take(*(pen.write(replace(PLAIN_CLICK, occurred_at=day)) for day in days))
    assert await fetch_value(pipe.dsn, BATCHES) == [DATES_MAX, DATES_MAX, 3]
    assert [seq for _, _, seq in await pipe.raw()] == list(range(1, dates + 1))
    assert pipe.metric("applied_events_total", stream="clicks") == dates
    assert await pipe.drift() == []


async def test_a_launched_postgres_has_locks_for_years_of_raw_partitions(database_dsn: str) -> None:
    """A click asked for by its name is looked for in all of them."""
    assert await fetch_value(database_dsn, "SHOW max_locks_per_transaction") == "256"
