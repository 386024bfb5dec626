"""Credits and activities add up to the same counts in any order and any split, by both views (guarantee 5)."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from datetime import date
from random import Random
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.results.adding import CREDIT_COLUMNS, ResultCounts, Results
from link_events.identity import AdvocateId, LinkId
from link_events.reasons import ActivityKind

ADA, LINK = AdvocateId("ada"), LinkId(1)
MILLION = 1_000_000
DAYS = [date(2021, 12, 31), date(2022, 1, 1), date(2022, 3, 31), date(2022, 4, 1)]


class Credited(NamedTuple):
    """What `add_credit` takes."""

    advocate_id: AdvocateId
    link_id: LinkId
    day: date
    click_day: date
    millionths: int
    value_minor: int


class Active(NamedTuple):
    """What `add_activity` takes."""

    advocate_id: AdvocateId
    day: date
    kind: ActivityKind


def _results(parts: Iterable[Credited | Active]) -> Results:
    results = Results()
    for part in parts:
        if isinstance(part, Credited):
            results.add_credit(*part[:4], millionths=part.millionths, value_minor=part.value_minor)
        else:
            results.add_activity(*part)
    return results


def _parts() -> st.SearchStrategy[list[Credited | Active]]:
    """Few advocates, links and days, so that they meet; days on both sides of a quarter's end."""
    advocates, links = st.sampled_from(["ada", "bo"]).map(AdvocateId), st.integers(1, 3).map(LinkId)
    days, millionths = st.sampled_from(DAYS), st.integers(-MILLION, MILLION)
    credits_ = st.builds(Credited, advocates, links, days, days, millionths, st.integers(-500, 500))
    return st.lists(credits_ | st.builds(Active, advocates, days, st.sampled_from(ActivityKind)), max_size=20)


def _sums(parts: Iterable[Results]) -> dict[tuple[object, ...], int]:
    """What several results add up to, table by table, column by column."""
    sums: Counter[tuple[object, ...]] = Counter()
    for results in parts:
        for table in ("advocate_day", "advocate_quarter", "link_day"):
            for key, counts in getattr(results, table).items():
                sums.update({(table, *key, column): number for column, number in asdict(counts).items()})
    return {key: number for key, number in sums.items() if number}


@given(_parts(), st.integers(1, 7), st.randoms(use_true_random=False))
def test_any_split_in_any_order_adds_up_to_the_same(parts: list[Credited | Active], size: int, random: Random) -> None:
    """Whichever transactions they come in."""
    shuffled = list(parts)
    random.shuffle(shuffled)
    split = [_results(shuffled[start : start + size]) for start in range(0, len(shuffled), size)]
    assert _sums(split) == _sums([_results(parts)])


@given(_parts())
def test_days_quarters_and_links_tell_of_the_same(parts: list[Credited | Active]) -> None:
    """A credit is in each of them once by each view, an activity in the advocate's."""
    results = _results(parts)
    credited = sum(part.millionths for part in parts if isinstance(part, Credited))
    for table in (results.advocate_day, results.advocate_quarter, results.link_day):
        assert sum(one.credited_millionths for one in table.values()) == credited
        assert sum(one.by_click_millionths for one in table.values()) == credited
    active = Counter(part.kind for part in parts if isinstance(part, Active))
    for counts in (results.advocate_day, results.advocate_quarter):
        assert sum(one.shares for one in counts.values()) == active[ActivityKind.SHARE]
        assert sum(one.sessions for one in counts.values()) == active[ActivityKind.SESSION]
        assert sum(one.engagements for one in counts.values()) == active[ActivityKind.ENGAGEMENT]


@given(_parts())
def test_what_is_taken_away_again_leaves_nothing(parts: list[Credited | Active]) -> None:
    """No row is touched for nothing."""
    credits_ = [part for part in parts if isinstance(part, Credited)]
    taken = [one._replace(millionths=-one.millionths, value_minor=-one.value_minor) for one in credits_]
    results = _results([*credits_, *taken])
    assert not any((results.advocate_day, results.advocate_quarter, results.link_day))


def test_a_credit_counts_on_the_conversions_day_and_by_the_clicks() -> None:
    """In columns of their own, each in the quarter of its day."""
    results = _results([Credited(ADA, LINK, DAYS[1], DAYS[0], 400_000, 99)])
    by_conversion = ResultCounts(credited_millionths=400_000, value_minor=99)
    by_click = ResultCounts(by_click_millionths=400_000, by_click_value_minor=99)
    assert results.advocate_day == {(ADA, DAYS[1]): by_conversion, (ADA, DAYS[0]): by_click}
    assert results.advocate_quarter == {(ADA, DAYS[1]): by_conversion, (ADA, date(2021, 10, 1)): by_click}
    assert results.link_day == {(LINK, DAYS[1]): by_conversion, (LINK, DAYS[0]): by_click}


@pytest.mark.parametrize("kind", ActivityKind)
def test_an_activity_counts_once_under_its_kind(kind: ActivityKind) -> None:
    """And under no link."""
    results = _results([Active(ADA, DAYS[0], kind)])
    assert results.advocate_day == {(ADA, DAYS[0]): ResultCounts(**{f"{kind.value}s": 1})}
    assert not results.link_day


def test_a_links_columns_are_those_of_credits() -> None:
    """Whatever else an advocate's rows have."""
    assert CREDIT_COLUMNS == ("credited_millionths", "value_minor", "by_click_millionths", "by_click_value_minor")
