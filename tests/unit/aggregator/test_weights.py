"""Credit sums to exactly all of it, under every model and for any number of touches."""

from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.attributing.weights import MILLIONTHS, millionths, value_parts, weights_of
from link_events.events import TOUCHES_MAX, VALUE_MINOR_MAX
from link_events.reasons import Model

NOON = datetime(2022, 2, 14, 12, tzinfo=UTC)
WEEK = timedelta(days=7)


def _instants() -> st.SearchStrategy[list[datetime]]:
    """In order; some at the same instant, some years apart."""
    ages = st.integers(0, 3) | st.integers(0, 10**15)
    several = st.lists(ages, min_size=1, max_size=20) | st.lists(ages, min_size=TOUCHES_MAX - 1, max_size=TOUCHES_MAX)
    return several.map(lambda ages: sorted(NOON - timedelta(microseconds=age) for age in ages))


@given(_instants(), st.sampled_from(Model), st.timedeltas(timedelta(microseconds=1), timedelta(days=3650)))
def test_millionths_sum_to_all_of_it(instants: list[datetime], model: Model, half_life: timedelta) -> None:
    """And each is what its weight comes to, to within one millionth."""
    weights = weights_of(model, instants, half_life)
    parts = millionths(weights)
    assert sum(parts) == MILLIONTHS
    assert len(parts) == len(instants)
    for weight, part in zip(weights, parts, strict=True):
        assert abs(part - Fraction(weight * MILLIONTHS, sum(weights))) < 1


@pytest.mark.parametrize("model", Model)
def test_whatever_their_number_all_of_it_is_given(model: Model) -> None:
    """To 1 touch and to 200, and to every number between."""
    for count in range(1, TOUCHES_MAX + 1):
        instants = [NOON - timedelta(hours=count - number) for number in range(count)]
        assert sum(millionths(weights_of(model, instants, timedelta(days=7)))) == MILLIONTHS, count


@given(st.integers(0, VALUE_MINOR_MAX), st.lists(st.integers(0, 10**18), min_size=1, max_size=TOUCHES_MAX).filter(any))
def test_parts_of_a_value_sum_to_it(value: int, weights: list[int]) -> None:
    """And each is what its millionths come to, to within one minor unit."""
    shares = millionths(weights)
    parts = value_parts(value, shares)
    assert sum(parts) == value
    for share, part in zip(shares, parts, strict=True):
        assert abs(part - Fraction(value * share, MILLIONTHS)) < 1


@pytest.mark.parametrize(
    ("model", "ages_days", "expected"),
    [
        (Model.LAST, [9, 3, 0], [0, 0, 1_000_000]),
        (Model.FIRST, [9, 3, 0], [1_000_000, 0, 0]),
        (Model.LINEAR, [9, 3, 0], [333_333, 333_333, 333_334]),
        (Model.LINEAR, [9, 8, 7, 6, 5, 0], [166_666, 166_666, 166_667, 166_667, 166_667, 166_667]),
        (Model.POSITION, [9], [1_000_000]),
        (Model.POSITION, [9, 0], [500_000, 500_000]),
        (Model.POSITION, [9, 3, 0], [400_000, 200_000, 400_000]),
        (Model.POSITION, [9, 3, 1, 0], [400_000, 100_000, 100_000, 400_000]),
        (Model.POSITION, [9, 5, 3, 1, 0], [400_000, 66_666, 66_667, 66_667, 400_000]),
        (Model.TIME_DECAY, [14, 7, 0], [142_857, 285_714, 571_429]),
        (Model.TIME_DECAY, [7, 7], [500_000, 500_000]),
        (Model.TIME_DECAY, [7000, 0], [0, 1_000_000]),
    ],
)
def test_each_model_shares_out_as_its_name_says(model: Model, ages_days: list[int], expected: list[int]) -> None:
    """What is left over goes to those that were cut by most, of equal ones to the later."""
    instants = [NOON - timedelta(days=age) for age in ages_days]
    assert millionths(weights_of(model, instants, WEEK)) == expected


def test_time_decay_halves_with_each_half_life() -> None:
    """To eighteen digits, whatever the length of the half-life."""
    half_life = timedelta(days=1, microseconds=1)
    instants = [NOON - count * half_life for count in (2, 1, 0)]
    assert weights_of(Model.TIME_DECAY, instants, half_life) == [10**18 // 4, 10**18 // 2, 10**18]


@given(st.integers(0, 10**15), st.timedeltas(timedelta(microseconds=1), timedelta(days=3650)))
def test_time_decay_is_what_decimals_say(age: int, half_life: timedelta) -> None:
    """To the last of eighteen digits, reckoned with many more."""
    with localcontext() as context:
        context.prec = 60
        exact = 10**18 * Decimal("0.5") ** (Decimal(age) / (half_life // timedelta(microseconds=1)))
        expected = int(exact.to_integral_value(ROUND_HALF_EVEN))
    instants = [NOON - timedelta(microseconds=age), NOON]
    assert weights_of(Model.TIME_DECAY, instants, half_life) == [expected, 10**18]


@given(st.integers(0, 70))
def test_time_decay_is_exact_at_whole_half_lives(count: int) -> None:
    """What lies between two weights goes to the even one."""
    assert weights_of(Model.TIME_DECAY, [NOON - count * WEEK, NOON], WEEK)[0] == round(Fraction(10**18, 2**count))
