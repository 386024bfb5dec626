"""What is asked of the counts is cut into periods, and cursors lead on from where a page ended."""

import base64
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.counts.asking import Cut, Days, cut_days, read_cursor, write_cursor
from link_events.periods import Calendar, Granularity, Weekday, period_of

CALENDAR = Calendar(ZoneInfo("UTC"))
CUTS = [Granularity.DAY, Granularity.WEEK, Granularity.QUARTER]

FEB_1, FEB_14, FEB_28, MAR_31 = date(2022, 2, 1), date(2022, 2, 14), date(2022, 2, 28), date(2022, 3, 31)
APR_1 = date(2022, 4, 1)
STORED = Days(FEB_14, APR_1)


def _cut(asked: Days, granularity: Granularity, stored: Days = STORED) -> Cut:
    cut = cut_days(asked, stored, granularity, CALENDAR)
    assert cut is not None
    return cut


def _days() -> st.SearchStrategy[date]:
    return st.dates(date(2021, 11, 1), date(2022, 6, 30))


def _limits() -> st.SearchStrategy[Days]:
    """From, to, both or none; in order."""
    pairs = st.tuples(st.none() | _days(), st.none() | _days())
    ordered = pairs.filter(lambda pair: pair[0] is None or pair[1] is None or pair[0] <= pair[1])
    return ordered.map(lambda pair: Days(*pair))


def _stored() -> st.SearchStrategy[Days]:
    return st.tuples(_days(), _days()).map(lambda pair: Days(min(pair), max(pair)))


def _calendars() -> st.SearchStrategy[Calendar]:
    return st.sampled_from(Weekday).map(lambda first: Calendar(ZoneInfo("UTC"), first))


@pytest.mark.parametrize(
    ("asked", "days", "labels"),
    [
        (Days(), (FEB_14, APR_1), ["2022-Q1", "2022-Q2"]),
        (Days(FEB_1, None), (FEB_14, APR_1), ["2022-Q1", "2022-Q2"]),
        (Days(FEB_28, MAR_31), (FEB_28, MAR_31), ["2022-Q1"]),
        (Days(None, FEB_14), (FEB_14, FEB_14), ["2022-Q1"]),
        (Days(APR_1, date(2999, 12, 31)), (APR_1, APR_1), ["2022-Q2"]),
        (Days(date(1970, 1, 1), date(2999, 12, 31)), (FEB_14, APR_1), ["2022-Q1", "2022-Q2"]),
    ],
)
def test_only_days_that_may_hold_counts_are_cut(asked: Days, days: tuple[date, date], labels: list[str]) -> None:
    """A thousand empty years cost nothing."""
    cut = _cut(asked, Granularity.QUARTER)
    assert (cut.first, cut.last) == days
    assert [period.label for period in cut.periods] == labels


@pytest.mark.parametrize(
    ("asked", "stored"),
    [
        (Days(), Days()),
        (Days(FEB_1, FEB_1), STORED),
        (Days(date(2022, 4, 2), None), STORED),
        (Days(None, date(2022, 2, 13)), STORED),
    ],
)
@pytest.mark.parametrize("granularity", Granularity)
def test_where_nothing_is_stored_there_is_nothing_to_cut(asked: Days, stored: Days, granularity: Granularity) -> None:
    """Before the first click, after the last, or none at all."""
    assert cut_days(asked, stored, granularity, CALENDAR) is None


@pytest.mark.parametrize(
    ("asked", "partial"),
    [
        (Days(), [False, False]),
        (Days(date(2022, 1, 1), None), [False, False]),
        (Days(date(2022, 1, 2), None), [True, False]),
        (Days(None, date(2022, 6, 30)), [False, False]),
        (Days(None, date(2022, 6, 29)), [False, True]),
        (Days(FEB_28, APR_1), [True, True]),
    ],
)
def test_a_period_is_partial_where_the_asked_days_cut_it(asked: Days, partial: list[bool]) -> None:
    """Not where there are merely no clicks at its ends."""
    cut = _cut(asked, Granularity.QUARTER)
    assert [cut.is_partial(period) for period in cut.periods] == partial


@pytest.mark.parametrize(
    ("asked", "label"),
    [
        (Days(), "2022-02-14/2022-04-01"),
        (Days(FEB_1, None), "2022-02-01/2022-04-01"),
        (Days(None, MAR_31), "2022-02-14/2022-03-31"),
        (Days(FEB_1, date(2022, 12, 31)), "2022-02-01/2022-12-31"),
    ],
)
def test_a_total_is_of_the_days_asked_for(asked: Days, label: str) -> None:
    """Whether or not each has clicks; where an end is left open, the stored days say it. It is never partial."""
    cut = _cut(asked, Granularity.TOTAL)
    assert [period.label for period in cut.periods] == [label]
    assert not cut.is_partial(cut.periods[0])


@given(_limits(), _stored(), st.sampled_from(CUTS), _calendars())
def test_every_asked_day_with_counts_finds_its_own_period(
    asked: Days, stored: Days, granularity: Granularity, calendar: Calendar
) -> None:
    """By its place among the starts, as Postgres's width_bucket finds it; and no other day is read."""
    cut = cut_days(asked, stored, granularity, calendar)
    assert stored.first
    assert stored.last
    days = [stored.first + timedelta(days=number) for number in range((stored.last - stored.first).days + 1)]
    wanted = [day for day in days if (asked.first or day) <= day <= (asked.last or day)]
    if cut is None:
        assert wanted == []
        return
    assert (cut.first, cut.last) == (wanted[0], wanted[-1])
    for day in wanted:
        place = sum(start <= day for start in cut.starts)
        assert cut.periods[place - 1] == period_of(day, granularity, calendar)
    for period in cut.periods:
        whole = (asked.first or period.start) <= period.start and period.end <= (asked.last or period.end)
        assert cut.is_partial(period) == (not whole)


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0")), st.integers(-(2**63), 2**63 - 1))
def test_a_cursor_leads_back_to_the_key_it_was_made_of(text: str, number: int) -> None:
    """It stands in a URL as it is."""
    cursor = write_cursor([text, number])
    assert read_cursor(cursor, [str, int]) == [text, number]
    assert set(cursor) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def _raw(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "a",
        "é",
        "%%%",
        "\ud800",
        _raw(b""),
        _raw(b"nonsense"),
        _raw(b"\xff\xfe"),
        _raw(b"[" * 300),
        _raw(b"null"),
        _raw(b'{"0": "ada", "1": 1}'),
        _raw(b'["ada"]'),
        _raw(b'["ada", 1, 1]'),
        _raw(b'[1, "ada"]'),
        _raw(b'["ada", true]'),
        _raw(b'["ada", 1.0]'),
        _raw(b'["ada", null]'),
        _raw(b'["ada", 1e400]'),
        _raw(orjson.dumps(["ada\0", 1])),
        _raw(orjson.dumps(["ada", 2**63])),
        _raw(b'["ada", -9223372036854775809]'),
    ],
)
def test_what_is_no_cursor_of_a_list_is_refused(cursor: str) -> None:
    """Also where it would be something that Postgres cannot be asked: a NUL, a number beyond 64 bits."""
    with pytest.raises(ValueError, match="cursor"):
        read_cursor(cursor, [str, int])


@given(st.text(max_size=60))
def test_any_text_may_be_sent_as_a_cursor(text: str) -> None:
    """It is read or refused."""
    try:
        (key, number) = read_cursor(text, [str, int])
    except ValueError:
        return
    assert isinstance(key, str)
    assert isinstance(number, int)
