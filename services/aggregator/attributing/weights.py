"""How much of a conversion each touch earns under each model. Pure, and in integers: rounding loses and makes nothing.

What is not divisible is placed by rules that docs/conversions.md tells.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import accumulate, pairwise
from math import isqrt
from typing import Final

from link_events.reasons import Model

MILLIONTHS: Final = 1_000_000
"""Of a conversion. Whatever earns, earns all of it."""

_LATEST: Final = 10**18
"""The weight of the latest touch under time decay; an earlier one's is rounded to so many parts of it."""

_HALVINGS_MAX: Final = 60
"""After one more nothing is left of it."""

_BITS: Final = 160
"""Behind the point while a weight is reckoned: the same on every machine, which floating point is not."""

_DIGITS: Final = 12
"""So many digits of base 256 of a part of a half-life are looked at: half as many again as a weight has bits."""


def _powers() -> list[list[int]]:
    """For each digit, and each value that it may have, what that leaves: 2 to the power of -value / 256 ** place."""
    root = 1 << _BITS - 1  # what one half-life leaves
    powers = []
    for _ in range(_DIGITS):
        table = [1 << _BITS] * 256
        for bit in (128, 64, 32, 16, 8, 4, 2, 1):
            root = isqrt(root << _BITS)
            for value in range(256):
                if value & bit:
                    table[value] = table[value] * root >> _BITS
        powers.append(table)
    return powers


_POWERS: Final = _powers()
_MICROSECOND: Final = timedelta(microseconds=1)


def weights_of(model: Model, instants: Sequence[datetime], half_life: timedelta) -> list[int]:
    """What the touches of these instants weigh, which are in order, the earliest first. At least one does."""
    count = len(instants)
    match model:
        case Model.LAST:
            return [0] * (count - 1) + [1]
        case Model.FIRST:
            return [1] + [0] * (count - 1)
        case Model.LINEAR:
            return [1] * count
        case Model.POSITION:
            # 40 per cent to either end and 20 to all between, which are count - 2
            return [1] * count if count <= 2 else [2 * (count - 2), *[1] * (count - 2), 2 * (count - 2)]  # noqa: PLR2004
        case Model.TIME_DECAY:
            return [_decayed(instants[-1] - instant, half_life) for instant in instants]


def millionths(weights: Sequence[int]) -> list[int]:
    """Millionths in the proportion of `weights`; they sum to all of them.

    What whole millionths leave over goes, one each, to those that were cut by most; of equal ones to the later.
    """
    total = sum(weights)
    parts = [weight * MILLIONTHS // total for weight in weights]
    cut = [(weight * MILLIONTHS % total, place) for place, weight in enumerate(weights)]
    for _, place in sorted(cut, reverse=True)[: MILLIONTHS - sum(parts)]:
        parts[place] += 1
    return parts


def value_parts(value: int, parts: Sequence[int]) -> list[int]:
    """A value in the proportion of `parts`, which are millionths that sum to all: so do these, to the value."""
    reached = [value * so_far // MILLIONTHS for so_far in accumulate(parts, initial=0)]
    return [after - before for before, after in pairwise(reached)]


def _decayed(age: timedelta, half_life: timedelta) -> int:
    """Half as much for each half-life that a touch is older than the latest one; rounded to the even."""
    halvings, rest = divmod(age, half_life)
    if halvings > _HALVINGS_MAX:
        return 0
    fraction = (rest // _MICROSECOND << 8 * _DIGITS) // (half_life // _MICROSECOND)
    weight = _LATEST << _BITS
    for table, digit in zip(_POWERS, fraction.to_bytes(_DIGITS, "big"), strict=True):
        weight = weight * table[digit] >> _BITS
    whole, left = divmod(weight, 1 << _BITS + halvings)
    half = 1 << _BITS + halvings - 1
    return whole + (left > half or (left == half and whole % 2 == 1))
