"""What an advocate's local day scores in a contest: a function of what is stored, in whatever order it came. Pure.

Clicks fill caps in the order in which they happened, never in that of the log, which outages change.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final, NamedTuple

from aggregator.contests.rules import Caps, Scoring
from aggregator.scoring.weights import MILLIONTHS, multiplied, points_millionths
from link_events.identity import EventPlace, LinkId, Team
from link_events.reasons import ScoreKind
from link_events.values import value

CLICK_KINDS: Final = frozenset({ScoreKind.CLICK, ScoreKind.VISITOR_DAY})
CONVERSION_KINDS: Final = frozenset({ScoreKind.CONVERSION, ScoreKind.VALUE})


class ClickOutcome(StrEnum):
    """What a counted click is to a contest's caps; of more that are full the first."""

    SCORES = "scores"
    LINK_CAP = "link_cap"
    VISITOR_CAP = "visitor_cap"
    ADVOCATE_CAP = "advocate_cap"


@value(frozen=True, slots=True)
class CountedClick:
    """A click that counts."""

    occurred_at: datetime
    place: EventPlace
    link_id: LinkId
    visitor: str | None


@value(frozen=True, slots=True)
class CreditedConversion:
    """What a link earns of a conversion under the model that counts; the instant is the conversion's own."""

    occurred_at: datetime
    conversion_id: int
    link_id: LinkId
    millionths: int
    value_minor: int


@value(frozen=True, slots=True)
class LinkTraits:
    """What multipliers go by."""

    category: str | None
    channel: str | None


_NO_TRAITS: Final = LinkTraits(None, None)
_UNCHANGED: Final = Decimal(1)


@dataclass(frozen=True, slots=True)
class DayFacts:
    """What an advocate's day has that may score. Clicks are not known where raw clicks were let go."""

    clicks: Sequence[CountedClick]
    credits: Sequence[CreditedConversion]
    clicks_known: bool = True

    @property
    def kinds(self) -> frozenset[ScoreKind]:
        """What `score_day` speaks for. Whatever else the day has been given stays as it is."""
        return CLICK_KINDS | CONVERSION_KINDS if self.clicks_known else CONVERSION_KINDS


class TallyKey(NamedTuple):
    """What points of a day are summed by."""

    team: Team
    link_id: LinkId
    kind: ScoreKind


@value(frozen=True, slots=True)
class Tally:
    """Points of a day and of how many things they are; `reached_at` is the latest of those that have points.

    `quantity` is of clicks, visitors, millionths of conversions or minor units, by the kind.
    """

    points_millionths: int
    quantity: int
    reached_at: datetime | None


class _Scored(NamedTuple):
    """One thing that scores."""

    link_id: LinkId
    kind: ScoreKind
    points_millionths: int
    quantity: int
    occurred_at: datetime


def clicks_of_day(clicks: Sequence[CountedClick], caps: Caps) -> Sequence[tuple[CountedClick, ClickOutcome, bool]]:
    """What each of an advocate's clicks of a day is to the caps, in order; and whether it is its visitor's first.

    A click that is capped fills no cap and is nobody's first. One without a visitor is under no visitor's cap.
    """
    of_links: Counter[LinkId] = Counter()
    of_visitors: Counter[str] = Counter()
    scoring = 0
    outcomes = []
    for click in sorted(clicks, key=lambda click: (click.occurred_at, click.place)):
        visitor = click.visitor
        of_visitor = 0 if visitor is None else of_visitors[visitor]
        if _full(of_links[click.link_id], caps.clicks_per_link_day):
            outcome = ClickOutcome.LINK_CAP
        elif _full(of_visitor, caps.clicks_per_visitor_advocate_day):
            outcome = ClickOutcome.VISITOR_CAP
        elif _full(scoring, caps.clicks_per_advocate_day):
            outcome = ClickOutcome.ADVOCATE_CAP
        else:
            outcome = ClickOutcome.SCORES
            scoring += 1
            of_links[click.link_id] += 1
            if visitor is not None:
                of_visitors[visitor] += 1
        is_first = outcome is ClickOutcome.SCORES and visitor is not None and not of_visitor
        outcomes.append((click, outcome, is_first))
    return outcomes


def score_day(
    facts: DayFacts, scoring: Scoring, traits: Mapping[LinkId, LinkTraits], team: Team | None
) -> Mapping[TallyKey, Tally]:
    """What a day scores for an advocate who is in `team` on it; None: they take no part, and nothing scores.

    It says nothing of kinds that are not `facts.kinds`. What comes to nothing has no tally.
    """
    if team is None:
        return {}
    scored = [*_credits(facts.credits, scoring, traits)]
    if facts.clicks_known:
        scored += _clicks(facts.clicks, scoring, traits)
    by_key: defaultdict[tuple[LinkId, ScoreKind], list[_Scored]] = defaultdict(list)
    for one in scored:
        by_key[one.link_id, one.kind].append(one)
    tallies = {TallyKey(team, *key): _summed(of_key) for key, of_key in sorted(by_key.items())}
    return {key: tally for key, tally in tallies.items() if tally.points_millionths or tally.quantity}


def _full(had: int, cap: int | None) -> bool:
    return cap is not None and had >= cap


def _clicks(clicks: Sequence[CountedClick], scoring: Scoring, traits: Mapping[LinkId, LinkTraits]) -> Sequence[_Scored]:
    """Clicks that no cap holds back, and the visitors they bring: each where its weight is not 0."""
    weights = ((ScoreKind.CLICK, scoring.weights.click), (ScoreKind.VISITOR_DAY, scoring.weights.visitor_day))
    earning = {kind: weight for kind, weight in weights if weight}
    if not earning:
        return []
    points = {
        (link_id, kind): points_millionths(multiplied(weight, *_multipliers(link_id, scoring, traits)), MILLIONTHS)
        for link_id in {click.link_id for click in clicks}
        for kind, weight in earning.items()
    }
    return [
        _Scored(click.link_id, kind, points[click.link_id, kind], 1, click.occurred_at)
        for click, outcome, is_first in clicks_of_day(clicks, scoring.caps)
        if outcome is ClickOutcome.SCORES
        for kind in earning
        if is_first or kind is ScoreKind.CLICK
    ]


def _credits(
    credited: Sequence[CreditedConversion], scoring: Scoring, traits: Mapping[LinkId, LinkTraits]
) -> Sequence[_Scored]:
    """What is earned of conversions. They are told also where they have no points: equals are told apart by them."""
    scored = []
    for one in credited:
        multipliers = _multipliers(one.link_id, scoring, traits)
        weight = multiplied(scoring.weights.conversion, *multipliers)
        points = points_millionths(weight, one.millionths)
        scored.append(_Scored(one.link_id, ScoreKind.CONVERSION, points, one.millionths, one.occurred_at))
        if scoring.weights.value:
            weight = multiplied(scoring.weights.value, *multipliers)
            points = points_millionths(weight, one.value_minor * MILLIONTHS)
            scored.append(_Scored(one.link_id, ScoreKind.VALUE, points, one.value_minor, one.occurred_at))
    return scored


def _multipliers(link_id: LinkId, scoring: Scoring, traits: Mapping[LinkId, LinkTraits]) -> tuple[Decimal, Decimal]:
    of_link = traits.get(link_id, _NO_TRAITS)
    return (
        scoring.category_multipliers.get(of_link.category or "", _UNCHANGED),
        scoring.channel_multipliers.get(of_link.channel or "", _UNCHANGED),
    )


def _summed(scored: Sequence[_Scored]) -> Tally:
    return Tally(
        points_millionths=sum(one.points_millionths for one in scored),
        quantity=sum(one.quantity for one in scored),
        reached_at=max((one.occurred_at for one in scored if one.points_millionths > 0), default=None),
    )
