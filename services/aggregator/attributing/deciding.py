"""What becomes of a conversion, and who earns what of it: a function of what is stored, whatever came first. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from aggregator.attributing.money import RateOn, converted, net_of
from aggregator.attributing.touches import Touch, outcome_of
from aggregator.attributing.weights import millionths, value_parts, weights_of
from link_events.events import VALUE_MINOR_MAX
from link_events.identity import AdvocateId, ConversionKey, Currency, CustomerHash, EventPlace, LinkId
from link_events.reasons import ConversionState, Earning, Model, TouchOutcome
from link_events.streams import Partition

_SPEAKING: Final = (
    (TouchOutcome.NOT_COUNTED, ConversionState.NOT_COUNTED_CLICK),
    (TouchOutcome.OUTSIDE_WINDOW, ConversionState.OUTSIDE_WINDOW),
)
"""Where no touch earns, the first of these that any of them is names the state: what came nearest to earning."""


@dataclass(frozen=True, slots=True)
class Policy:
    """By which rules a programme credits."""

    model: Model
    window: timedelta
    windows: Mapping[str, timedelta]
    """By kind of conversion, where it has one of its own."""
    half_life: timedelta
    earning: Earning
    pending: timedelta
    currency: Currency

    def window_of(self, kind: str) -> timedelta:
        """How long a click may earn conversions of that kind."""
        return self.windows.get(kind, self.window)


@dataclass(frozen=True, slots=True)
class Claim:
    """A conversion as the event that stands for it says."""

    conversion_id: int
    key: ConversionKey
    occurred_at: datetime
    day: date
    logged_at: datetime
    names_clicks: bool
    customer: CustomerHash | None = None
    value_minor: int | None = None
    currency: Currency | None = None
    test: bool = False


@dataclass(frozen=True, slots=True)
class Bound:
    """The conversion that binds a customer, and which of its touches earn: those earn for whatever follows it, too."""

    conversion_id: int
    earning: Sequence[Touch]


@dataclass(frozen=True, slots=True)
class Found:
    """What is stored that a conversion depends on.

    `touches` are its own, `bound` is for one that names no click. Of `reversals` those that are None take back all of
    it. `rate` is the one for its currency on its day.
    """

    touches: Sequence[Touch] = ()
    bound: Bound | None = None
    reversals: Sequence[int | None] = ()
    rate: RateOn | None = None


@dataclass(frozen=True, slots=True)
class Credit:
    """What one click earns of a conversion: millionths under every model, and what of it is in the counts."""

    click: EventPlace
    advocate_id: AdvocateId
    link_id: LinkId
    day: date
    click_day: date
    models: Mapping[Model, int]
    counted_millionths: int
    value_minor: int

    @property
    def partition(self) -> Partition:
        """Where the click's advocate counts."""
        return self.click[1]


@dataclass(frozen=True, slots=True)
class Attribution:
    """What became of a conversion. `outcomes` are of its own touches, in order."""

    state: ConversionState
    outcomes: Sequence[TouchOutcome]
    credits: Sequence[Credit]
    waits_until: datetime
    window: timedelta
    model: Model
    follows: int | None = None
    net_value_minor: int | None = None
    credited_value_minor: int | None = None
    credited_currency: Currency | None = None
    rate: RateOn | None = None


def bound_by(candidates: Iterable[tuple[Claim, Sequence[Touch]]], claim: Claim, policy: Policy) -> Bound | None:
    """Which of a customer's conversions a later one follows that names no click: the first that earns by itself.

    By when they happened, never by when they came. A reversal does not unbind.
    """
    before = [one for one in candidates if one[0].occurred_at <= claim.occurred_at]
    for candidate, touches in sorted(before, key=lambda one: (one[0].occurred_at, one[0].key)):
        earning = _earning(touches, outcomes_of(candidate, touches, policy))
        if earning and not candidate.test:
            return Bound(candidate.conversion_id, earning)
    return None


def outcomes_of(claim: Claim, touches: Iterable[Touch], policy: Policy) -> list[TouchOutcome]:
    """What each touch is to the conversion that names it."""
    window = policy.window_of(claim.key.kind)
    return [outcome_of(touch, claim.occurred_at, window, policy.earning) for touch in touches]


def decide(claim: Claim, found: Found, policy: Policy, now: datetime) -> Attribution:
    """What becomes of a conversion, given what was found of what it depends on."""
    outcomes = outcomes_of(claim, found.touches, policy)
    earning = found.bound.earning if found.bound else _earning(found.touches, outcomes)
    waits_until = claim.logged_at + policy.pending
    net = _net(claim, found.reversals)
    value = _credited_value(claim, net, found.rate, policy)
    if None in found.reversals:
        state = ConversionState.REVERSED
    elif claim.test:
        state = ConversionState.TEST
    elif earning:
        state = _state_of_value(value)
    else:
        state = _state_of_none(outcomes, waits=now < waits_until)
    is_credited = state is ConversionState.CREDITED and value is not None
    return Attribution(
        state=state,
        outcomes=outcomes,
        credits=credits_of(earning, value or 0, claim.day, policy) if is_credited else (),
        waits_until=waits_until,
        window=policy.window_of(claim.key.kind),
        model=policy.model,
        follows=found.bound.conversion_id if found.bound else None,
        net_value_minor=net,
        credited_value_minor=value if is_credited else None,
        credited_currency=policy.currency if is_credited else None,
        rate=found.rate if is_credited or state is ConversionState.VALUE_TOO_LARGE else None,
    )


def credits_of(earning: Iterable[Touch], value: int, day: date, policy: Policy) -> Sequence[Credit]:
    """What each earning touch of a conversion of that day and value earns, in order of the clicks."""
    known = sorted(
        ((touch.click.place, touch.facts) for touch in earning if touch.facts),
        key=lambda one: (one[1].clicked_at, one[0]),
    )
    instants = [facts.clicked_at for _, facts in known]
    parts = {model: millionths(weights_of(model, instants, policy.half_life)) for model in Model}
    values = value_parts(value, parts[policy.model])
    return [
        Credit(
            click=name,
            advocate_id=facts.advocate_id,
            link_id=facts.link_id,
            day=day,
            click_day=facts.day,
            models={model: parts[model][place] for model in Model},
            counted_millionths=parts[policy.model][place],
            value_minor=values[place],
        )
        for place, (name, facts) in enumerate(known)
    ]


def _earning(touches: Sequence[Touch], outcomes: Sequence[TouchOutcome]) -> Sequence[Touch]:
    both = zip(touches, outcomes, strict=True)
    return [touch for touch, outcome in both if outcome is TouchOutcome.EARNS]


def _net(claim: Claim, reversals: Sequence[int | None]) -> int | None:
    if claim.value_minor is None:
        return None
    return 0 if None in reversals else net_of(claim.value_minor, [one for one in reversals if one is not None])


def _credited_value(claim: Claim, net: int | None, rate: RateOn | None, policy: Policy) -> int | None:
    """The value in the programme's currency; None where there is no rate for it."""
    if not net or claim.currency is None:
        return 0
    if rate is None:
        return None
    return converted(net, claim.currency, policy.currency, rate.rate)


def _state_of_value(value: int | None) -> ConversionState:
    """The state of a conversion that clicks earn, by its value in the programme's currency."""
    if value is None:
        return ConversionState.UNKNOWN_CURRENCY
    return ConversionState.CREDITED if value <= VALUE_MINOR_MAX else ConversionState.VALUE_TOO_LARGE


def _state_of_none(outcomes: Sequence[TouchOutcome], *, waits: bool) -> ConversionState:
    """The state of a conversion of which no touch earns; one that names none waits for its customer to be bound."""
    known = [outcome for outcome in outcomes if outcome is not TouchOutcome.UNKNOWN]
    if waits and (len(known) < len(outcomes) or not outcomes):
        return ConversionState.PENDING_CLICK
    if not known:
        return ConversionState.UNKNOWN_CLICK
    if all(outcome is TouchOutcome.SELF for outcome in known):
        return ConversionState.SELF
    for outcome, state in _SPEAKING:
        if outcome in known:
            return state
    return ConversionState.PRECEDES_CLICK
