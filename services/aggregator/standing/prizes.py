"""What equals get who share places. Pure, in minor units: of equals nobody gets more than another."""

from collections.abc import Sequence

from aggregator.contests.rules import PrizeTies


def shared(amounts_minor: Sequence[int], first_place: int, people: int, ties: PrizeTies) -> int:
    """What each of so many equals gets who share as many places, from `first_place` on, which is counted from 1.

    Places without an amount have 0.
    """
    amounts = amounts_minor[first_place - 1 : first_place - 1 + people]
    match ties:
        case PrizeTies.EVEN_UP:
            return -(-sum(amounts) // people)
        case PrizeTies.EVEN_DOWN:
            return sum(amounts) // people
        case PrizeTies.FULL:
            return next(iter(amounts), 0)
