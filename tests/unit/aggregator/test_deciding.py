"""What becomes of a conversion: each state, each edge of the window, and that the order of its touches says nothing."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.attributing.deciding import Bound, Claim, Found, Policy, bound_by, decide
from aggregator.attributing.money import SAME_CURRENCY, RateOn
from aggregator.attributing.touches import Touch, TouchFacts, outcome_of
from aggregator.attributing.weights import MILLIONTHS
from link_events.identity import AdvocateId, ConversionKey, Currency, JournalId, LinkId, Origin, Seq
from link_events.reasons import ConversionState, Earning, Model, TouchOutcome, Verdict
from link_events.streams import Partition, Stream

NOON = datetime(2022, 2, 14, 12, tzinfo=UTC)
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
MICROSECOND = timedelta(microseconds=1)

POLICY = Policy(
    model=Model.LAST,
    window=30 * DAY,
    windows={"lead": 7 * DAY},
    half_life=7 * DAY,
    earning=Earning.COUNTED,
    pending=7 * DAY,
    currency=Currency("EUR"),
)
CLAIM = Claim(1, ConversionKey("shop", "sale", "A-1"), NOON, NOON.date(), NOON + SECOND, names_clicks=True)
SOLD = replace(CLAIM, value_minor=1_000, currency=Currency("USD"))
FOLLOWER = replace(CLAIM, names_clicks=False)
USD = RateOn(Decimal("0.9"), date(2022, 2, 1))


def _touch(seq: int = 1, **facts: Any) -> Touch:
    """A counted click of an hour before, unless told."""
    known = TouchFacts(
        clicked_at=NOON - timedelta(hours=1),
        day=NOON.date(),
        advocate_id=AdvocateId("ada"),
        link_id=LinkId(1),
        verdict=Verdict.COUNTED,
        reasons=(),
        self_click=False,
        test=False,
    )
    return replace(_unknown(seq), facts=replace(known, **facts))


def _unknown(seq: int = 1) -> Touch:
    return Touch(Origin(JournalId(b"journal1"), Stream.CLICKS, Partition(3), Seq(seq)), NOON.date())


COUNTED = _touch(1)
OWN = _touch(2, self_click=True, verdict=Verdict.NOT_COUNTED, reasons=("self_click",))
BOT = _touch(3, verdict=Verdict.NOT_COUNTED, reasons=("method_head",))
OLD = _touch(4, clicked_at=NOON - 30 * DAY)
LATER = _touch(5, clicked_at=NOON + MICROSECOND)
REPEAT = _touch(6, verdict=Verdict.NOT_COUNTED, reasons=("repeat",))
REVIEW = _touch(7, verdict=Verdict.REVIEW, reasons=("flood",))
TRIAL = _touch(8, test=True, verdict=Verdict.NOT_COUNTED, reasons=("test",))
UNKNOWN = _unknown(9)


@pytest.mark.parametrize(
    ("claim", "found", "after", "state"),
    [
        (CLAIM, Found([COUNTED, BOT, UNKNOWN]), 0 * DAY, ConversionState.CREDITED),
        (SOLD, Found([COUNTED], rate=USD), 0 * DAY, ConversionState.CREDITED),
        (SOLD, Found([COUNTED]), 0 * DAY, ConversionState.UNKNOWN_CURRENCY),
        (SOLD, Found([COUNTED], rate=RateOn(Decimal(10) ** 14)), 0 * DAY, ConversionState.VALUE_TOO_LARGE),
        (SOLD, Found([COUNTED], reversals=[700, 300]), 0 * DAY, ConversionState.CREDITED),
        (SOLD, Found([BOT]), 0 * DAY, ConversionState.NOT_COUNTED_CLICK),
        (SOLD, Found([COUNTED], reversals=[300, None]), 0 * DAY, ConversionState.REVERSED),
        (replace(CLAIM, test=True), Found([COUNTED]), 0 * DAY, ConversionState.TEST),
        (replace(CLAIM, test=True), Found(reversals=[None]), 0 * DAY, ConversionState.REVERSED),
        (CLAIM, Found([BOT, UNKNOWN]), 7 * DAY, ConversionState.PENDING_CLICK),
        (CLAIM, Found([BOT, UNKNOWN]), 7 * DAY + SECOND, ConversionState.NOT_COUNTED_CLICK),
        (CLAIM, Found([UNKNOWN]), 7 * DAY + SECOND - MICROSECOND, ConversionState.PENDING_CLICK),
        (CLAIM, Found([UNKNOWN]), 7 * DAY + SECOND, ConversionState.UNKNOWN_CLICK),
        (CLAIM, Found([OWN, OWN]), 0 * DAY, ConversionState.SELF),
        (CLAIM, Found([OWN, LATER]), 0 * DAY, ConversionState.PRECEDES_CLICK),
        (CLAIM, Found([OWN, LATER, OLD]), 0 * DAY, ConversionState.OUTSIDE_WINDOW),
        (CLAIM, Found([OWN, LATER, OLD, BOT]), 0 * DAY, ConversionState.NOT_COUNTED_CLICK),
        (FOLLOWER, Found(), 0 * DAY, ConversionState.PENDING_CLICK),
        (FOLLOWER, Found(), 8 * DAY, ConversionState.UNKNOWN_CLICK),
        (FOLLOWER, Found(bound=Bound(2, [OLD])), 0 * DAY, ConversionState.CREDITED),
    ],
)
def test_each_state_has_its_reason(claim: Claim, found: Found, after: timedelta, state: ConversionState) -> None:
    """And it is credited exactly where it has credits, which sum to all of it under every model."""
    attribution = decide(claim, found, POLICY, NOON + after)
    assert attribution.state is state
    sums = {sum(credit.models[model] for credit in attribution.credits) for model in Model}
    sums.add(sum(credit.counted_millionths for credit in attribution.credits))
    assert sums == {MILLIONTHS if state is ConversionState.CREDITED else 0}
    assert sum(credit.value_minor for credit in attribution.credits) == (attribution.credited_value_minor or 0)


@pytest.mark.parametrize(
    ("kind", "age", "outcome"),
    [
        ("sale", 30 * DAY - SECOND, TouchOutcome.EARNS),
        ("sale", 30 * DAY - MICROSECOND, TouchOutcome.EARNS),
        ("sale", 30 * DAY, TouchOutcome.OUTSIDE_WINDOW),
        ("sale", 30 * DAY + SECOND, TouchOutcome.OUTSIDE_WINDOW),
        ("lead", 7 * DAY - SECOND, TouchOutcome.EARNS),
        ("lead", 7 * DAY, TouchOutcome.OUTSIDE_WINDOW),
        ("sale", 0 * DAY, TouchOutcome.EARNS),
        ("sale", -MICROSECOND, TouchOutcome.PRECEDES_CLICK),
    ],
)
def test_the_window_is_half_open(kind: str, age: timedelta, outcome: TouchOutcome) -> None:
    """A click earns from its own instant on, and not any more when the window is over."""
    touch = _touch(clicked_at=NOON - age)
    assert outcome_of(touch, NOON, POLICY.window_of(kind), Earning.COUNTED) is outcome


@pytest.mark.parametrize(
    ("earning", "earns"),
    [
        (Earning.COUNTED, [COUNTED]),
        (Earning.REPEATS, [COUNTED, REPEAT]),
        (Earning.ANY, [COUNTED, REPEAT, REVIEW, BOT]),
    ],
)
def test_the_programme_says_which_verdicts_earn(earning: Earning, earns: Sequence[Touch]) -> None:
    """An advocate's own click and a test never do."""
    every = [COUNTED, REPEAT, REVIEW, BOT, OWN, TRIAL, UNKNOWN]
    assert [touch for touch in every if outcome_of(touch, NOON, DAY, earning) is TouchOutcome.EARNS] == earns


@given(st.lists(st.integers(0, 3), min_size=1, max_size=6), st.randoms(), st.sampled_from(Model))
def test_the_order_in_which_touches_are_named_says_nothing(ages: list[int], random: Any, model: Model) -> None:
    """Also of those at the same instant."""
    touches = [_touch(seq, clicked_at=NOON - age * DAY) for seq, age in enumerate(ages)]
    policy = replace(POLICY, model=model)
    shuffled = random.sample(touches, len(touches))
    expected = decide(SOLD, Found(touches, rate=USD), policy, NOON).credits
    assert decide(SOLD, Found(shuffled, rate=USD), policy, NOON).credits == expected


def test_money_goes_the_way_of_the_counted_model() -> None:
    """What is left of the value, in the programme's currency, with the rate and its day."""
    found = Found([_touch(1, clicked_at=NOON - DAY), _touch(2)], reversals=[1], rate=USD)
    attribution = decide(SOLD, found, replace(POLICY, model=Model.LINEAR), NOON)
    assert (attribution.net_value_minor, attribution.credited_value_minor) == (999, 899)
    assert (attribution.credited_currency, attribution.rate) == ("EUR", USD)
    assert [credit.value_minor for credit in attribution.credits] == [449, 450]
    assert decide(SOLD, replace(found, reversals=[1, None]), POLICY, NOON).net_value_minor == 0
    nothing = decide(CLAIM, found, POLICY, NOON)
    assert (nothing.net_value_minor, nothing.credited_value_minor) == (None, 0)
    same = decide(replace(SOLD, currency=Currency("EUR")), Found([COUNTED], rate=SAME_CURRENCY), POLICY, NOON)
    assert same.credited_value_minor == 1_000


def test_a_customer_is_bound_by_the_first_conversion_that_earns_by_itself() -> None:
    """By when it happened, and by name at the same instant; a test binds nobody, nor does what came after."""
    claims = [
        (replace(CLAIM, conversion_id=2, test=True, occurred_at=NOON - 3 * DAY), [_touch(clicked_at=NOON - 4 * DAY)]),
        (replace(CLAIM, conversion_id=3, occurred_at=NOON - 2 * DAY), [OLD, BOT, UNKNOWN]),
        (replace(CLAIM, conversion_id=4, key=ConversionKey("shop", "sale", "B")), [COUNTED, BOT]),
        (replace(CLAIM, conversion_id=5, key=ConversionKey("shop", "sale", "C")), [COUNTED]),
        (replace(CLAIM, conversion_id=6, occurred_at=NOON + MICROSECOND), [COUNTED]),
    ]
    policy = replace(POLICY, window=28 * DAY)
    assert bound_by(reversed(claims), FOLLOWER, policy) == Bound(4, [COUNTED])
    assert bound_by(claims, replace(FOLLOWER, occurred_at=NOON - MICROSECOND), policy) is None
