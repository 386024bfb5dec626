"""Currencies are told by codes of ISO 4217, each with the digits of its minor unit."""

import re

import pytest

from link_events.currencies import CURRENCIES
from link_events.identity import Currency


@pytest.mark.parametrize(("code", "digits"), [("EUR", 2), ("JPY", 0), ("KWD", 3), ("CLF", 4), ("UYW", 4), ("HUF", 2)])
def test_a_currency_has_the_digits_of_the_standard(code: str, digits: int) -> None:
    assert CURRENCIES[Currency(code)] == digits


def test_every_code_is_one() -> None:
    assert all(re.fullmatch("[A-Z]{3}", code) for code in CURRENCIES)
    assert len(CURRENCIES) > 160
    assert set(CURRENCIES.values()) == {0, 2, 3, 4}
