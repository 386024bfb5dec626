"""Results come into the counts beside the clicks, under the next numbers of the same changes."""

from datetime import date
from typing import Final

import pytest

from aggregator.results.adding import Results
from aggregator.results.store import add_results
from database.pool import connected
from link_events.reasons import ActivityKind
from link_events.streams import Partition
from stage.events import PLAIN_CLICK
from stage.journaling import Pen
from stage.pipe import Pipe
from stage.sql import fetch

ADA, LINK = PLAIN_CLICK.advocate_id, PLAIN_CLICK.link_id
CLICKED, BOUGHT = date(2022, 2, 14), date(2022, 4, 1)
RESULTS: Final = "credited_millionths, value_minor, by_click_millionths, by_click_value_minor"
ROWS: Final = f"""
    SELECT 'link_day', day, raw_clicks, {RESULTS}, 0, 0, 0 FROM link_day
    UNION ALL SELECT 'advocate_day', day, raw_clicks, {RESULTS}, shares, sessions, engagements FROM advocate_day
    UNION ALL
    SELECT 'advocate_quarter', quarter_start, raw_clicks, {RESULTS}, shares, sessions, engagements FROM advocate_quarter
    ORDER BY 1, 2
"""  # noqa: S608 - names of columns
CHANGES: Final = """
    SELECT partition, array_agg(change ORDER BY change) FROM (
        SELECT partition, change FROM link_day UNION ALL SELECT partition, change FROM advocate_day
        UNION ALL SELECT partition, change FROM advocate_quarter
    ) AS changed GROUP BY partition ORDER BY partition
"""


async def _add(pipe: Pipe, results: Results, partition: int = 0) -> None:
    async with connected(pipe.pool) as connection, connection.transaction():
        await add_results(connection, Partition(partition), results)


def _credited(millionths: int, value_minor: int) -> Results:
    results = Results()
    results.add_credit(ADA, LINK, BOUGHT, CLICKED, millionths=millionths, value_minor=value_minor)
    return results


async def test_sums_of_money_go_beyond_64_bits(pipe: Pipe) -> None:
    """Also what one transaction adds; and exactly, down again."""
    for value in (9 * 10**18, 27 * 10**18, 1, -(9 * 10**18)):
        await _add(pipe, _credited(0, value))
    for table in ("link_day", "advocate_day", "advocate_quarter"):
        sums = await fetch(pipe.dsn, f"SELECT sum(value_minor), sum(by_click_value_minor) FROM {table}")  # noqa: S608
        assert sums == [(27 * 10**18 + 1,) * 2]


async def test_results_stand_beside_the_clicks_of_a_row(pipe: Pipe) -> None:
    """Which stay as they are; a row that has none yet is made."""
    await pipe.take(Pen().write(PLAIN_CLICK))
    results = _credited(1_000_000, 4999)
    results.add_activity(ADA, CLICKED, ActivityKind.SHARE)
    await _add(pipe, results)
    by_click, by_conversion = (0, 0, 1_000_000, 4999), (1_000_000, 4999, 0, 0)
    assert await fetch(pipe.dsn, ROWS) == [
        ("advocate_day", CLICKED, 1, *by_click, 1, 0, 0),
        ("advocate_day", BOUGHT, 0, *by_conversion, 0, 0, 0),
        ("advocate_quarter", date(2022, 1, 1), 1, *by_click, 1, 0, 0),
        ("advocate_quarter", BOUGHT, 0, *by_conversion, 0, 0, 0),
        ("link_day", CLICKED, 1, *by_click, 0, 0, 0),
        ("link_day", BOUGHT, 0, *by_conversion, 0, 0, 0),
    ]


async def test_they_add_up_and_leave_clicks_to_the_clicks(pipe: Pipe) -> None:
    """Whichever comes first; what is taken away leaves zeros."""
    await _add(pipe, _credited(250_000, 100))
    await pipe.take(Pen().write(PLAIN_CLICK))
    await _add(pipe, _credited(750_000, 11))
    stored = {(table, day): numbers for table, day, *numbers in await fetch(pipe.dsn, ROWS)}
    assert stored["link_day", CLICKED] == [1, 0, 0, 1_000_000, 111, 0, 0, 0]
    assert stored["advocate_quarter", BOUGHT] == [0, 1_000_000, 111, 0, 0, 0, 0, 0]
    await _add(pipe, _credited(-1_000_000, -111))
    stored = {(table, day): numbers for table, day, *numbers in await fetch(pipe.dsn, ROWS)}
    assert stored["link_day", CLICKED] == [1, 0, 0, 0, 0, 0, 0, 0]
    assert stored["advocate_quarter", BOUGHT] == [0] * 8


async def test_each_row_takes_the_next_number_of_its_partition(pipe: Pipe) -> None:
    """Without a gap, and together with those of clicks; a row that is changed again leaves its old one."""
    await pipe.take(Pen().write(PLAIN_CLICK))
    await _add(pipe, _credited(1_000_000, 1))
    assert await fetch(pipe.dsn, CHANGES) == [(0, [4, 5, 6, 7, 8, 9])]
    shared = Results()
    shared.add_activity(ADA, BOUGHT, ActivityKind.SHARE)
    await _add(pipe, shared)
    assert await fetch(pipe.dsn, CHANGES) == [(0, [4, 5, 6, 8, 10, 11])]
    assert await fetch(pipe.dsn, "SELECT last_change FROM counts_change_counter") == [(11,)]


@pytest.mark.parametrize("results", [Results(), _credited(0, 0)])
async def test_what_comes_to_nothing_takes_no_number(pipe: Pipe, results: Results) -> None:
    """A feed tells of no change where there is none."""
    await _add(pipe, results)
    assert await fetch(pipe.dsn, "SELECT FROM counts_change_counter") == []
