"""Two reports of one conversion say the same, or contradict each other, whoever made them."""

from dataclasses import replace
from datetime import timedelta
from typing import Final

import pytest
from hypothesis import given

from aggregator.conversions.bodies import Body, body_digest, state_beside
from link_events.events import Conversion
from link_events.identity import ConversionKey, Currency, CustomerHash
from link_events.reasons import ConversionState, Via
from stage.events import PLAIN_CONVERSION, conversions

CUSTOMER: Final = CustomerHash(bytes(16))
DUPLICATE, CONFLICT = ConversionState.DUPLICATE, ConversionState.CONFLICT


def body(conversion: Conversion) -> Body:
    return Body(conversion.via, body_digest(conversion))


def test_the_digest_never_changes() -> None:
    """It is stored for ever: another one would make a conflict of every repetition."""
    assert body_digest(PLAIN_CONVERSION).hex() == "65965f2dc33481b0e1cfbe37ea7bd4df7094719508ba0f8483673f0abda3b51a"


@given(conversions())
def test_the_same_said_again_is_a_duplicate(conversion: Conversion) -> None:
    assert state_beside(body(conversion), body(replace(conversion))) is DUPLICATE


@pytest.mark.parametrize(
    "other",
    [
        replace(PLAIN_CONVERSION, occurred_at=PLAIN_CONVERSION.occurred_at + timedelta(microseconds=1)),
        replace(PLAIN_CONVERSION, touches=(), customer=CUSTOMER),
        replace(PLAIN_CONVERSION, customer=CUSTOMER),
        replace(PLAIN_CONVERSION, value_minor=13_000),
        replace(PLAIN_CONVERSION, currency=Currency("SEK")),
        replace(PLAIN_CONVERSION, value_minor=None, currency=None),
        replace(PLAIN_CONVERSION, test=True),
    ],
)
def test_anything_else_said_is_a_conflict(other: Conversion) -> None:
    assert state_beside(body(PLAIN_CONVERSION), body(other)) is CONFLICT


def test_the_key_is_no_part_of_what_is_said() -> None:
    """It is the same anyway."""
    other = replace(PLAIN_CONVERSION, key=ConversionKey("other", "lead", "B-2"))
    assert body_digest(other) == body_digest(PLAIN_CONVERSION)


@pytest.mark.parametrize(
    ("holder", "other"),
    [
        (Body(Via.API, b"a"), Body(Via.PIXEL, b"b")),
        (Body(Via.SCRIPT, b"a"), Body(Via.PIXEL, b"b")),
        (Body(Via.PIXEL, b"a"), Body(Via.API, b"b")),
        (Body(Via.API, None), Body(Via.API, b"b")),
        (Body(Via.API, None), Body(Via.API, None)),
        (Body(Via.API, b"a"), Body(Via.PIXEL, None)),
    ],
)
def test_what_a_browser_said_or_is_said_beside_who_was_erased_is_no_conflict(holder: Body, other: Body) -> None:
    assert state_beside(holder, other) is DUPLICATE


def test_a_conflict_stays_one_when_only_the_others_customer_is_erased() -> None:
    """Theirs was another than the holder's: that alone was a conflict."""
    holder, other = body(PLAIN_CONVERSION), body(replace(PLAIN_CONVERSION, customer=CustomerHash(b"somebody else's.")))
    assert state_beside(holder, other) is CONFLICT
    assert state_beside(holder, other._replace(digest=None)) is CONFLICT
