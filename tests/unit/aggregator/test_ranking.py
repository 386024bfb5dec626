"""Ranks are shared by equals, told apart by the chain, and hang on no order; prizes are shared to the cent."""

from datetime import UTC, datetime
from fractions import Fraction
from random import Random
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.contests.rules import Prizes, PrizeTies, TieBreak
from aggregator.standing.prizes import shared
from aggregator.standing.ranking import Score, Standing, prize_line, ranked, summed
from link_events.identity import AdvocateId, Currency, Team

CHAIN: Final = (TieBreak.CONVERSIONS, TieBreak.EARLIEST)
TIES: Final = list(PrizeTies)


def _score(name: str, points: int, conversions: int = 0, reached: int | None = None, clicks: int = 0) -> Score:
    at = None if reached is None else datetime(2022, 1, 1 + reached, tzinfo=UTC)
    return Score(AdvocateId(name), points, conversions, clicks, at)


def _prizes(*amounts: int, ties: PrizeTies = PrizeTies.EVEN_UP) -> Prizes:
    return Prizes(Currency("USD"), amounts, ties)


def _told(standings: list[Standing]) -> list[tuple[int | None, str]]:
    return [(one.rank, one.score.advocate_id) for one in standings]


def test_equals_share_a_rank_and_the_next_has_as_many_before_it() -> None:
    """1, 2, 2, 4; within a rank by id."""
    scores = [_score("d", 1), _score("c", 5), _score("b", 5), _score("a", 9)]
    standings = [*ranked(scores, CHAIN, None)]
    assert _told(standings) == [(1, "a"), (2, "b"), (2, "c"), (4, "d")]
    assert [one.gap_millionths for one in standings] == [None, 4, 4, 4]
    assert all(one.prize_minor is None for one in standings)


@pytest.mark.parametrize(
    ("chain", "order"),
    [
        ((), [(1, "a"), (1, "b"), (1, "c"), (1, "d")]),
        ((TieBreak.CONVERSIONS,), [(1, "b"), (1, "c"), (3, "a"), (3, "d")]),
        ((TieBreak.EARLIEST,), [(1, "a"), (2, "c"), (3, "b"), (4, "d")]),
        (CHAIN, [(1, "c"), (2, "b"), (3, "a"), (4, "d")]),
        (CHAIN[::-1], [(1, "a"), (2, "c"), (3, "b"), (4, "d")]),
    ],
)
def test_equals_are_told_apart_by_the_chain_in_its_order(
    chain: tuple[TieBreak, ...], order: list[tuple[int, str]]
) -> None:
    """Who reached their points at no instant comes last; who has as many points as the better has no gap to them."""
    scores = [_score("a", 5, 1, 1), _score("b", 5, 2, 3), _score("c", 5, 2, 2), _score("d", 5, 1)]
    standings = [*ranked(scores, chain, None)]
    assert _told(standings) == order
    assert {one.gap_millionths for one in standings if one.rank != 1} <= {0}


def test_the_disqualified_come_last_without_rank_gap_or_prize() -> None:
    """The others rank as if they were not there, and share the prizes."""
    scores = [_score("a", 9), _score("b", 8), _score("c", 7), _score("d", 10)]
    standings = [*ranked(scores, CHAIN, _prizes(300, 200), [AdvocateId("a"), AdvocateId("d"), AdvocateId("gone")])]
    assert _told(standings) == [(1, "b"), (2, "c"), (None, "d"), (None, "a")]
    assert [(one.gap_millionths, one.prize_minor) for one in standings] == [
        (None, 300), (1, 200), (None, None), (None, None),
    ]  # fmt: skip


def test_who_has_no_points_is_listed_and_wins_nothing() -> None:
    """Also who has less than none, by an adjustment."""
    standings = ranked([_score("a", 0), _score("b", -5), _score("c", 1)], CHAIN, _prizes(300, 200, 100))
    assert [(one.rank, one.score.advocate_id, one.gap_millionths, one.prize_minor) for one in standings] == [
        (1, "c", None, 300), (2, "a", 1, None), (3, "b", 5, None),
    ]  # fmt: skip


def test_prizes_of_a_shared_place_are_shared() -> None:
    """Two seconds share the second prize and the third; the fourth has no prize."""
    scores = [_score("a", 9), _score("b", 5), _score("c", 5), _score("d", 1)]
    standings = ranked(scores, CHAIN, _prizes(10_000, 5_000, 2_501))
    assert [one.prize_minor for one in standings] == [10_000, 3_751, 3_751, None]


def test_the_prize_line_is_at_the_last_place_that_wins() -> None:
    """None where there are no prizes, or whoever scores at all wins."""
    standings = ranked([_score("a", 9), _score("b", 5), _score("c", 5), _score("d", 0)], CHAIN, None)
    assert prize_line(standings, _prizes(3, 2, 0, 0)) == (2, 5)
    assert prize_line(standings, _prizes(3, 2, 1)) == (3, 5)
    assert prize_line(standings, _prizes(3, 2, 1, 1)) is None
    assert prize_line(standings, _prizes(0)) is None
    assert prize_line(standings, None) is None


def test_who_was_in_more_teams_ranks_with_all_they_have() -> None:
    """What they reached last, they reached it all by."""
    scores = [
        (Team("red"), _score("b", 3, 1, 5, 2)),
        (Team("blue"), _score("a", 1)),
        (Team(""), _score("b", 4, 2, 1, 3)),
    ]
    assert summed(scores) == [_score("a", 1), _score("b", 7, 3, 5, 5)]
    assert summed([(Team("red"), _score("a", 1)), (Team("blue"), _score("a", 1, reached=2))]) == [
        _score("a", 2, reached=2)
    ]


SCORES = st.lists(
    st.builds(
        _score,
        st.text("abcd", min_size=1, max_size=3),
        st.integers(-2, 3),
        st.integers(0, 2),
        st.none() | st.integers(0, 2),
    ),
    unique_by=lambda score: score.advocate_id,
    max_size=12,
)
CHAINS = st.lists(st.sampled_from(TieBreak), unique=True)
AMOUNTS = st.lists(st.integers(0, 1_000), min_size=1, max_size=6).map(lambda amounts: sorted(amounts, reverse=True))


@given(SCORES, CHAINS, st.sets(st.text("abcd", min_size=1, max_size=1).map(AdvocateId)), st.randoms())
def test_the_order_of_scores_changes_nothing(
    scores: list[Score], chain: list[TieBreak], disqualified: set[AdvocateId], random: Random
) -> None:
    """And a rank is one more than how many are better, by all that decides."""
    prizes = _prizes(10, 5, 5)
    standings = ranked(scores, chain, prizes, disqualified)
    shuffled = random.sample(scores, len(scores))
    assert ranked(shuffled, chain, prizes, disqualified) == standings
    assert sorted(one.score.advocate_id for one in standings) == sorted(score.advocate_id for score in scores)

    def worth(score: Score) -> tuple[float, ...]:
        reached = float("-inf") if score.reached_at is None else -score.reached_at.timestamp()
        by = {TieBreak.CONVERSIONS: score.conversions_millionths, TieBreak.EARLIEST: reached}
        return (score.points_millionths, *(by[one] for one in chain))

    in_ranks = [one for one in standings if one.score.advocate_id not in disqualified]
    for one in in_ranks:
        assert one.rank == 1 + sum(worth(other.score) > worth(one.score) for other in in_ranks)


@pytest.mark.parametrize(
    ("amounts", "first_place", "people", "expected"),
    [
        ([10_000, 5_000, 2_500], 1, 1, (10_000, 10_000, 10_000)),
        ([10_000, 5_000, 2_500], 1, 3, (5_834, 5_833, 10_000)),  # 17 500 among three
        ([10_000, 5_000, 2_500], 3, 2, (1_250, 1_250, 2_500)),  # the fourth place has none
        ([10_000, 5_000, 2_501], 3, 2, (1_251, 1_250, 2_501)),
        ([10_000, 5_000, 2_500], 4, 2, (0, 0, 0)),
        ([1], 1, 100, (1, 0, 1)),
    ],
)
def test_equals_share_the_amounts_of_their_places(
    amounts: list[int], first_place: int, people: int, expected: tuple[int, int, int]
) -> None:
    """Rounded up, rounded down, or each the first of them."""
    assert tuple(shared(amounts, first_place, people, ties) for ties in TIES) == expected


@given(SCORES, AMOUNTS, st.sampled_from(TIES))
def test_even_shares_pay_out_what_there_is_but_for_the_rounding(
    scores: list[Score], amounts: list[int], ties: PrizeTies
) -> None:
    """Of each rank by less than a minor unit for each of its people; in full never less than there is."""
    standings = ranked(scores, (), _prizes(*amounts, ties=ties))
    for rank in {one.rank for one in standings if one.rank and one.score.points_millionths > 0}:
        paid = [one.prize_minor or 0 for one in standings if one.rank == rank]
        there_is = sum(amounts[rank - 1 : rank - 1 + len(paid)])
        assert len(set(paid)) == 1
        match ties:
            case PrizeTies.EVEN_UP:
                assert 0 <= sum(paid) - there_is < len(paid)
            case PrizeTies.EVEN_DOWN:
                assert 0 <= there_is - sum(paid) < len(paid)
            case PrizeTies.FULL:
                assert sum(paid) >= there_is
                assert Fraction(sum(paid), len(paid)) == (amounts[rank - 1] if rank <= len(amounts) else 0)
