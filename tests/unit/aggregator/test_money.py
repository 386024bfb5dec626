"""Money is in minor units of one currency at a time, and rounded once."""

from decimal import Decimal

import pytest

from aggregator.attributing.money import converted, net_of
from link_events.identity import Currency


@pytest.mark.parametrize(
    ("net_minor", "currency", "base", "rate", "expected"),
    [
        (12_999, "EUR", "EUR", "1", 12_999),
        (12_999, "USD", "EUR", "0.9", 11_699),  # 116.991
        (1_500, "JPY", "EUR", "0.0062", 930),
        (930, "EUR", "JPY", "161.3", 1_500),
        (1_005, "KWD", "EUR", "3", 302),  # 1.005 dinars are 3.015 euros: the even cent of two
        (1_015, "KWD", "EUR", "3", 304),  # 3.045
        (10**15, "EUR", "KWD", "0.3", 3 * 10**15),
        (10**15, "SEK", "EUR", "0.087123456789", 87_123_456_789_000),
        (0, "USD", "EUR", "0.9", 0),
    ],
)
def test_a_value_is_converted_by_rate_and_digits(
    net_minor: int, currency: str, base: str, rate: str, expected: int
) -> None:
    """Currencies of none, two and three digits; what lies between two units goes to the even one."""
    assert converted(net_minor, Currency(currency), Currency(base), Decimal(rate)) == expected


def test_what_is_taken_back_leaves_never_less_than_nothing() -> None:
    """However often it is."""
    assert net_of(1_000, []) == 1_000
    assert net_of(1_000, [300, 300]) == 400
    assert net_of(1_000, [700, 700]) == 0
