"""The rules of a contest: what scores, for whom, how equals are told apart, and what is won. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from link_events.identity import AdvocateId, Currency, Team
from link_events.people import PersonOnDay


class Metric(StrEnum):
    """What a contest is about. All but `points` are short for weights."""

    CLICKS = "clicks"
    VISITOR_DAYS = "visitor_days"
    CONVERSIONS = "conversions"
    POINTS = "points"


class TieBreak(StrEnum):
    """What decides between advocates of equal points: more conversions, or who had their points earlier."""

    CONVERSIONS = "conversions"
    EARLIEST = "earliest"


class PrizeTies(StrEnum):
    """What equals get who share places: their amounts, shared and rounded up or down to the minor unit, or all of it.

    In full, each gets the amount of the first of these places.
    """

    EVEN_UP = "even_up"
    EVEN_DOWN = "even_down"
    FULL = "full"


class Finalize(StrEnum):
    """Who ends a contest for good: somebody, or the clock after the days for disputes."""

    BY_HAND = "by_hand"
    BY_CLOCK = "by_clock"


class WhyAbsent(StrEnum):
    """Why an advocate takes no part on a day; of more reasons the first."""

    EXCLUDED = "excluded"
    EXCLUDED_ROLE = "excluded_role"
    EXCLUDED_TEAM = "excluded_team"
    EXCLUDED_ADVOCATE = "excluded_advocate"
    NOT_ELIGIBLE = "not_eligible"
    LEFT = "left"


@dataclass(frozen=True, slots=True)
class Weights:
    """How many points each thing earns; `value` is for each minor unit of the programme's currency."""

    click: Decimal = Decimal(0)
    visitor_day: Decimal = Decimal(0)
    conversion: Decimal = Decimal(0)
    value: Decimal = Decimal(0)


WEIGHTS_OF: Final[Mapping[Metric, Weights]] = MappingProxyType(
    {
        Metric.CLICKS: Weights(click=Decimal(1)),
        Metric.VISITOR_DAYS: Weights(visitor_day=Decimal(1)),
        Metric.CONVERSIONS: Weights(conversion=Decimal(1)),
    }
)
"""What a metric is short for; of `points` the rules say it."""


@dataclass(frozen=True, slots=True)
class Caps:
    """How many clicks of an advocate's local day may score, of each link and of each visitor; None: all."""

    clicks_per_advocate_day: int | None = None
    clicks_per_link_day: int | None = None
    clicks_per_visitor_advocate_day: int | None = None


@dataclass(frozen=True, slots=True)
class Scoring:
    """What scores how much. A category or channel without a multiplier has 1."""

    metric: Metric
    weights: Weights
    category_multipliers: Mapping[str, Decimal]
    channel_multipliers: Mapping[str, Decimal]
    caps: Caps


@dataclass(frozen=True, slots=True)
class Eligibility:
    """Who takes part. None: those of every team, or of every role and of none."""

    teams: frozenset[Team] | None = None
    roles: frozenset[str] | None = None
    excluded_roles: frozenset[str] = frozenset()
    excluded_teams: frozenset[Team] = frozenset()
    excluded_advocates: frozenset[AdvocateId] = frozenset()


@dataclass(frozen=True, slots=True)
class Prizes:
    """What the first places get, the first of them first."""

    currency: Currency
    amounts_minor: tuple[int, ...]
    ties: PrizeTies


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of a contest, from its first local day to its last."""

    name: str
    first_day: date
    last_day: date
    scoring: Scoring
    eligibility: Eligibility
    teams_min_active: int
    tie_break: tuple[TieBreak, ...]
    prizes: Prizes | None
    dispute_days: int
    by_clock: bool


@dataclass(frozen=True, slots=True)
class RulesVersion:
    """Rules as they were put, for the local days from `from_day` on."""

    version: int
    from_day: date
    rules: Rules


def version_on(versions: Sequence[RulesVersion], day: date) -> RulesVersion:
    """The version that holds on a day: the last that was put for it, which also speaks for all days after.

    So one that was put for days to come is replaced by a later one for earlier days, and so is the period of a contest
    that has not begun.

    Raises:
        ValueError: none was put for that day.
    """
    said = [version for version in versions if version.from_day <= day]
    if not said:
        raise ValueError(f"no rules hold on {day}")
    return max(said, key=lambda version: version.version)


def why_absent(eligibility: Eligibility, advocate_id: AdvocateId, person: PersonOnDay) -> WhyAbsent | None:
    """Why an advocate who is `person` on a day takes no part on it; None: they do."""
    if person.excluded:
        return WhyAbsent.EXCLUDED
    if person.roles & eligibility.excluded_roles:
        return WhyAbsent.EXCLUDED_ROLE
    if person.team in eligibility.excluded_teams:
        return WhyAbsent.EXCLUDED_TEAM
    if advocate_id in eligibility.excluded_advocates:
        return WhyAbsent.EXCLUDED_ADVOCATE
    if not _is_asked(eligibility, person):
        return WhyAbsent.NOT_ELIGIBLE
    return None if person.active else WhyAbsent.LEFT


def _is_asked(eligibility: Eligibility, person: PersonOnDay) -> bool:
    of_team = eligibility.teams is None or person.team in eligibility.teams
    of_role = eligibility.roles is None or not eligibility.roles.isdisjoint(person.roles)
    return of_team and of_role
