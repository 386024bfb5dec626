"""Which team stands where: what its advocates scored while they were in it. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import groupby

from aggregator.standing.ranking import Score
from link_events.identity import NO_TEAM, Team


@dataclass(frozen=True, slots=True)
class TeamStanding:
    """A team and its place. `active` are those who have points in it, and `average` is millionths for each of them.

    A small team has too few of them: it has no rank, and its numbers say too much of single people to be shown.
    """

    rank: int | None
    team: Team
    points_millionths: int
    active: int
    average: Fraction
    small: bool


def ranked_teams(scores: Iterable[tuple[Team, Score]], min_active: int, *, by_average: bool) -> Sequence[TeamStanding]:
    """Teams in order of their points, or of their average; equals share a rank (1, 2, 2, 4), by name within it.

    Small ones come last, by name. Who was in no team is in none here.
    """
    by_team: defaultdict[Team, list[int]] = defaultdict(list)
    for team, score in scores:
        if team != NO_TEAM:
            by_team[team].append(score.points_millionths)
    teams = [_unranked(team, points, min_active) for team, points in sorted(by_team.items())]

    def weight(team: TeamStanding) -> Fraction:
        return team.average if by_average else Fraction(team.points_millionths)

    standings: list[TeamStanding] = []
    in_order = sorted((team for team in teams if not team.small), key=weight, reverse=True)
    for _, equals in groupby(in_order, key=weight):
        rank = len(standings) + 1
        standings += [replace(team, rank=rank) for team in equals]
    return standings + [team for team in teams if team.small]


def _unranked(team: Team, points: Sequence[int], min_active: int) -> TeamStanding:
    active = sum(1 for one in points if one > 0)
    average = Fraction(sum(points), active) if active else Fraction(0)
    return TeamStanding(None, team, sum(points), active, average, active < min_active)
