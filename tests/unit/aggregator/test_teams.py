"""Teams rank by what was scored in them, in all or for each of the active, and small ones not at all."""

from fractions import Fraction
from random import Random
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from aggregator.standing.ranking import Score
from aggregator.standing.teams import ranked_teams
from link_events.identity import NO_TEAM, AdvocateId, Team

RED: Final = Team("red")
BLUE: Final = Team("blue")
WHITE: Final = Team("white")


def _in(team: Team, **points: int) -> list[tuple[Team, Score]]:
    return [(team, Score(AdvocateId(name), number, 0, 0, None)) for name, number in points.items()]


def test_teams_rank_by_their_points() -> None:
    """Equals share a rank, by name within it."""
    scores = [*_in(RED, a=5, b=5), *_in(WHITE, c=10), *_in(BLUE, d=11), *_in(Team("amber"), e=1)]
    standings = ranked_teams(scores, 1, by_average=False)
    assert [(one.rank, one.team, one.points_millionths) for one in standings] == [
        (1, "blue", 11), (2, "red", 10), (2, "white", 10), (4, "amber", 1),
    ]  # fmt: skip


def test_averages_are_compared_as_fractions() -> None:
    """A third of a millionth decides, where a floating point number would see equals."""
    huge = 10**17
    scores = [*_in(RED, a=huge, b=huge, c=huge + 1), *_in(BLUE, d=huge), *_in(WHITE, e=2 * huge, f=0)]
    standings = ranked_teams(scores, 1, by_average=True)
    assert [(one.rank, one.team, one.active) for one in standings] == [(1, "white", 1), (2, "red", 3), (3, "blue", 1)]
    assert standings[1].average == Fraction(3 * huge + 1, 3)
    assert float(standings[1].average) == float(standings[2].average)


def test_who_has_no_points_is_not_active() -> None:
    """Nor who has less than none: what an adjustment took from them is missing from the team's points all the same."""
    (team,) = ranked_teams(_in(RED, a=10, b=0, c=-4), 1, by_average=True)
    assert (team.points_millionths, team.active, team.average) == (6, 1, Fraction(6))


def test_a_small_team_has_no_rank_and_comes_last() -> None:
    """However many points it has: the others rank without it. One that has nobody active has no average either."""
    scores = [*_in(RED, a=100, b=100), *_in(BLUE, c=1, d=1, e=1), *_in(Team("amber"), f=0)]
    standings = ranked_teams(scores, 3, by_average=False)
    assert [(one.rank, one.team, one.active, one.small) for one in standings] == [
        (1, "blue", 3, False), (None, "amber", 0, True), (None, "red", 2, True),
    ]  # fmt: skip
    assert standings[1].average == 0


def test_a_change_of_team_splits_what_somebody_scored() -> None:
    """They are active in both. What they scored in no team is no team's."""
    scores = [*_in(RED, a=7, b=1), *_in(BLUE, a=3), *_in(NO_TEAM, a=50, c=9)]
    standings = ranked_teams(scores, 1, by_average=False)
    assert [(one.team, one.points_millionths, one.active) for one in standings] == [("red", 8, 2), ("blue", 3, 1)]


MANY = st.lists(
    st.tuples(st.sampled_from([RED, BLUE, WHITE, NO_TEAM]), st.sampled_from("abcdef"), st.integers(-2, 4)),
    unique_by=lambda one: one[:2],
)


@given(MANY, st.integers(1, 3), st.booleans(), st.randoms())
def test_the_order_of_scores_changes_nothing(
    said: list[tuple[Team, str, int]],
    min_active: int,
    by_average: bool,  # noqa: FBT001 - hypothesis gives it
    random: Random,
) -> None:
    """And nothing is lost: what teams have is what was scored in them."""
    scores = [one for team, name, points in said for one in _in(team, **{name: points})]
    standings = ranked_teams(scores, min_active, by_average=by_average)
    assert ranked_teams(random.sample(scores, len(scores)), min_active, by_average=by_average) == standings
    in_teams = sum(points for team, _, points in said if team != NO_TEAM)
    assert sum(one.points_millionths for one in standings) == in_teams
