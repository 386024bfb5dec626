"""Points in millionths, from weights and multipliers. Pure, exact, and rounded once for each thing that scores.

Half a millionth goes to the even one. Sums are of integers: whatever comes first, they are the same.
"""

from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import reduce
from typing import Final

MILLIONTHS: Final = 1_000_000
"""Of a point, as of a conversion."""

_EXACT: Final = Context(prec=60, rounding=ROUND_HALF_EVEN)
"""More digits than a weight, two multipliers and a value have together: only the last step rounds."""


def multiplied(*factors: Decimal) -> Decimal:
    """The product, exactly."""
    return reduce(_EXACT.multiply, factors)


def points_millionths(weight: Decimal, millionths: int) -> int:
    """What a thing of that weight scores of which there are so many millionths; a whole one has them all."""
    return int(_EXACT.to_integral_value(_EXACT.multiply(weight, Decimal(millionths))))
