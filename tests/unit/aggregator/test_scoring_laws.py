"""Laws of scoring: no order matters, nothing is lost, no cap is exceeded, and differences lead from before to after."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from aggregator.contests.rules import Caps, Metric, Scoring, Weights
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
from aggregator.scoring.differing import differences
from link_events.identity import EventPlace, JournalId, LinkId, Seq, Team
from link_events.reasons import ScoreKind
from link_events.streams import Partition

RED: Final = Team("red")
LINKS: Final = st.integers(1, 4).map(LinkId)
INSTANTS: Final = st.integers(0, 5).map(lambda second: datetime(2022, 1, 5, 0, 0, second, tzinfo=UTC))
PLACES: Final = st.builds(
    EventPlace, st.just(JournalId(bytes(8))), st.integers(0, 1).map(Partition), st.integers(1, 60).map(Seq)
)
CLICKS: Final = st.lists(
    st.builds(CountedClick, INSTANTS, PLACES, LINKS, st.none() | st.sampled_from("xyz")),
    unique_by=lambda click: click.place,
    max_size=25,
)
CREDITS: Final = st.lists(
    st.builds(CreditedConversion, INSTANTS, st.integers(1, 9), LINKS, st.integers(0, 10**6), st.integers(0, 10**15)),
    max_size=8,
)
CAPS: Final = st.builds(Caps, *[st.none() | st.integers(1, 5)] * 3)
MULTIPLIERS: Final = st.dictionaries(st.sampled_from("ab"), st.decimals(0, 999, places=3))
WEIGHTS: Final = st.builds(Weights, *[st.decimals(0, 999_999, places=6)] * 4)
SCORINGS: Final = st.builds(Scoring, st.just(Metric.POINTS), WEIGHTS, MULTIPLIERS, MULTIPLIERS, CAPS)
TRAITS: Final = st.dictionaries(LINKS, st.builds(LinkTraits, *[st.none() | st.sampled_from("abc")] * 2))
TALLIES: Final = st.dictionaries(
    st.builds(TallyKey, st.sampled_from([RED, Team("")]), LINKS, st.sampled_from(ScoreKind)),
    st.builds(Tally, st.integers(1, 3), st.integers(0, 2), st.none() | INSTANTS),
    max_size=6,
)

NOTHING: Final = Tally(0, 0, None)


@given(CLICKS, CREDITS, SCORINGS, TRAITS, st.randoms())
def test_no_order_of_arrival_matters(
    clicks: Sequence[CountedClick],
    credited: Sequence[CreditedConversion],
    scoring: Scoring,
    traits: Mapping[LinkId, LinkTraits],
    random: Random,
) -> None:
    """Shuffled, a day scores the same, tally by tally and in the same order of them."""
    shuffled = DayFacts(random.sample(clicks, len(clicks)), random.sample(credited, len(credited)))
    tallies = score_day(DayFacts(clicks, credited), scoring, traits, RED)
    assert list(score_day(shuffled, scoring, traits, RED).items()) == list(tallies.items())


def _millionths(weight: Decimal, of_link: LinkTraits, scoring: Scoring, quantity: Fraction) -> int:
    """The points of one thing, by fractions: `round` takes half to even."""
    category = scoring.category_multipliers.get(of_link.category or "", Decimal(1))
    channel = scoring.channel_multipliers.get(of_link.channel or "", Decimal(1))
    return round(Fraction(weight) * Fraction(category) * Fraction(channel) * quantity * 10**6)


@given(CLICKS, CREDITS, SCORINGS, TRAITS)
def test_the_links_together_are_the_total(
    clicks: Sequence[CountedClick],
    credited: Sequence[CreditedConversion],
    scoring: Scoring,
    traits: Mapping[LinkId, LinkTraits],
) -> None:
    """Points of all tallies are those of all things that score, reckoned one by one in another way."""
    total = 0
    seen = set()
    for click, outcome, _ in clicks_of_day(clicks, scoring.caps):
        if outcome is ClickOutcome.SCORES:
            of_link = traits.get(click.link_id, LinkTraits(None, None))
            total += _millionths(scoring.weights.click, of_link, scoring, Fraction(1))
            if click.visitor is not None and click.visitor not in seen:
                total += _millionths(scoring.weights.visitor_day, of_link, scoring, Fraction(1))
                seen.add(click.visitor)
    for one in credited:
        of_link = traits.get(one.link_id, LinkTraits(None, None))
        total += _millionths(scoring.weights.conversion, of_link, scoring, Fraction(one.millionths, 10**6))
        total += _millionths(scoring.weights.value, of_link, scoring, Fraction(one.value_minor))
    tallies = score_day(DayFacts(clicks, credited), scoring, traits, RED)
    assert sum(tally.points_millionths for tally in tallies.values()) == total
    conversions = [tally.quantity for key, tally in tallies.items() if key.kind is ScoreKind.CONVERSION]
    assert sum(conversions) == sum(one.millionths for one in credited)
    assert all(tally.points_millionths or tally.quantity for tally in tallies.values())


@given(CLICKS, CAPS)
def test_no_cap_is_exceeded_and_none_holds_back_too_early(clicks: Sequence[CountedClick], caps: Caps) -> None:
    """A click is held back exactly when that cap is full by the clicks before it that score."""
    links: Counter[LinkId] = Counter()
    visitors: Counter[str] = Counter()
    outcomes = clicks_of_day(clicks, caps)
    assert sorted(click.place for click, _, _ in outcomes) == sorted(click.place for click in clicks)
    for click, outcome, is_first in outcomes:
        full = {
            ClickOutcome.LINK_CAP: links[click.link_id] == caps.clicks_per_link_day,
            ClickOutcome.VISITOR_CAP: click.visitor is not None
            and visitors[click.visitor] == caps.clicks_per_visitor_advocate_day,
            ClickOutcome.ADVOCATE_CAP: links.total() == caps.clicks_per_advocate_day,
        }
        assert outcome is next((one for one, is_full in full.items() if is_full), ClickOutcome.SCORES)
        if outcome is ClickOutcome.SCORES:
            assert is_first == (click.visitor is not None and not visitors[click.visitor])
            links[click.link_id] += 1
            visitors.update([click.visitor] if click.visitor is not None else [])
        else:
            assert not is_first


@given(CLICKS, SCORINGS)
def test_a_click_more_never_moves_one_before_it(clicks: Sequence[CountedClick], scoring: Scoring) -> None:
    """What is last in order changes nothing of what was before: a running day only gains."""
    last = max(clicks, key=lambda click: (click.occurred_at, click.place), default=None)
    if last is not None:
        before = [click for click in clicks if click is not last]
        assert clicks_of_day(clicks, scoring.caps)[:-1] == clicks_of_day(before, scoring.caps)


@given(TALLIES, TALLIES)
def test_differences_lead_from_before_to_after(
    before: Mapping[TallyKey, Tally], after: Mapping[TallyKey, Tally]
) -> None:
    """Also where only the instant has moved, of which the ledger has no entry; nothing that stays is told."""
    tallies = dict(before)
    found = differences(before, after)
    for one in found:
        had = tallies.get(one.key, NOTHING)
        points, quantity = had.points_millionths + one.points_millionths, had.quantity + one.quantity
        tallies[one.key] = Tally(points, quantity, one.reached_at)
        assert one.is_entry == ((points, quantity) != (had.points_millionths, had.quantity))
        assert tallies[one.key] != had
    assert {key: tally for key, tally in tallies.items() if tally != NOTHING} == after
    assert [one.key for one in found] == sorted(one.key for one in found)


@given(TALLIES)
def test_nothing_differs_from_itself(tallies: Mapping[TallyKey, Tally]) -> None:
    """And to nothing, all of it goes."""
    assert differences(tallies, tallies) == []
    assert [(one.key, -one.points_millionths, -one.quantity) for one in differences(tallies, {})] == [
        (key, tally.points_millionths, tally.quantity) for key, tally in sorted(tallies.items())
    ]


def test_an_instant_that_moved_alone_is_no_entry() -> None:
    key, noon = TallyKey(RED, LinkId(1), ScoreKind.CLICK), datetime(2022, 1, 5, 12, tzinfo=UTC)
    (moved,) = differences({key: Tally(5, 1, noon)}, {key: Tally(5, 1, noon + timedelta(seconds=1))})
    assert (moved.points_millionths, moved.quantity, moved.is_entry) == (0, 0, False)
    assert moved.reached_at == noon + timedelta(seconds=1)
