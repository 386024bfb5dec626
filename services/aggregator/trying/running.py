"""Standings by rules that nobody has to have put, reckoned from clicks, credits and people as they are stored.

It reads in one snapshot and writes nothing. Every call may raise DatabaseAwayError.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final

from aggregator.contests.rules import Rules, WhyAbsent, why_absent
from aggregator.errors import RawClicksGoneError
from aggregator.freshness.store import Freshness, snapshot
from aggregator.people.store import histories, names_of
from aggregator.raw_days.horizon import is_beyond
from aggregator.raw_days.store import read_horizon
from aggregator.scoring.days import DayFacts, Tally, TallyKey, score_day
from aggregator.scoring.reading import advocates_between, facts_between, traits_of
from aggregator.standing.ranking import Score, Standing, ranked, summed
from aggregator.standing.teams import TeamStanding, ranked_teams
from database.pool import Connection, Pool
from link_events.identity import NO_TEAM, AdvocateId, Team
from link_events.people import Histories
from link_events.periods import utc_dates
from link_events.reasons import ScoreKind

ADVOCATES_MAX: Final = 50
"""Read at once: some 100 000 clicks of a busy quarter."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What rules come to now.

    `absent`: who was asked and has clicks or conversions on days on which they take no part, with the latest reason.
    """

    rules: Rules
    freshness: Freshness
    standings: Sequence[Standing]
    teams: Sequence[TeamStanding]
    absent: Mapping[AdvocateId, WhyAbsent]
    names: Mapping[AdvocateId, str]


@dataclass(slots=True)
class _Reckoned:
    """Scores so far, by team and advocate."""

    rules: Rules
    people: Histories
    tallies: dict[tuple[Team, AdvocateId], list[tuple[TallyKey, Tally]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    absent: dict[AdvocateId, WhyAbsent] = field(default_factory=dict)

    def scores(self) -> Sequence[tuple[Team, Score]]:
        return [(team, _score(advocate_id, tallies)) for (team, advocate_id), tallies in self.tallies.items()]


async def try_rules(pool: Pool, rules: Rules) -> Tried:
    """What `rules` come to.

    Raises:
        RawClicksGoneError: clicks of the period, which the rules ask for, were let go.
    """
    async with snapshot(pool, hold_raw=True) as (connection, freshness):
        zone = freshness.programme.calendar.zone
        dates = utc_dates(rules.first_day, zone)[0], utc_dates(rules.last_day, zone)[1]
        kept_from = await read_horizon(connection)
        if _asks_for_clicks(rules) and is_beyond(dates[0], kept_from):
            raise RawClicksGoneError(kept_from)
        reckoned = _Reckoned(rules, await histories(connection, None))
        async for facts in _pages(connection, rules, dates):
            await _take(connection, reckoned, facts)
        scores = reckoned.scores()
        standings = ranked(summed(scores), rules.tie_break, rules.prizes)
        known = {standing.score.advocate_id for standing in standings} | reckoned.absent.keys()
        names = await names_of(connection, known)
    of_teams = [(team, score) for team, score in scores if team != NO_TEAM]
    teams = ranked_teams(of_teams, rules.teams_min_active, by_average=False)
    return Tried(rules, freshness, standings, teams, reckoned.absent, names)


async def _pages(
    connection: Connection, rules: Rules, dates: tuple[date, date]
) -> AsyncIterator[Mapping[tuple[AdvocateId, date], DayFacts]]:
    """Some advocates' days, then the next ones'."""
    first, last, after = rules.first_day, rules.last_day, AdvocateId("")
    while page := await advocates_between(connection, after, first, last, ADVOCATES_MAX):
        yield await facts_between(connection, page, first, last, dates)
        after = page[-1]


async def _take(connection: Connection, reckoned: _Reckoned, facts: Mapping[tuple[AdvocateId, date], DayFacts]) -> None:
    """Score these days, which are all there are of their advocates."""
    links = {click.link_id for day in facts.values() for click in day.clicks}
    links |= {credit.link_id for day in facts.values() for credit in day.credits}
    traits = await traits_of(connection, links)
    for (advocate_id, day), of_day in facts.items():
        person = reckoned.people.on(advocate_id, day)
        why = why_absent(reckoned.rules.eligibility, advocate_id, person)
        if why is not None:
            if why is not WhyAbsent.NOT_ELIGIBLE:
                reckoned.absent[advocate_id] = why
            continue
        if tallies := score_day(of_day, reckoned.rules.scoring, traits, person.team):
            reckoned.tallies[person.team, advocate_id] += tallies.items()


def _score(advocate_id: AdvocateId, tallies: Sequence[tuple[TallyKey, Tally]]) -> Score:
    instants: list[datetime] = [tally.reached_at for _, tally in tallies if tally.reached_at is not None]
    return Score(
        advocate_id,
        sum(tally.points_millionths for _, tally in tallies),
        sum(tally.quantity for key, tally in tallies if key.kind is ScoreKind.CONVERSION),
        sum(tally.quantity for key, tally in tallies if key.kind is ScoreKind.CLICK),
        max(instants, default=None),
    )


def _asks_for_clicks(rules: Rules) -> bool:
    return bool(rules.scoring.weights.click or rules.scoring.weights.visitor_day)
