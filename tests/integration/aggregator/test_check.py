"""`advolink check` compares counts with raw clicks and names what differs, and only that (guarantee 5)."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from click.testing import CliRunner, Result

from advolink.__main__ import main
from aggregator.activities.store import ReceivedActivity, take_activities
from aggregator.checking.commands import ROWS_SHOWN_MAX
from aggregator.programme.store import Programme, ProgrammeStore
from database.pool import connected
from link_events.identity import AdvocateId, LinkId, Origin, Seq
from link_events.streams import Partition, Stream
from stage.clicked import SEASON, stock
from stage.credited import JOURNAL, Earned, Sale, credit
from stage.events import PLAIN_ACTIVITY, PLAIN_CLICK
from stage.journaling import Pen
from stage.pipe import Pipe, opened_pipe
from stage.sql import execute, fetch, session

CLICKS = len(SEASON)


@pytest.fixture
def stocked_dsn(database_dsn: str) -> str:
    """A database of the test's own after a season of clicks."""
    asyncio.run(_stocked(database_dsn))
    return database_dsn


async def _stocked(dsn: str) -> None:
    async with opened_pipe(dsn) as pipe:
        await stock(pipe)


def _check(dsn: str, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["check", *arguments, "--postgres-dsn", dsn], catch_exceptions=False)


def _told(dsn: str, *arguments: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(_check(dsn, "--json", *arguments).stdout)
    return told


def _named(told: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(row["counts"], row["key"], row["start"]) for row in told["differences"]]


def _damaged(dsn: str, *statements: str) -> None:
    asyncio.run(execute(dsn, ";".join(statements)))


def test_counts_that_are_right_agree(season_dsn: str) -> None:
    """It says how much it looked at."""
    checked = _check(season_dsn)
    assert (checked.exit_code, checked.stderr) == (0, "")
    assert f"{CLICKS:,} clicks" in checked.stdout
    assert "all agree." in checked.stdout
    told = _told(season_dsn)
    assert (told["agrees"], told["clicks"], told["differences"], told["days_not_compared"]) == (True, CLICKS, [], [])
    stored = "SELECT (SELECT count(*) FROM advocate_day) + (SELECT count(*) FROM link_day), count(DISTINCT day)"
    rows, days = asyncio.run(fetch(season_dsn, f"{stored} FROM advocate_day"))[0]
    assert told["days"] == days
    assert told["rows_compared"] > rows


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (
            (
                "UPDATE advocate_day SET raw_clicks = 9, review_clicks = 9, counted_clicks = 0, not_counted_clicks = 0 "
                "WHERE advocate_id = 'ada' AND day = '2021-12-27'"
            ),
            ("advocate_day", "ada", "2021-12-27"),
        ),
        (
            "UPDATE advocate_quarter SET partition = 9 WHERE advocate_id = 'bo' AND quarter_start = '2022-01-01'",
            ("advocate_quarter", "bo", "2022-01-01"),
        ),
        ("DELETE FROM link_day WHERE link_id = 4 AND day = '2021-12-27'", ("link_day", "4", "2021-12-27")),
        (
            "DELETE FROM advocate_quarter WHERE advocate_id = 'cy' AND quarter_start = '2022-01-01'",
            ("advocate_quarter", "cy", "2022-01-01"),
        ),
        ("INSERT INTO link_day VALUES (99, '2019-05-05', 1, 1, 0, 0, 3, 1)", ("link_day", "99", "2019-05-05")),
        (
            "INSERT INTO advocate_quarter VALUES ('eve', '2023-02-03', 1, 1, 0, 0, 3, 1)",
            ("advocate_quarter", "eve", "2023-02-03"),
        ),
        ("UPDATE link_day SET partition = 7 WHERE link_id = 1 AND day = '2021-12-27'", ("link_day", "1", "2021-12-27")),
    ],
)
def test_a_row_that_was_altered_deleted_or_invented_is_named(
    stocked_dsn: str, damage: str, named: tuple[str, str, str]
) -> None:
    """And nothing else: a quarter is not blamed for a day of it."""
    _damaged(stocked_dsn, damage)
    told = _told(stocked_dsn)
    assert _named(told) == [named]
    assert told["rows_differing"][named[0]] == 1
    checked = _check(stocked_dsn)
    assert (checked.exit_code, "1 rows differ." in checked.stdout) == (1, True)
    assert all(word in checked.stdout for word in (*named, "`advolink rebuild`"))


def test_a_click_that_was_altered_shows_in_each_of_its_rows(stocked_dsn: str) -> None:
    """By the numbers that are stored, and those that its clicks add up to."""
    _damaged(
        stocked_dsn,
        "UPDATE click SET verdict = 'review' WHERE (journal, seq) ="
        " (SELECT journal, seq FROM click WHERE link_id = 1 AND verdict = 'counted' ORDER BY seq LIMIT 1)",
    )
    told = _told(stocked_dsn)
    assert [name for name, _, _ in _named(told)] == ["advocate_day", "link_day", "advocate_quarter"]
    for row in told["differences"]:
        assert row["expected"]["review"] - row["stored"]["review"] == 1
        assert row["stored"]["counted"] - row["expected"]["counted"] == 1


def test_no_row_at_all_is_as_wrong_as_it_can_be(stocked_dsn: str) -> None:
    """Every row is missed; so many are named, all are counted."""
    invented = "INSERT INTO link_day SELECT 1000 + n, '2020-01-01', 1, 1, 0, 0, 3, n FROM generate_series(1, 120) AS n"
    _damaged(stocked_dsn, invented, "TRUNCATE advocate_day, advocate_quarter")
    told = _told(stocked_dsn)
    assert told["rows_differing"]["link_day"] == 120
    assert len(told["differences"]) == ROWS_SHOWN_MAX
    assert sum(told["rows_differing"].values()) > ROWS_SHOWN_MAX
    assert "more rows differ." in _check(stocked_dsn).stdout


def test_a_range_is_compared_with_the_quarters_it_is_in(stocked_dsn: str) -> None:
    """What lies outside is not looked at."""
    _damaged(
        stocked_dsn,
        "DELETE FROM link_day WHERE link_id = 4 AND day = '2022-01-10'",
        "DELETE FROM link_day WHERE link_id = 4 AND day = '2022-02-07'",
    )
    assert _check(stocked_dsn, "--from", "2022-01-15", "--to", "2022-02-06").exit_code == 0
    assert _named(_told(stocked_dsn, "--from", "2022-02-01", "--to", "2022-02-07")) == [("link_day", "4", "2022-02-07")]
    assert _told(stocked_dsn, "--from", "2022-02-07", "--to", "2022-02-07")["days"] == 1


def test_a_quarter_is_not_blamed_for_a_day_that_was_not_asked_for(stocked_dsn: str) -> None:
    """What the quarter itself is off by is still named, whatever the days that were asked for."""
    _damaged(
        stocked_dsn,
        "UPDATE advocate_day SET raw_clicks = raw_clicks + 2, counted_clicks = counted_clicks + 2"
        " WHERE advocate_id = 'cy' AND day = '2022-02-07'",
    )
    range_ = ("--from", "2022-02-14", "--to", "2022-02-14")
    assert _named(_told(stocked_dsn, "--from", "2022-02-07")) == [("advocate_day", "cy", "2022-02-07")]
    assert _told(stocked_dsn, *range_)["agrees"]
    _damaged(
        stocked_dsn,
        "UPDATE advocate_quarter SET raw_clicks = raw_clicks + 3, counted_clicks = counted_clicks + 3"
        " WHERE quarter_start = '2022-01-01' AND advocate_id IN ('bo', 'cy')",
    )
    assert _named(_told(stocked_dsn, *range_)) == [
        ("advocate_quarter", "bo", "2022-01-01"),
        ("advocate_quarter", "cy", "2022-01-01"),
    ]


@pytest.fixture
def credited_dsn(stocked_dsn: str) -> str:
    """The same after two sales, one of them on a day without clicks, and a share."""
    asyncio.run(_credited(stocked_dsn))
    return stocked_dsn


async def _credited(dsn: str) -> None:
    async with opened_pipe(dsn) as pipe:
        earned = [Earned("ada", 1, SEASON[0].day), Earned("cy", 4, SEASON[0].day)]
        await credit(pipe, Sale(1, SEASON[0].day, 99, earned), Sale(2, date(2022, 6, 1), 5, earned[:1]))
        received = ReceivedActivity(Origin(JOURNAL, Stream.ACTIVITIES, Partition(0), Seq(1)), SHARE, SHARED)
        async with connected(pipe.pool) as connection, connection.transaction():
            await take_activities(connection, Partition(0), [received])


SHARE = replace(PLAIN_ACTIVITY, advocate_id=AdvocateId("bo"))
SHARED = date(2022, 6, 2)
DEARER = """
    UPDATE credit SET value_minor = 6 WHERE day = '2022-06-01';
    UPDATE conversion SET credited_value_minor = 6 WHERE local_day = '2022-06-01'
"""
UNCREDITED = """
    INSERT INTO conversion (
        source, kind, external_id, partition, journal, seq, log_offset, via, occurred_at, local_day, logged_at,
        names_clicks, test, state
    )
    SELECT source, kind, 'A-3', partition, journal, 3, 3, via, occurred_at, local_day, logged_at, names_clicks, test,
        state
    FROM conversion WHERE external_id = 'A-2'
"""


def test_results_that_are_right_agree(credited_dsn: str) -> None:
    """Days that have nothing else are looked at as well."""
    told = _told(credited_dsn)
    assert told["agrees"]
    assert told["days"] == _told(credited_dsn, "--to", "2022-05-31")["days"] + 2


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (
            "UPDATE advocate_day SET value_minor = value_minor - 1 WHERE advocate_id = 'ada' AND day = '2022-06-01'",
            [("advocate_day", "ada", "2022-06-01")],
        ),
        (
            "UPDATE link_day SET by_click_millionths = 0 WHERE link_id = 4 AND day = '2021-12-27'",
            [("link_day", "4", "2021-12-27")],
        ),
        (
            "UPDATE advocate_quarter SET shares = 0 WHERE advocate_id = 'bo' AND shares = 1",
            [("advocate_quarter", "bo", "2022-04-01")],
        ),
        ("DELETE FROM advocate_day WHERE day = '2022-06-02'", [("advocate_day", "bo", "2022-06-02")]),
        (
            "DELETE FROM activity",
            [("advocate_day", "bo", "2022-06-02"), ("advocate_quarter", "bo", "2022-04-01")],
        ),
        (
            DEARER,
            [
                ("advocate_day", "ada", "2022-06-01"),
                ("link_day", "1", "2022-06-01"),
                ("advocate_quarter", "ada", "2022-04-01"),
                ("advocate_day", "ada", "2021-12-27"),
                ("link_day", "1", "2021-12-27"),
                ("advocate_quarter", "ada", "2021-10-01"),
            ],
        ),
    ],
)
def test_results_that_were_altered_are_named(
    credited_dsn: str, damage: str, named: Sequence[tuple[str, str, str]]
) -> None:
    """In counts, credits or activities: each row that has them, by either view, and nothing else."""
    _damaged(credited_dsn, damage)
    told = _told(credited_dsn)
    assert _named(told) == list(named)
    assert (told["agrees"], told["conversions_differing"]) == (False, 0)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE conversion SET state = 'self' WHERE external_id = 'A-2'",
        "UPDATE conversion SET credited_value_minor = 4 WHERE external_id = 'A-2'",
        "UPDATE credit SET linear = linear + 1 WHERE day = '2022-06-01'",
        "DELETE FROM conversion WHERE external_id = 'A-2'",
        UNCREDITED,
    ],
)
def test_a_conversion_has_the_credits_that_its_state_says(credited_dsn: str, damage: str) -> None:
    """A whole of them under each model where it is credited, else none. What will be attributed anew is left out."""
    _damaged(credited_dsn, damage)
    told = _told(credited_dsn)
    assert (told["agrees"], told["conversions_differing"], told["differences"]) == (False, 1, [])
    checked = _check(credited_dsn)
    assert (checked.exit_code, "1 conversions have other credits than their state says." in checked.stdout) == (1, True)
    marked = "SELECT conversion_id FROM conversion UNION SELECT conversion_id FROM credit"
    _damaged(credited_dsn, f"INSERT INTO conversion_mark (conversion_id) {marked}")
    assert _told(credited_dsn)["agrees"]


@pytest.mark.parametrize(
    "arguments", [["--from", "yesterday"], ["--to", "2022-02-30"], ["--from", "2022-02-02", "--to", "2022-02-01"]]
)
def test_what_is_no_range_is_refused(season_dsn: str, arguments: Sequence[str]) -> None:
    """Status 2 is wrong usage, 1 is counts that differ."""
    assert _check(season_dsn, *arguments).exit_code == 2


def test_a_database_that_is_away_is_one_sentence() -> None:
    """Nothing was found out."""
    away = _check("postgresql://nobody@127.0.0.1:1/none")
    assert away.exit_code == 1
    assert away.output.startswith("Error: The database cannot be reached")


def test_days_whose_clicks_were_let_go_are_not_compared_and_said_so(stocked_dsn: str) -> None:
    """Their quarter still is the sum of its days, theirs included."""
    dropped = "SELECT relid::regclass::text FROM pg_partition_tree('click') WHERE isleaf AND relid::regclass::text < $1"
    parts = asyncio.run(fetch(stocked_dsn, dropped, "click_20220201"))
    _damaged(
        stocked_dsn, "UPDATE raw_horizon SET kept_from = '2022-02-01'", *(f"DROP TABLE {part}" for (part,) in parts)
    )
    told = _told(stocked_dsn)
    assert (told["agrees"], told["kept_from"]) == (True, "2022-02-01")
    assert max(told["days_not_compared"]) == "2022-01-31"
    assert told["clicks"] == sum(one.day.isoformat() >= "2022-02-01" for one in SEASON)
    assert "Raw clicks of before 2022-02-01 (UTC) were let go" in _check(stocked_dsn).stdout
    _damaged(
        stocked_dsn,
        "UPDATE advocate_day SET raw_clicks = raw_clicks + 2, counted_clicks = counted_clicks + 2"
        " WHERE advocate_id = 'ada' AND day = '2021-12-27'",
    )
    assert _named(_told(stocked_dsn)) == [("advocate_quarter", "ada", "2021-10-01")]


@pytest.mark.parametrize("zone", ["America/St_Johns", "Pacific/Kiritimati", "Pacific/Niue", "America/New_York", "UTC"])
async def test_local_days_find_their_clicks_whatever_the_zone(pipe: Pipe, zone: str) -> None:
    """Around midnight, around changes of the clocks, and where these go back over midnight."""
    await ProgrammeStore(pipe.pool).change(Programme(zone))
    pen = Pen()
    nights = [datetime(2006, 10, 29, tzinfo=UTC), datetime(2022, 3, 13, tzinfo=UTC), datetime(2022, 6, 30, tzinfo=UTC)]
    instants = [
        night.replace(hour=hour, minute=minute) for night in nights for hour in range(24) for minute in (15, 45)
    ]
    await pipe.take(*(pen.write(replace(PLAIN_CLICK, occurred_at=instant)) for instant in instants))
    told = await asyncio.to_thread(_told, pipe.dsn)
    assert (told["agrees"], told["clicks"]) == (True, len(instants))


async def test_it_agrees_while_a_batch_is_in_flight(pipe: Pipe) -> None:
    """A batch is seen whole or not at all."""
    pen = Pen(Partition(3))
    click = replace(PLAIN_CLICK, advocate_id=AdvocateId("dora"), link_id=LinkId(9))
    await pipe.take(pen.write(click), partition=3)
    async with session(pipe.dsn) as test:
        transaction = test.transaction()
        await transaction.start()
        await test.execute("UPDATE counts_change_counter SET last_change = last_change + 1")
        await pipe.append(*(pen.write(click) for _ in range(5)), partition=3)
        applying = asyncio.create_task(pipe.apply(pipe.consumer(3)))
        assert (await asyncio.to_thread(_told, pipe.dsn))["agrees"]
        await transaction.rollback()
        await applying
    told = await asyncio.to_thread(_told, pipe.dsn)
    assert (told["agrees"], told["clicks"]) == (True, 6)
