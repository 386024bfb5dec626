"""Instants fall in one local day, and days in one week and one quarter, whatever the clocks do."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from link_events.periods import (
    ONE_DAY,
    Calendar,
    Granularity,
    Period,
    Weekday,
    day_end,
    day_start,
    local_day,
    period_of,
    periods_between,
    quarter_named,
    quarter_start,
    utc_dates,
    zone_named,
)

FIRST_INSTANT: Final = datetime(2012, 1, 1, tzinfo=UTC)
"""Until 2011 Newfoundland turned its clocks back over midnight; there a day came back for an hour."""

CUTS: Final = (Granularity.DAY, Granularity.WEEK, Granularity.QUARTER)
MONDAYS: Final = Calendar(ZoneInfo("UTC"))
SUNDAYS: Final = Calendar(ZoneInfo("UTC"), Weekday.SUNDAY)


def _zones() -> st.SearchStrategy[ZoneInfo]:
    # "localtime" is this machine's own zone and "Factory" none at all.
    names = available_timezones() - {"localtime", "Factory"}
    return st.sampled_from(sorted(names)).map(ZoneInfo)


def _instants() -> st.SearchStrategy[datetime]:
    naive = FIRST_INSTANT.replace(tzinfo=None)
    return st.datetimes(naive, datetime(2099, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - a zone is put to it


def _days() -> st.SearchStrategy[date]:
    return st.dates(date(2000, 1, 1), date(2099, 12, 31))


def _calendars() -> st.SearchStrategy[Calendar]:
    return st.sampled_from(Weekday).map(lambda first: Calendar(ZoneInfo("UTC"), first))


@pytest.mark.parametrize(
    ("zone", "instant", "day"),
    [
        ("UTC", "2022-03-31T23:59:59.999999Z", "2022-03-31"),
        ("America/Chicago", "2022-01-01T03:23:00Z", "2021-12-31"),
        ("America/Chicago", "2022-07-01T04:59:59Z", "2022-06-30"),
        ("America/Chicago", "2022-07-01T05:00:00Z", "2022-07-01"),
        ("Asia/Kolkata", "2022-03-31T18:29:59.999999Z", "2022-03-31"),
        ("Asia/Kolkata", "2022-03-31T18:30:00Z", "2022-04-01"),
        ("Asia/Kathmandu", "2022-03-31T18:14:59Z", "2022-03-31"),
        ("Asia/Kathmandu", "2022-03-31T18:15:00Z", "2022-04-01"),
        ("Pacific/Kiritimati", "2022-03-31T10:00:00Z", "2022-04-01"),
        ("Pacific/Apia", "2011-12-30T09:59:59Z", "2011-12-29"),
        ("Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-31"),
        ("Africa/Cairo", "2026-04-23T21:59:59Z", "2026-04-23"),
        ("Africa/Cairo", "2026-04-23T22:00:00Z", "2026-04-24"),
    ],
)
def test_an_instant_falls_in_the_day_that_its_clocks_show(zone: str, instant: str, day: str) -> None:
    """Half-hour and quarter-hour zones, both sides of midnight, and a click at 21:23 on New Year's Eve."""
    assert local_day(datetime.fromisoformat(instant), ZoneInfo(zone)) == date.fromisoformat(day)


@pytest.mark.parametrize(
    ("zone", "day", "start", "hours"),
    [
        ("America/Chicago", "2022-03-12", "2022-03-12T06:00:00Z", 24),
        ("America/Chicago", "2022-03-13", "2022-03-13T06:00:00Z", 23),
        ("America/Chicago", "2022-11-06", "2022-11-06T05:00:00Z", 25),
        # Midnight is skipped: the day begins at one o'clock.
        ("Africa/Cairo", "2026-04-24", "2026-04-23T22:00:00Z", 23),
        # Midnight comes twice: the day begins at the first.
        ("America/Havana", "2022-11-06", "2022-11-06T04:00:00Z", 25),
        # The hour before midnight comes twice, and midnight once.
        ("Asia/Beirut", "2022-10-29", "2022-10-28T21:00:00Z", 25),
        ("Asia/Beirut", "2022-10-30", "2022-10-29T22:00:00Z", 24),
        ("Australia/Lord_Howe", "2022-10-02", "2022-10-01T13:30:00Z", 23.5),
        ("Asia/Kolkata", "2022-04-01", "2022-03-31T18:30:00Z", 24),
        ("Asia/Kathmandu", "2022-04-01", "2022-03-31T18:15:00Z", 24),
        # Samoa went from one side of the date line to the other and had no 30 December.
        ("Pacific/Apia", "2011-12-30", "2011-12-30T10:00:00Z", 0),
        ("Pacific/Apia", "2011-12-31", "2011-12-30T10:00:00Z", 24),
    ],
)
def test_a_day_lasts_as_long_as_its_clocks_say(zone: str, day: str, start: str, hours: float) -> None:
    """Days of 0, 23, 23½, 24 and 25 hours begin and end where they should."""
    local, in_zone = date.fromisoformat(day), ZoneInfo(zone)
    assert day_start(local, in_zone) == datetime.fromisoformat(start)
    assert day_end(local, in_zone) - day_start(local, in_zone) == timedelta(hours=hours)


@given(_instants(), _zones())
@example(datetime(2026, 4, 23, 22, tzinfo=UTC), ZoneInfo("Africa/Cairo"))
@example(datetime(2022, 11, 6, 5, 30, tzinfo=UTC), ZoneInfo("America/Havana"))
@example(datetime(2022, 10, 29, 21, 30, tzinfo=UTC), ZoneInfo("Asia/Beirut"))
def test_every_instant_lies_between_the_ends_of_its_day(instant: datetime, zone: ZoneInfo) -> None:
    """Asking by day and asking by the day's two ends give the same clicks."""
    day = local_day(instant, zone)
    assert day_start(day, zone) <= instant < day_end(day, zone)


@given(_days(), _zones())
@example(date(2011, 12, 29), ZoneInfo("Pacific/Apia"))
def test_days_follow_each_other_without_gap_or_overlap(day: date, zone: ZoneInfo) -> None:
    """Where one day ends the next begins, and the ends are UTC."""
    assert day_end(day, zone) == day_start(day + ONE_DAY, zone)
    assert day_start(day, zone) <= day_end(day, zone)
    assert day_start(day, zone).tzinfo is UTC


@given(st.datetimes(datetime(2000, 1, 1), timezones=st.just(UTC)), _zones())  # noqa: DTZ001 - a zone is put to it
@example(datetime(2006, 10, 29, 2, 30, tzinfo=UTC), ZoneInfo("America/St_Johns"))
@example(datetime(2006, 10, 29, 3, 30, tzinfo=UTC), ZoneInfo("America/St_Johns"))
def test_an_instant_lies_in_the_utc_dates_of_its_day(instant: datetime, zone: ZoneInfo) -> None:
    """Two dates at most."""
    first, last = utc_dates(local_day(instant, zone), zone)
    assert first <= instant.date() <= last
    assert last - first <= ONE_DAY


@pytest.mark.parametrize(
    ("zone", "first", "last"),
    [
        ("UTC", "2022-07-01", "2022-07-01"),
        ("America/New_York", "2022-07-01", "2022-07-02"),
        ("Asia/Kolkata", "2022-06-30", "2022-07-01"),
        ("Pacific/Kiritimati", "2022-06-30", "2022-07-01"),
    ],
)
def test_a_day_has_the_utc_dates_that_it_touches(zone: str, first: str, last: str) -> None:
    """No more: each is a table of raw clicks to be read."""
    dates = utc_dates(date(2022, 7, 1), ZoneInfo(zone))
    assert dates == (date.fromisoformat(first), date.fromisoformat(last))


@given(_days(), st.sampled_from(CUTS), _calendars())
def test_every_day_is_in_exactly_one_period(day: date, granularity: Granularity, calendar: Calendar) -> None:
    """A period holds the day it was found by, is found by each of its days, and by no other."""
    period = period_of(day, granularity, calendar)
    assert period.start <= day <= period.end
    assert {period_of(within, granularity, calendar) for within in (period.start, period.end)} == {period}
    assert period_of(period.start - ONE_DAY, granularity, calendar).end == period.start - ONE_DAY
    assert period_of(period.end + ONE_DAY, granularity, calendar).start == period.end + ONE_DAY


@given(_days(), st.timedeltas(timedelta(0), timedelta(days=800)), st.sampled_from(CUTS), _calendars())
def test_periods_tile_the_days_they_are_asked_for(
    first: date, more: timedelta, granularity: Granularity, calendar: Calendar
) -> None:
    """No day is missed and none comes twice; no period stands there that holds none of the days."""
    last = first + more
    periods = periods_between(first, last, granularity, calendar)
    assert periods[0].start <= first <= periods[0].end
    assert periods[-1].start <= last <= periods[-1].end
    assert all(before.end + ONE_DAY == after.start for before, after in pairwise(periods))
    assert len({period.label for period in periods}) == len(periods)


@given(_days(), _days(), _calendars())
def test_a_total_is_one_period_of_just_the_days_asked_for(one: date, other: date, calendar: Calendar) -> None:
    """A total neither grows to whole weeks nor is found by a day."""
    first, last = sorted((one, other))
    [total] = periods_between(first, last, Granularity.TOTAL, calendar)
    assert total == Period(first, last, f"{first}/{last}")
    with pytest.raises(ValueError, match="a total is not found by a day"):
        period_of(first, Granularity.TOTAL, calendar)


@pytest.mark.parametrize("granularity", Granularity)
def test_no_days_have_no_periods(granularity: Granularity) -> None:
    """A range that ends before it begins is empty, not an error."""
    assert periods_between(date(2022, 1, 2), date(2022, 1, 1), granularity, MONDAYS) == []


@given(_days())
@example(date(2021, 1, 1))
def test_weeks_from_monday_carry_their_iso_label(day: date) -> None:
    """The label is ISO 8601's, year included, at every turn of the year."""
    year, week, _ = day.isocalendar()
    assert period_of(day, Granularity.WEEK, MONDAYS).label == f"{year}-W{week:02}"


@pytest.mark.parametrize(
    ("day", "label", "start"),
    [
        ("2021-01-01", "2020-W53", "2020-12-28"),
        ("2021-01-04", "2021-W01", "2021-01-04"),
        ("2022-01-02", "2021-W52", "2021-12-27"),
        ("2024-12-30", "2025-W01", "2024-12-30"),
    ],
)
def test_a_week_over_the_turn_of_the_year_belongs_to_the_year_of_its_thursday(day: str, label: str, start: str) -> None:
    """ISO 8601's rule, on days where it is easily missed."""
    week = period_of(date.fromisoformat(day), Granularity.WEEK, MONDAYS)
    assert (week.label, week.start) == (label, date.fromisoformat(start))


@pytest.mark.parametrize("first", [day for day in Weekday if day is not Weekday.MONDAY])
@given(day=_days())
def test_other_weeks_carry_no_iso_label(first: Weekday, day: date) -> None:
    """A week that begins on another day is named by its two ends, so that nobody takes it for an ISO week."""
    week = period_of(day, Granularity.WEEK, Calendar(ZoneInfo("UTC"), first))
    assert week.start.weekday() == first
    assert week.end - week.start == timedelta(days=6)
    assert week.label == f"{week.start}/{week.end}"


def test_a_week_from_sunday() -> None:
    """Saturday is its last day, and Sunday the next one's first."""
    assert periods_between(date(2022, 1, 8), date(2022, 1, 9), Granularity.WEEK, SUNDAYS) == [
        Period(date(2022, 1, 2), date(2022, 1, 8), "2022-01-02/2022-01-08"),
        Period(date(2022, 1, 9), date(2022, 1, 15), "2022-01-09/2022-01-15"),
    ]


def test_the_quarters_of_a_year() -> None:
    """Three months each, whatever their length."""
    assert periods_between(date(2024, 2, 29), date(2024, 10, 1), Granularity.QUARTER, MONDAYS) == [
        Period(date(2024, 1, 1), date(2024, 3, 31), "2024-Q1"),
        Period(date(2024, 4, 1), date(2024, 6, 30), "2024-Q2"),
        Period(date(2024, 7, 1), date(2024, 9, 30), "2024-Q3"),
        Period(date(2024, 10, 1), date(2024, 12, 31), "2024-Q4"),
    ]


@given(_days())
def test_a_quarter_begins_where_its_period_does(day: date) -> None:
    """The key that quarters are stored under is the start that is shown."""
    assert quarter_start(day) == period_of(day, Granularity.QUARTER, MONDAYS).start


@pytest.mark.parametrize("name", ["UTC", "America/Chicago", "Asia/Kathmandu"])
def test_a_zone_is_found_by_its_name(name: str) -> None:
    """IANA's names are the only ones."""
    zone = zone_named(name)
    assert zone is not None
    assert zone.key == name


@pytest.mark.parametrize(
    "name",
    ["", ".", "Mars/Olympus", "America", "../etc/passwd", "/etc/localtime", "zone.tab", "UTC\0", "\ud800", "x" * 5000],
)
def test_what_names_no_zone_finds_none(name: str) -> None:
    """Folders, paths, other files and rubbish are no zones."""
    assert zone_named(name) is None


@given(st.dates(date(1000, 1, 1)))
def test_a_quarter_is_found_by_its_label(day: date) -> None:
    """Whatever `period_of` calls a quarter, at every turn of the year."""
    quarter = period_of(day, Granularity.QUARTER, MONDAYS)
    assert quarter_named(quarter.label) == quarter


@pytest.mark.parametrize("label", ["2022-Q5", "2022-Q0", "0000-Q1", "2022-q1", "22-Q1", "2022-Q1 ", "\u0662022-Q1", ""])
def test_no_quarter_is_found_by_another_label(label: str) -> None:
    assert quarter_named(label) is None
