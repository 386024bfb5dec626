"""A day scores what counts on it: caps hold in order of the clicks, weights and multipliers to the millionth."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Final

import pytest

from aggregator.contests.rules import WEIGHTS_OF, Caps, Metric, Scoring, Weights
from aggregator.scoring.days import (
    ClickOutcome,
    CountedClick,
    CreditedConversion,
    DayFacts,
    LinkTraits,
    Tally,
    TallyKey,
    clicks_of_day,
    score_day,
)
from link_events.identity import EventPlace, JournalId, LinkId, Seq, Team
from link_events.reasons import ScoreKind
from link_events.streams import Partition

NOON: Final = datetime(2022, 1, 5, 12, tzinfo=UTC)
RED: Final = Team("red")
ONE: Final = 1_000_000
SCORES, LINK, VISITOR, ADVOCATE = ClickOutcome


def _at(second: int) -> datetime:
    return NOON + timedelta(seconds=second)


def _click(second: int, link: int = 1, visitor: str | None = None, seq: int = 1) -> CountedClick:
    place = EventPlace(JournalId(bytes(8)), Partition(0), Seq(seq))
    return CountedClick(_at(second), place, LinkId(link), visitor)


def _credit(second: int, millionths: int, value_minor: int = 0, link: int = 1) -> CreditedConversion:
    return CreditedConversion(_at(second), second, LinkId(link), millionths, value_minor)


def _scoring(
    metric: Metric = Metric.CLICKS,
    caps: Caps | None = None,
    categories: Mapping[str, str] | None = None,
    channels: Mapping[str, str] | None = None,
    **weights: str,
) -> Scoring:
    given = Weights(**{name: Decimal(weight) for name, weight in weights.items()})
    return Scoring(
        Metric.POINTS if weights else metric,
        given if weights else WEIGHTS_OF[metric],
        {word: Decimal(by) for word, by in (categories or {}).items()},
        {word: Decimal(by) for word, by in (channels or {}).items()},
        caps or Caps(),
    )


def _score(
    facts: DayFacts, scoring: Scoring, traits: Mapping[LinkId, LinkTraits] | None = None, team: Team | None = RED
) -> Mapping[tuple[int, str], Tally]:
    """Tallies by link and kind; all are of the team."""
    tallies = score_day(facts, scoring, traits or {}, team)
    assert {key.team for key in tallies} <= {team}
    return {(key.link_id, key.kind): tally for key, tally in tallies.items()}


def _outcomes(clicks: list[CountedClick], caps: Caps) -> list[tuple[int, ClickOutcome, bool]]:
    seconds = [(click.occurred_at - NOON, outcome, first) for click, outcome, first in clicks_of_day(clicks, caps)]
    return [(since.seconds, outcome, first) for since, outcome, first in seconds]


def test_the_clicks_that_happened_first_fill_a_cap() -> None:
    """Of those of one instant, the first by name; in whatever order they came."""
    late, early, twin = _click(2), _click(1), _click(1, seq=2)
    caps = Caps(clicks_per_advocate_day=2)
    assert [(click, outcome) for click, outcome, _ in clicks_of_day([late, twin, early], caps)] == [
        (early, SCORES), (twin, SCORES), (late, ADVOCATE),
    ]  # fmt: skip


def test_a_link_that_is_full_leaves_others_theirs() -> None:
    """A click of it fills neither its visitor's cap nor the advocate's."""
    clicks = [_click(1, 1, "x"), _click(2, 1, "y"), _click(3, 2, "y"), _click(4, 2, "z"), _click(5, 3, "z")]
    caps = Caps(clicks_per_advocate_day=2, clicks_per_link_day=1, clicks_per_visitor_advocate_day=1)
    assert _outcomes(clicks, caps) == [
        (1, SCORES, True), (2, LINK, False), (3, SCORES, True), (4, LINK, False), (5, ADVOCATE, False),
    ]  # fmt: skip


def test_a_visitor_who_is_full_leaves_others_theirs() -> None:
    """On all of an advocate's links together; clicks without a visitor are under no visitor's cap."""
    clicks = [_click(1, 1, "x"), _click(2, 2, "x"), _click(3, 1), _click(4, 1), _click(5, 2, "y")]
    assert _outcomes(clicks, Caps(clicks_per_visitor_advocate_day=1)) == [
        (1, SCORES, True), (2, VISITOR, False), (3, SCORES, False), (4, SCORES, False), (5, SCORES, True),
    ]  # fmt: skip


def test_of_more_caps_that_are_full_the_first_is_told() -> None:
    """The link's, the visitor's, the advocate's."""
    ones = {"clicks_per_link_day": 1, "clicks_per_visitor_advocate_day": 1, "clicks_per_advocate_day": 1}
    caps = Caps(**ones)
    clicks = [_click(1, 1, "x"), _click(2, 1, "x"), _click(3, 2, "x"), _click(4, 2, "y")]
    assert [outcome for _, outcome, _ in _outcomes(clicks, caps)] == [SCORES, LINK, VISITOR, ADVOCATE]


def test_a_visitor_day_is_at_the_first_click_that_no_cap_holds_back() -> None:
    """Each visitor is one of an advocate's day, whatever links they click; nobody is none."""
    clicks = [_click(1, 1, "w"), _click(2, 1, "x"), _click(3, 2, "x"), _click(4, 3, "x"), _click(5, 2)]
    scoring = _scoring(Metric.VISITOR_DAYS, Caps(clicks_per_link_day=1))
    assert _score(DayFacts(clicks, ()), scoring) == {
        (1, ScoreKind.VISITOR_DAY): Tally(ONE, 1, _at(1)),
        (2, ScoreKind.VISITOR_DAY): Tally(ONE, 1, _at(3)),
    }


def test_clicks_are_tallied_by_link_until_the_last_that_scores() -> None:
    clicks = [_click(1, 1), _click(3, 1), _click(2, 2), _click(4, 1)]
    assert _score(DayFacts(clicks, ()), _scoring(caps=Caps(clicks_per_advocate_day=3))) == {
        (1, ScoreKind.CLICK): Tally(2 * ONE, 2, _at(3)),
        (2, ScoreKind.CLICK): Tally(ONE, 1, _at(2)),
    }


def test_multipliers_are_of_the_links_category_and_channel() -> None:
    """One that is not named has 1, as has a link that has none; both together are multiplied."""
    traits = {
        LinkId(1): LinkTraits("events", "mail"),
        LinkId(2): LinkTraits("events", "chat"),
        LinkId(3): LinkTraits("blog", None),
        LinkId(4): LinkTraits(None, "mail"),
    }
    scoring = _scoring(click="2", categories={"events": "1.5"}, channels={"mail": "0.125"})
    tallies = _score(DayFacts([_click(link, link) for link in range(1, 6)], ()), scoring, traits)
    assert {link: tally.points_millionths for (link, _), tally in tallies.items()} == {
        1: 375_000, 2: 3 * ONE, 3: 2 * ONE, 4: 250_000, 5: 2 * ONE,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("weight", "multiplier", "points"),
    [
        ("0.000001", "0.5", 0),  # half a millionth goes to the even one
        ("0.000003", "0.5", 2),
        ("0.000005", "0.5", 2),
        ("0.000001", "0.501", 1),
        ("0.000001", "0.499", 0),
        ("999999.999999", "999.999", 999_998_999_999_000),
        ("999999.999999", "1.001", 1_000_999_999_999),
    ],
)
def test_each_thing_is_rounded_by_itself(weight: str, multiplier: str, points: int) -> None:
    """To a millionth, half to even: two clicks are twice one, not the whole rounded once."""
    scoring = _scoring(click=weight, categories={"x": multiplier})
    traits = {LinkId(1): LinkTraits("x", None)}
    (tally,) = _score(DayFacts([_click(1), _click(2)], ()), scoring, traits).values()
    assert (tally.points_millionths, tally.quantity) == (2 * points, 2)
    assert tally.reached_at == (_at(2) if points else None)


def test_a_conversion_earns_by_its_share_and_its_value() -> None:
    """A third of one is worth a third; values are per minor unit, and nothing caps either."""
    traits = {LinkId(1): LinkTraits("events", None)}
    scoring = _scoring(conversion="25", value="0.01", categories={"events": "2"}, caps=Caps(1, 1, 1))
    credited = [_credit(1, 333_333, 1_000), _credit(5, ONE), _credit(3, ONE, 7, link=2)]
    assert _score(DayFacts((), credited), scoring, traits) == {
        (1, ScoreKind.CONVERSION): Tally(50 * 1_333_333, 1_333_333, _at(5)),
        (1, ScoreKind.VALUE): Tally(20 * ONE, 1_000, _at(1)),
        (2, ScoreKind.CONVERSION): Tally(25 * ONE, ONE, _at(3)),
        (2, ScoreKind.VALUE): Tally(70_000, 7, _at(3)),
    }


def test_the_greatest_value_loses_no_millionth() -> None:
    """Most digits that rules and a conversion can have together."""
    scoring = _scoring(value="999999.999999", categories={"x": "999.999"}, channels={"y": "999.999"})
    facts = DayFacts((), [_credit(1, ONE, 10**15 - 1)])
    tallies = _score(facts, scoring, {LinkId(1): LinkTraits("x", "y")})
    exact = Fraction(999_999_999_999 * 999_999 * 999_999 * (10**15 - 1), 10**6)
    assert tallies[1, ScoreKind.VALUE].points_millionths == round(exact)


def test_conversions_are_told_where_they_have_no_points() -> None:
    """Equals are told apart by them. What else has the weight 0 is not told, nor what comes to nothing."""
    facts = DayFacts([_click(1, 1, "x")], [_credit(2, 400_000, 5), _credit(3, 0, link=2)])
    assert _score(facts, _scoring()) == {
        (1, ScoreKind.CLICK): Tally(ONE, 1, _at(1)),
        (1, ScoreKind.CONVERSION): Tally(0, 400_000, None),
    }
    assert _score(facts, _scoring(Metric.CONVERSIONS)) == {(1, ScoreKind.CONVERSION): Tally(400_000, 400_000, _at(2))}


def test_a_multiplier_of_nothing_leaves_the_quantity() -> None:
    """The clicks are there; no points are reached by them."""
    scoring = _scoring(click="1", channels={"mail": "0"})
    assert _score(DayFacts([_click(1)], ()), scoring, {LinkId(1): LinkTraits(None, "mail")}) == {
        (1, ScoreKind.CLICK): Tally(0, 1, None)
    }


def test_who_takes_no_part_scores_nothing() -> None:
    """And who takes part in no team scores in none."""
    facts = DayFacts([_click(1)], [_credit(1, ONE)])
    assert score_day(facts, _scoring(), {}, None) == {}
    assert TallyKey(Team(""), LinkId(1), ScoreKind.CLICK) in score_day(facts, _scoring(), {}, Team(""))


def test_of_days_whose_clicks_were_let_go_conversions_are_scored() -> None:
    """It speaks for them alone, and for adjustments never."""
    facts = DayFacts([_click(1)], [_credit(1, ONE)], clicks_known=False)
    assert _score(facts, _scoring(click="1", conversion="1")) == {(1, ScoreKind.CONVERSION): Tally(ONE, ONE, _at(1))}
    assert facts.kinds == {ScoreKind.CONVERSION, ScoreKind.VALUE}
    assert DayFacts((), ()).kinds == set(ScoreKind) - {ScoreKind.ADJUSTMENT}
