"""Who stands where: one function for standings now, in the past, as they would be, and at the end. Pure."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter
from types import MappingProxyType
from typing import Final

from aggregator.contests.rules import Prizes, TieBreak
from aggregator.standing.prizes import shared
from link_events.identity import AdvocateId, Team
from link_events.values import value

_NEVER: Final = datetime.max.replace(tzinfo=UTC)


@value(frozen=True, slots=True)
class Score:
    """What an advocate has; `reached_at` is the latest instant of what has points, which they were reached at."""

    advocate_id: AdvocateId
    points_millionths: int
    conversions_millionths: int
    clicks: int
    reached_at: datetime | None


@value(frozen=True, slots=True)
class Standing:
    """A score and its place. The disqualified have no rank; the first rank has no gap to a better one.

    `prize_minor` is None where nothing is won.
    """

    rank: int | None
    score: Score
    gap_millionths: int | None
    prize_minor: int | None


_TOLD_APART: Final[Mapping[TieBreak, Callable[[Score], int | datetime]]] = MappingProxyType(
    {
        TieBreak.CONVERSIONS: lambda score: -score.conversions_millionths,
        TieBreak.EARLIEST: lambda score: score.reached_at or _NEVER,
    }
)
"""What decides between equals, least first."""


def summed(scores: Iterable[tuple[Team, Score]]) -> Sequence[Score]:
    """Each advocate's score, whatever teams they were in, in order of their ids."""
    by_id: dict[AdvocateId, Score] = {}
    for _, score in scores:
        had = by_id.get(score.advocate_id)
        by_id[score.advocate_id] = score if had is None else _added(had, score)
    return [score for _, score in sorted(by_id.items())]


def ranked(
    scores: Iterable[Score],
    tie_break: Sequence[TieBreak],
    prizes: Prizes | None,
    disqualified: Collection[AdvocateId] = (),
) -> Sequence[Standing]:
    """Everybody in order: more points first, equals by `tie_break`; who is equal in all shares a rank (1, 2, 2, 4).

    Within a rank they stand in order of their ids, and the disqualified after all others. Who has no points wins
    nothing.
    """
    out = frozenset(disqualified)
    told_apart = [_TOLD_APART[by] for by in tie_break]
    keyed = [((-score.points_millionths, *[tell(score) for tell in told_apart]), score) for score in scores]
    in_order = sorted(keyed, key=lambda one: (one[0], one[1].advocate_id))
    standings: list[Standing] = []
    better: int | None = None
    in_ranks = (one for one in in_order if one[1].advocate_id not in out)
    for key, group in groupby(in_ranks, key=itemgetter(0)):
        equals, rank, points = [score for _, score in group], len(standings) + 1, -key[0]
        gap = None if better is None else better - points
        prize = _prize(prizes, rank, len(equals)) if points > 0 else None
        standings += [Standing(rank, score, gap, prize) for score in equals]
        better = points
    standings += [Standing(None, score, None, None) for _, score in in_order if score.advocate_id in out]
    return standings


def prize_line(standings: Sequence[Standing], prizes: Prizes | None) -> tuple[int, int] | None:
    """The last place with an amount, and the points of whoever stands there.

    None where there are no prizes, or fewer people with points than amounts: whoever scores at all wins something.
    """
    place = sum(1 for amount in prizes.amounts_minor if amount) if prizes else 0
    scoring = [one.score.points_millionths for one in standings if one.rank and one.score.points_millionths > 0]
    return (place, scoring[place - 1]) if 0 < place <= len(scoring) else None


def _prize(prizes: Prizes | None, rank: int, people: int) -> int | None:
    return (prizes and shared(prizes.amounts_minor, rank, people, prizes.ties)) or None


def _added(one: Score, other: Score) -> Score:
    return Score(
        one.advocate_id,
        one.points_millionths + other.points_millionths,
        one.conversions_millionths + other.conversions_millionths,
        one.clicks + other.clicks,
        max((at for at in (one.reached_at, other.reached_at) if at is not None), default=None),
    )
