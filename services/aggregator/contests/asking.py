"""Rules of a contest as JSON: read with every fault told at once, and written with every default filled in. Pure.

Decimals are texts or whole numbers, never floating point. What is stored is what is written here: a default that
changes later changes no contest.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from decimal import Decimal
from itertools import pairwise
from typing import Any, Final, TypeVar

from aggregator.contests.fields import Digits, Fault, Fields, is_whole
from aggregator.contests.rules import (
    WEIGHTS_OF,
    Caps,
    Eligibility,
    Finalize,
    Metric,
    Prizes,
    PrizeTies,
    Rules,
    Scoring,
    TieBreak,
    Weights,
)
from link_events.currencies import CURRENCIES
from link_events.events import VALUE_MINOR_MAX
from link_events.identity import AdvocateId, Currency, Team
from link_events.periods import quarter_named

FIRST_DAY: Final = date(2000, 1, 1)
LAST_DAY: Final = date(2999, 12, 31)
DAYS_MAX: Final = 731
"""Two years, one of them with a leap day."""

LABEL_CHARS_TOLD: Final = 20
"""Of what somebody takes for a quarter."""

CAP_MAX: Final = 1_000_000
MULTIPLIERS_MAX: Final = 100
EXCLUDED_ADVOCATES_MAX: Final = 1_000
MIN_ACTIVE_MAX: Final = 1_000
PRIZES_MAX: Final = 100
DISPUTE_DAYS: Final = 7
DISPUTE_DAYS_MAX: Final = 60

_WEIGHT: Final = Digits(6, 6)
_MULTIPLIER: Final = Digits(3, 3)

_ORDINALS: Final = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")

_RULES: Final = ("name", "period", "scoring", "eligibility", "teams", "tie_break", "prizes", "dispute_days", "finalize")
_PERIOD: Final = ("quarter", "first_day", "last_day")
_SCORING: Final = ("metric", "points", "category_multipliers", "channel_multipliers", "caps")
_POINTS: Final = ("click", "visitor_day", "conversion", "value")
_CAPS: Final = ("clicks_per_advocate_day", "clicks_per_link_day", "clicks_per_visitor_advocate_day")
_ELIGIBILITY: Final = ("teams", "roles", "excluded_roles", "excluded_teams", "excluded_advocates")
_PRIZES: Final = ("currency", "amounts_minor", "ties")

TText = TypeVar("TText", bound=str)


class RulesRefusedError(ValueError):
    """Rules that no contest may have: all their faults, each by the path of its field."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("; ".join(f"{path}: {text}" for path, text in faults))
        self.faults = faults


def read_rules(document: Mapping[str, Any]) -> Rules:
    """The rules that a JSON document says; what it leaves out has its default.

    Raises:
        RulesRefusedError: it says none, or none that a contest may have.
    """
    faults: list[Fault] = []
    fields = Fields.of("", document, faults, _RULES)
    first_day, last_day = _period(fields)
    rules = Rules(
        name=fields.text("name"),
        first_day=first_day,
        last_day=last_day,
        scoring=_scoring(fields.part("scoring", _SCORING)),
        eligibility=_eligibility(fields.part("eligibility", _ELIGIBILITY)),
        teams_min_active=fields.part("teams", ("min_active",)).number("min_active", 1, 1, MIN_ACTIVE_MAX),
        tie_break=_tie_break(fields),
        prizes=_prizes(fields.part("prizes", _PRIZES)) if fields.says("prizes") else None,
        dispute_days=fields.number("dispute_days", DISPUTE_DAYS, 0, DISPUTE_DAYS_MAX),
        by_clock=fields.choice("finalize", Finalize.BY_HAND) is Finalize.BY_CLOCK,
    )
    if faults:
        raise RulesRefusedError(faults)
    return rules


def written(rules: Rules) -> Mapping[str, Any]:
    """The document that says these rules, with nothing left out: the same rules, the same document."""
    return {
        "name": rules.name,
        "period": {"first_day": rules.first_day.isoformat(), "last_day": rules.last_day.isoformat()},
        "scoring": _written_scoring(rules.scoring),
        "eligibility": {
            "teams": None if rules.eligibility.teams is None else sorted(rules.eligibility.teams),
            "roles": None if rules.eligibility.roles is None else sorted(rules.eligibility.roles),
            "excluded_roles": sorted(rules.eligibility.excluded_roles),
            "excluded_teams": sorted(rules.eligibility.excluded_teams),
            "excluded_advocates": sorted(rules.eligibility.excluded_advocates),
        },
        "teams": {"min_active": rules.teams_min_active},
        "tie_break": [by.value for by in rules.tie_break],
        "prizes": rules.prizes
        and {
            "currency": rules.prizes.currency,
            "amounts_minor": list(rules.prizes.amounts_minor),
            "ties": rules.prizes.ties.value,
        },
        "dispute_days": rules.dispute_days,
        "finalize": (Finalize.BY_CLOCK if rules.by_clock else Finalize.BY_HAND).value,
    }


def _period(fields: Fields) -> tuple[date, date]:
    nothing = (FIRST_DAY, FIRST_DAY)
    if "period" not in fields.given:
        fields.refuse("period", "Field required")
        return nothing
    period = fields.part("period", _PERIOD)
    if not isinstance(fields.given["period"], Mapping):
        return nothing
    by_days = period.says("first_day") or period.says("last_day")
    if period.says("quarter") == by_days:
        fields.refuse("period", "Input should have either a quarter, or first_day and last_day")
        return nothing
    return (_days(period) if by_days else _quarter(period)) or nothing


def _quarter(period: Fields) -> tuple[date, date] | None:
    label = period.given["quarter"]
    quarter = quarter_named(label) if isinstance(label, str) else None
    if quarter is None or not FIRST_DAY <= quarter.start <= LAST_DAY:
        period.refuse(
            "quarter", f"no quarter of this calendar: {str(label)[:LABEL_CHARS_TOLD]!r}; quarters look like 2022-Q1"
        )
        return None
    return quarter.start, quarter.end


def _days(period: Fields) -> tuple[date, date] | None:
    first, last = (period.day(name, FIRST_DAY, LAST_DAY) for name in ("first_day", "last_day"))
    if first is None or last is None:
        return None
    if last < first:
        period.refuse("last_day", "is before first_day")
    elif (last - first).days >= DAYS_MAX:
        period.refuse("last_day", f"a contest lasts {DAYS_MAX} days at most")
    return first, last


def _scoring(fields: Fields) -> Scoring:
    metric = fields.choice("metric", Metric.CLICKS)
    is_points = metric in (Metric.POINTS, None)  # of a metric that is none, nothing is known that points go against
    for name in ("points", "category_multipliers", "channel_multipliers"):
        if fields.given.get(name) not in (None, {}) and not is_points:
            fields.refuse(name, "only with the metric points")
    if metric is Metric.POINTS and not fields.says("points"):
        fields.refuse("points", "what earns how much has to be said")
    given = _weights(fields) if fields.says("points") and is_points else Weights()
    return Scoring(
        metric=metric or Metric.CLICKS,
        weights=WEIGHTS_OF.get(metric or Metric.POINTS, given),
        category_multipliers=fields.multipliers("category_multipliers", MULTIPLIERS_MAX, _MULTIPLIER),
        channel_multipliers=fields.multipliers("channel_multipliers", MULTIPLIERS_MAX, _MULTIPLIER),
        caps=_caps(fields, metric),
    )


def _weights(scoring: Fields) -> Weights:
    fields, faults_before = scoring.part("points", _POINTS), len(scoring.faults)
    weights = Weights(**{name: fields.decimal(name, Decimal(0), _WEIGHT) for name in _POINTS})
    if weights == Weights() and len(scoring.faults) == faults_before:
        scoring.refuse("points", "at least one has to be more than 0")
    return weights


def _caps(scoring: Fields, metric: Metric | None) -> Caps:
    fields = scoring.part("caps", _CAPS)
    said = [name for name in _CAPS if fields.says(name)]
    if said and metric is Metric.CONVERSIONS:
        scoring.refuse("caps", "conversions are not capped")
    return Caps(**{name: fields.number(name, 1, 1, CAP_MAX) for name in said})


def _eligibility(fields: Fields) -> Eligibility:
    teams, roles = (fields.words(name, least=1) if fields.says(name) else None for name in ("teams", "roles"))
    excluded_teams, excluded_roles = (fields.words(name) for name in ("excluded_teams", "excluded_roles"))
    _refuse_both(fields, "excluded_teams", teams, excluded_teams)
    _refuse_both(fields, "excluded_roles", roles, excluded_roles)
    return Eligibility(
        teams=None if teams is None else frozenset(map(Team, teams)),
        roles=roles,
        excluded_roles=excluded_roles,
        excluded_teams=frozenset(map(Team, excluded_teams)),
        excluded_advocates=frozenset(map(AdvocateId, fields.advocates("excluded_advocates", EXCLUDED_ADVOCATES_MAX))),
    )


def _refuse_both(fields: Fields, name: str, asked: Collection[str] | None, excluded: frozenset[str]) -> None:
    for word in sorted(excluded.intersection(asked or ()) - {""}):
        fields.refuse(name, f"'{word}' is eligible and excluded")


def _tie_break(fields: Fields) -> tuple[TieBreak, ...]:
    if "tie_break" not in fields.given:
        return tuple(TieBreak)
    given = fields.items("tie_break", 0, len(TieBreak))
    chosen = [fields.chosen(f"tie_break/{at}", one, TieBreak) for at, one in enumerate(given)]
    known = [by for by in chosen if by is not None]
    if len(set(known)) < len(known):
        fields.refuse("tie_break", "each at most once")
    return tuple(known)


def _prizes(fields: Fields) -> Prizes:
    currency = fields.given.get("currency")
    if not isinstance(currency, str) or currency not in CURRENCIES:
        fields.refuse("currency", "is no code of ISO 4217 that is in use")
    amounts = fields.items("amounts_minor", 1, PRIZES_MAX)
    wrong = [at for at, amount in enumerate(amounts) if not is_whole(amount, 0, VALUE_MINOR_MAX)]
    for at in wrong:
        fields.refuse(f"amounts_minor/{at}", f"Input should be a whole number from 0 to {VALUE_MINOR_MAX:,}")
    grown = [at for at, (one, other) in enumerate(pairwise(amounts), 1) if other > one] if not wrong else []
    for at in grown[:1]:
        fields.refuse(f"amounts_minor/{at}", f"the {_ordinal(at + 1)} prize is more than the {_ordinal(at)}")
    ties = fields.choice("ties", PrizeTies.EVEN_UP)
    return Prizes(Currency(str(currency)), tuple(amounts), ties or PrizeTies.EVEN_UP)


def _ordinal(place: int) -> str:
    return _ORDINALS[place - 1] if place <= len(_ORDINALS) else f"no. {place}"


def _written_scoring(scoring: Scoring) -> Mapping[str, Any]:
    is_points = scoring.metric is Metric.POINTS
    return {
        "metric": scoring.metric.value,
        "points": {name: _decimal(getattr(scoring.weights, name)) for name in _POINTS} if is_points else None,
        "category_multipliers": _written_multipliers(scoring.category_multipliers),
        "channel_multipliers": _written_multipliers(scoring.channel_multipliers),
        "caps": {name: getattr(scoring.caps, name) for name in _CAPS},
    }


def _written_multipliers(multipliers: Mapping[str, Decimal]) -> Mapping[str, str]:
    return {word: _decimal(by) for word, by in sorted(multipliers.items())}


def _decimal(number: Decimal) -> str:
    """The number without needless digits."""
    return format(number.normalize(), "f")
