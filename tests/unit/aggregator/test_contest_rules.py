"""Rules of a contest are read whole or refused with every fault, and say who takes part and which of them hold."""

import json
from datetime import date
from decimal import Decimal
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.contests.asking import RulesRefusedError, read_rules, written
from aggregator.contests.rules import (
    WEIGHTS_OF,
    Caps,
    Eligibility,
    Metric,
    Prizes,
    PrizeTies,
    Rules,
    RulesVersion,
    Scoring,
    TieBreak,
    Weights,
    WhyAbsent,
    version_on,
    why_absent,
)
from link_events.currencies import CURRENCIES
from link_events.identity import AdvocateId, Currency, Team
from link_events.people import PersonOnDay

PLAIN: Final = {"name": "Most clicks", "period": {"quarter": "2022-Q1"}}

TOLD: Final = {
    "name": "Q1 2022: most points",
    "period": {"first_day": "2022-01-01", "last_day": "2022-03-31"},
    "scoring": {
        "metric": "points",
        "points": {"click": "1", "visitor_day": "0", "conversion": "25", "value": "0.01"},
        "category_multipliers": {"events": "1.5"},
        "channel_multipliers": {"mail": "0.25"},
        "caps": {"clicks_per_advocate_day": 500, "clicks_per_link_day": None, "clicks_per_visitor_advocate_day": 3},
    },
    "eligibility": {
        "teams": ["red", "white"],
        "roles": None,
        "excluded_roles": ["executive", "organiser"],
        "excluded_teams": [],
        "excluded_advocates": ["ada"],
    },
    "teams": {"min_active": 3},
    "tie_break": ["earliest", "conversions"],
    "prizes": {"currency": "USD", "amounts_minor": [10_000, 5_000, 2_500], "ties": "even_up"},
    "dispute_days": 7,
    "finalize": "by_clock",
}
"""Every field, as it is written."""

WORDS: Final = "Text should be 1 to 200 characters, and no control characters"
WEIGHT: Final = (
    "Input should be a decimal of 6 digits at most before the point and 6 behind it, as a text or a whole number"
)
MULTIPLIER: Final = (
    "Input should be a decimal of 3 digits at most before the point and 3 behind it, as a text or a whole number"
)
PERIOD: Final = "Input should have either a quarter, or first_day and last_day"
DAY: Final = "Input should be a day from 2000-01-01 to 2999-12-31, as 2022-04-08"
OBJECT: Final = "Input should be a JSON object"
UNKNOWN: Final = "There is no such field"
POINTS: Final = {"metric": "points", "points": {"click": 1}}

FAULTS: Final[list[tuple[dict[str, Any], str, str]]] = [
    ({"nmae": 1}, "nmae", UNKNOWN),
    ({"nm\ud800": 1}, r"nm\ud800", UNKNOWN),
    ({"name": ""}, "name", WORDS),
    ({"name": "x" * 201}, "name", WORDS),
    ({"name": "a\nb"}, "name", WORDS),
    ({"name": "\ud800"}, "name", WORDS),
    ({"name": None}, "name", WORDS),
    ({"period": {}}, "period", PERIOD),
    ({"period": {"quarter": "2022-Q1", "first_day": "2022-01-01"}}, "period", PERIOD),
    ({"period": "2022-Q1"}, "period", OBJECT),
    ({"period": {"quarter": "2022-Q1", "week": 1}}, "period/week", UNKNOWN),
    (
        {"period": {"quarter": "2022-Q5"}},
        "period/quarter",
        "no quarter of this calendar: '2022-Q5'; quarters look like 2022-Q1",
    ),
    ({"period": {"quarter": 5}}, "period/quarter", "no quarter of this calendar: '5'; quarters look like 2022-Q1"),
    (
        {"period": {"quarter": "1999-Q4"}},
        "period/quarter",
        "no quarter of this calendar: '1999-Q4'; quarters look like 2022-Q1",
    ),
    ({"period": {"first_day": "2022-01-01"}}, "period/last_day", "Field required"),
    ({"period": {"first_day": "2022-02-29", "last_day": "2022-03-31"}}, "period/first_day", DAY),
    ({"period": {"first_day": "20220101", "last_day": "2022-03-31"}}, "period/first_day", DAY),
    ({"period": {"first_day": "2022-01-01", "last_day": "3000-01-01"}}, "period/last_day", DAY),
    ({"period": {"first_day": "2022-01-02", "last_day": "2022-01-01"}}, "period/last_day", "is before first_day"),
    (
        {"period": {"first_day": "2022-01-01", "last_day": "2024-01-02"}},
        "period/last_day",
        "a contest lasts 731 days at most",
    ),
    ({"scoring": []}, "scoring", OBJECT),
    ({"scoring": {"weights": {}}}, "scoring/weights", UNKNOWN),
    (
        {"scoring": {"metric": "fame", "points": {"click": 1}}},
        "scoring/metric",
        "Input should be 'clicks', 'visitor_days', 'conversions' or 'points'",
    ),
    ({"scoring": {"metric": "points"}}, "scoring/points", "what earns how much has to be said"),
    ({"scoring": {"points": {"click": 1}}}, "scoring/points", "only with the metric points"),
    ({"scoring": POINTS | {"points": {}}}, "scoring/points", "at least one has to be more than 0"),
    ({"scoring": POINTS | {"points": {"click": 1, "fame": 1}}}, "scoring/points/fame", UNKNOWN),
    *(
        ({"scoring": POINTS | {"points": {"click": weight}}}, "scoring/points/click", WEIGHT)
        for weight in (0.5, True, "-1", -1, "1e3", "1.", ".5", "1.0000001", 1_000_000, "\u0661", " 1", "1\n", None)
    ),
    (
        {"scoring": {"category_multipliers": {"events": "2"}}},
        "scoring/category_multipliers",
        "only with the metric points",
    ),
    (
        {"scoring": {"metric": "conversions", "channel_multipliers": {"mail": "2"}}},
        "scoring/channel_multipliers",
        "only with the metric points",
    ),
    (
        {"scoring": POINTS | {"channel_multipliers": {"mail": "1.0001"}}},
        "scoring/channel_multipliers/mail",
        MULTIPLIER,
    ),
    ({"scoring": POINTS | {"category_multipliers": {"": "1"}}}, "scoring/category_multipliers/", WORDS),
    (
        {"scoring": POINTS | {"category_multipliers": dict.fromkeys(map(str, range(101)), 1)}},
        "scoring/category_multipliers",
        "Input should have 100 fields at most",
    ),
    ({"scoring": {"caps": {"clicks": 1}}}, "scoring/caps/clicks", UNKNOWN),
    *(
        (
            {"scoring": {"caps": {"clicks_per_link_day": cap}}},
            "scoring/caps/clicks_per_link_day",
            "Input should be a whole number from 1 to 1,000,000",
        )
        for cap in (0, 1_000_001, 1.0, True, "1")
    ),
    (
        {"scoring": {"metric": "conversions", "caps": {"clicks_per_link_day": 1}}},
        "scoring/caps",
        "conversions are not capped",
    ),
    ({"eligibility": {"teams": []}}, "eligibility/teams", "Input should be a list of 1 to 100"),
    ({"eligibility": {"teams": "red"}}, "eligibility/teams", "Input should be a list of 1 to 100"),
    ({"eligibility": {"roles": ["x"] * 101}}, "eligibility/roles", "Input should be a list of 1 to 100"),
    ({"eligibility": {"roles": ["x", ""]}}, "eligibility/roles/1", WORDS),
    ({"eligibility": {"excluded_roles": [1]}}, "eligibility/excluded_roles/0", WORDS),
    ({"eligibility": {"excluded_roles": None}}, "eligibility/excluded_roles", "Input should be a list of 0 to 100"),
    (
        {"eligibility": {"excluded_advocates": ["ada", "a@b"]}},
        "eligibility/excluded_advocates/1",
        "Text should be 1 to 64 of A-Z, a-z, 0-9, '.', '_' and '-'",
    ),
    (
        {"eligibility": {"excluded_advocates": ["a"] * 1_001}},
        "eligibility/excluded_advocates",
        "Input should be a list of 0 to 1,000",
    ),
    (
        {"eligibility": {"teams": ["red"], "excluded_teams": ["red"]}},
        "eligibility/excluded_teams",
        "'red' is eligible and excluded",
    ),
    (
        {"eligibility": {"roles": ["a", "b"], "excluded_roles": ["b", "c"]}},
        "eligibility/excluded_roles",
        "'b' is eligible and excluded",
    ),
    ({"teams": {"min_active": 0}}, "teams/min_active", "Input should be a whole number from 1 to 1,000"),
    ({"tie_break": ["luck"]}, "tie_break/0", "Input should be 'conversions' or 'earliest'"),
    ({"tie_break": ["earliest", "earliest"]}, "tie_break", "each at most once"),
    ({"tie_break": None}, "tie_break", "Input should be a list of 0 to 2"),
    (
        {"prizes": {"currency": "XXQ", "amounts_minor": [1]}},
        "prizes/currency",
        "is no code of ISO 4217 that is in use",
    ),
    ({"prizes": {"amounts_minor": [1]}}, "prizes/currency", "is no code of ISO 4217 that is in use"),
    ({"prizes": {"currency": "USD"}}, "prizes/amounts_minor", "Input should be a list of 1 to 100"),
    (
        {"prizes": {"currency": "USD", "amounts_minor": [2, -1]}},
        "prizes/amounts_minor/1",
        "Input should be a whole number from 0 to 1,000,000,000,000,000",
    ),
    (
        {"prizes": {"currency": "USD", "amounts_minor": [1, 2]}},
        "prizes/amounts_minor/1",
        "the second prize is more than the first",
    ),
    (
        {"prizes": {"currency": "USD", "amounts_minor": [1] * 10 + [2]}},
        "prizes/amounts_minor/10",
        "the no. 11 prize is more than the tenth",
    ),
    (
        {"prizes": {"currency": "USD", "amounts_minor": [1], "ties": "coin"}},
        "prizes/ties",
        "Input should be 'even_up', 'even_down' or 'full'",
    ),
    ({"dispute_days": 61}, "dispute_days", "Input should be a whole number from 0 to 60"),
    ({"finalize": "by_luck"}, "finalize", "Input should be 'by_hand' or 'by_clock'"),
]


@pytest.mark.parametrize(
    ("said", "path", "text"), FAULTS, ids=[f"{path}-{at}" for at, (_, path, _) in enumerate(FAULTS)]
)
def test_each_fault_is_told_by_its_path_and_in_words(said: dict[str, Any], path: str, text: str) -> None:
    """One fault, one refusal: nothing else is told of the same field."""
    with pytest.raises(RulesRefusedError) as refused:
        read_rules(PLAIN | said)
    assert list(refused.value.faults) == [(path, text)]


def test_all_faults_are_told_at_once() -> None:
    """Also what is left out that has to be there."""
    with pytest.raises(RulesRefusedError) as refused:
        read_rules({"dispute_days": -1, "scoring": {"metric": "points", "caps": {"clicks_per_link_day": 0}}})
    assert [path for path, _ in refused.value.faults] == [
        "period", "name", "scoring/points", "scoring/caps/clicks_per_link_day", "dispute_days",
    ]  # fmt: skip
    assert "name: Field required; scoring/points: what earns" in str(refused.value)


def test_what_is_no_object_is_refused() -> None:
    with pytest.raises(RulesRefusedError, match="rules: Input should be a JSON object"):
        read_rules([])  # type: ignore[arg-type]


def test_what_is_left_out_has_its_default() -> None:
    """Only a name and a period have to be said; all else is written out, so that later defaults change nothing."""
    assert written(read_rules(PLAIN)) == {
        "name": "Most clicks",
        "period": {"first_day": "2022-01-01", "last_day": "2022-03-31"},
        "scoring": {
            "metric": "clicks",
            "points": None,
            "category_multipliers": {},
            "channel_multipliers": {},
            "caps": {
                "clicks_per_advocate_day": None,
                "clicks_per_link_day": None,
                "clicks_per_visitor_advocate_day": None,
            },
        },
        "eligibility": {
            "teams": None,
            "roles": None,
            "excluded_roles": [],
            "excluded_teams": [],
            "excluded_advocates": [],
        },
        "teams": {"min_active": 1},
        "tie_break": ["conversions", "earliest"],
        "prizes": None,
        "dispute_days": 7,
        "finalize": "by_hand",
    }


def test_what_is_said_is_read_and_written() -> None:
    """Nothing is lost, and decimals stay what they are."""
    rules = read_rules(TOLD)
    assert rules.scoring.weights == Weights(Decimal(1), Decimal(0), Decimal(25), Decimal("0.01"))
    assert (rules.by_clock, rules.tie_break) == (True, (TieBreak.EARLIEST, TieBreak.CONVERSIONS))
    assert written(rules) == TOLD


def test_a_whole_number_is_as_good_as_a_text() -> None:
    """It is written as a text, without needless digits."""
    scoring = {"metric": "points", "points": {"click": 100, "conversion": "2.50"}, "channel_multipliers": {"x": "0.0"}}
    told = written(read_rules(PLAIN | {"scoring": scoring}))["scoring"]
    assert told["points"] == {"click": "100", "visitor_day": "0", "conversion": "2.5", "value": "0"}
    assert told["channel_multipliers"] == {"x": "0"}


def test_the_longest_period_is_two_years() -> None:
    """731 days, both ends included; one day is a period as well."""
    longest = read_rules(PLAIN | {"period": {"first_day": "2023-01-01", "last_day": "2024-12-31"}})
    assert (longest.last_day - longest.first_day).days == 730
    shortest = read_rules(PLAIN | {"period": {"first_day": "2023-01-01", "last_day": "2023-01-01"}})
    assert shortest.first_day == shortest.last_day


@pytest.mark.parametrize("metric", WEIGHTS_OF)
def test_a_metric_is_short_for_one_point_a_thing(metric: Metric) -> None:
    scoring = read_rules(PLAIN | {"scoring": {"metric": metric.value}}).scoring
    assert scoring.weights == WEIGHTS_OF[metric]


ANY_WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=20)
ANY_IDS = st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True).map(AdvocateId)


def _decimals(most: int, places: int) -> st.SearchStrategy[Decimal]:
    return st.decimals(0, most, places=places)


def _sets(least: int, letters: str) -> st.SearchStrategy[frozenset[str]]:
    words = st.text(letters, min_size=1, max_size=6)
    return st.frozensets(words, min_size=least, max_size=5)


@st.composite
def _scorings(draw: st.DrawFn) -> Scoring:
    metric = draw(st.sampled_from(Metric))
    multipliers = st.dictionaries(ANY_WORDS, _decimals(999, 3), max_size=4)
    cap = st.none() | st.integers(1, 1_000_000)
    if metric is Metric.POINTS:
        weight = _decimals(999_999, 6)
        weights = draw(st.builds(Weights, weight, weight, weight, weight).filter(lambda one: one != Weights()))
        return Scoring(metric, weights, draw(multipliers), draw(multipliers), draw(st.builds(Caps, cap, cap, cap)))
    caps = Caps() if metric is Metric.CONVERSIONS else draw(st.builds(Caps, cap, cap, cap))
    return Scoring(metric, WEIGHTS_OF[metric], {}, {}, caps)


ELIGIBILITIES = st.builds(
    Eligibility,
    teams=st.none() | _sets(1, "abc"),
    roles=st.none() | _sets(1, "abc"),
    excluded_roles=_sets(0, "xyz"),
    excluded_teams=_sets(0, "xyz"),
    excluded_advocates=st.frozensets(ANY_IDS, max_size=5),
)
PRIZES = st.builds(
    Prizes,
    currency=st.sampled_from(sorted(CURRENCIES)).map(Currency),
    amounts_minor=st.lists(st.integers(0, 10**15), min_size=1, max_size=100).map(
        lambda amounts: tuple(sorted(amounts, reverse=True))
    ),
    ties=st.sampled_from(PrizeTies),
)


@st.composite
def _rules(draw: st.DrawFn) -> Rules:
    first, last = sorted(draw(st.tuples(*[st.dates(date(2022, 1, 1), date(2023, 12, 31))] * 2)))
    return Rules(
        name=draw(ANY_WORDS),
        first_day=first,
        last_day=last,
        scoring=draw(_scorings()),
        eligibility=draw(ELIGIBILITIES),
        teams_min_active=draw(st.integers(1, 1_000)),
        tie_break=tuple(draw(st.lists(st.sampled_from(TieBreak), unique=True))),
        prizes=draw(st.none() | PRIZES),
        dispute_days=draw(st.integers(0, 60)),
        by_clock=draw(st.booleans()),
    )


@given(_rules())
def test_rules_that_are_written_are_read_as_they_were(rules: Rules) -> None:
    """Through JSON and back; and what is written of them again is the same to the byte."""
    document = json.dumps(written(rules))
    again = read_rules(json.loads(document))
    assert again == rules
    assert json.dumps(written(again)) == document


def _version(version: int, from_day: str) -> RulesVersion:
    return RulesVersion(version, date.fromisoformat(from_day), read_rules(PLAIN))


def test_the_last_version_that_was_put_for_a_day_holds() -> None:
    """A later word about earlier days is also one about those after: the period of a contest may be moved ahead."""
    versions = [
        _version(1, "2022-01-10"),
        _version(2, "2022-01-01"),
        _version(3, "2022-02-01"),
        _version(4, "2022-02-01"),
    ]
    by_day = {day: version_on(versions, date.fromisoformat(day)).version for day in ("2022-01-05", "2022-01-31")}
    assert by_day == {"2022-01-05": 2, "2022-01-31": 2}
    assert version_on(versions, date(2022, 2, 1)).version == 4
    assert version_on([*versions, _version(5, "2022-01-20")], date(2022, 2, 1)).version == 5
    with pytest.raises(ValueError, match="no rules hold on 2021-12-31"):
        version_on(versions, date(2021, 12, 31))


ASKED: Final = Eligibility(
    teams=frozenset({Team("red"), Team("white")}),
    roles=frozenset({"engineer", "designer"}),
    excluded_roles=frozenset({"executive"}),
    excluded_teams=frozenset({Team("blue")}),
    excluded_advocates=frozenset({AdvocateId("ada")}),
)
RED: Final = PersonOnDay(team=Team("red"), roles=frozenset({"engineer", "speaker"}))


@pytest.mark.parametrize(
    ("advocate_id", "person", "why"),
    [
        ("bob", RED, None),
        ("bob", PersonOnDay(team=Team("red"), excluded=True), WhyAbsent.EXCLUDED),
        ("bob", PersonOnDay(team=Team("red"), roles=frozenset({"engineer", "executive"})), WhyAbsent.EXCLUDED_ROLE),
        ("bob", PersonOnDay(team=Team("blue"), roles=RED.roles), WhyAbsent.EXCLUDED_TEAM),
        ("ada", RED, WhyAbsent.EXCLUDED_ADVOCATE),
        ("bob", PersonOnDay(roles=RED.roles), WhyAbsent.NOT_ELIGIBLE),
        ("bob", PersonOnDay(team=Team("red"), roles=frozenset({"speaker"})), WhyAbsent.NOT_ELIGIBLE),
        ("bob", PersonOnDay(team=Team("red"), roles=RED.roles, active=False), WhyAbsent.LEFT),
        ("bob", PersonOnDay(excluded=True, active=False), WhyAbsent.EXCLUDED),
    ],
)
def test_who_takes_no_part_is_told_why(advocate_id: str, person: PersonOnDay, why: WhyAbsent | None) -> None:
    """Of more reasons the first."""
    assert why_absent(ASKED, AdvocateId(advocate_id), person) is why


def test_everybody_takes_part_where_nobody_is_left_out() -> None:
    """Also whoever is in no team and has no role."""
    assert why_absent(Eligibility(), AdvocateId("bob"), PersonOnDay()) is None
