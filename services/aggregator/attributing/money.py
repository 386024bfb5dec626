"""Values in minor units, and what they are in the programme's currency. Pure, exact, and rounded once.

An amount never stands without its currency: whoever calls knows both.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Final

from link_events.currencies import CURRENCIES
from link_events.identity import Currency

_EXACT: Final = Context(prec=80, rounding=ROUND_HALF_EVEN)
"""More digits than a value and a rate have together: only the last step rounds."""


@dataclass(frozen=True, slots=True)
class RateOn:
    """What one unit of a currency is in the programme's, and since when. In that itself: 1, since ever."""

    rate: Decimal
    valid_from: date | None = None


SAME_CURRENCY: Final = RateOn(Decimal(1))


def net_of(value_minor: int, reversals: Iterable[int]) -> int:
    """What is left of a value after so much of it was taken back; never less than nothing."""
    return max(0, value_minor - sum(reversals))


def converted(net_minor: int, currency: Currency, base: Currency, rate: Decimal) -> int:
    """Minor units of `currency` in those of `base`, to the nearest; what lies between two goes to the even one."""
    exact = _EXACT.multiply(Decimal(net_minor), rate)
    return int(_EXACT.to_integral_value(_EXACT.scaleb(exact, CURRENCIES[base] - CURRENCIES[currency])))
