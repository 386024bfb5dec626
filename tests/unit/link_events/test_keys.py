"""An event's key is found in its bytes without parsing them, whatever else stands in them."""

from dataclasses import replace
from datetime import datetime
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from link_events.codec import encode, key_of
from link_events.events import SIGNAL_HEADERS, Click, Fact, Heartbeat, Sealed, key_of_fact
from link_events.identity import ADVOCATE_ID_PATTERN, AdvocateId, ConversionKey, Origin
from stage.events import (
    PLAIN_CLICK,
    PLAIN_CONVERSION,
    activities,
    clicks,
    conversions,
    instants,
    origins,
    reversals,
)

TRAPS: Final = (
    '"advocate_id":"x"',
    '\\"advocate_id\\":\\"x\\"',
    '\\\\"advocate_id":"x"',
    '","advocate_id":"x","y":"',
    '{"advocate_id":"x"}',
    "\u201cadvocate_id\u201d:\u201cx\u201d",
    "\\u0022advocate_id\\u0022:\\u0022x\\u0022",
)
"""What somebody may send who would rather have another advocate's partition."""

NO_KEYS: Final = (
    b'{"external_id":"A"}',
    b'{"external_id":"A"',
    b'["external_id":"A"]',
    b'{"data":{"external_id":"A"}}',
    b'{"data":["external_id"],"external_id":"A"}',
    b'{"data":{"source":"shop","kind":7,"external_id":"A"}}',
)
"""What looks like a conversion's key, and is none."""


@given(origins(), instants(), clicks())
def test_the_key_of_a_click_is_its_advocate(origin: Origin, captured_at: datetime, click: Click) -> None:
    assert key_of(encode(origin, captured_at, click)) == click.advocate_id.encode()


@given(origins(), instants(), st.from_regex(ADVOCATE_ID_PATTERN, fullmatch=True), st.data())
def test_nothing_that_a_client_sends_is_taken_for_it(
    origin: Origin, captured_at: datetime, advocate: str, data: st.DataObject
) -> None:
    """Wherever a text of theirs goes, and whatever stands around it."""
    pieces = st.lists(st.sampled_from((*TRAPS, '"', "\\", ":", " ")), max_size=6).map("".join)
    trap = data.draw(pieces)
    click = replace(
        PLAIN_CLICK,
        advocate_id=AdvocateId(advocate),
        method=trap,
        user_agent=trap,
        referrer_origin=trap,
        language=trap,
        signals=dict.fromkeys(SIGNAL_HEADERS, trap),
    )
    assert key_of(encode(origin, captured_at, click)) == advocate.encode()


@given(origins(), instants(), st.one_of(conversions(), reversals(), activities()))
def test_the_key_of_a_fact_is_what_chose_its_partition(origin: Origin, captured_at: datetime, fact: Fact) -> None:
    """Whatever quotes, backslashes and slashes are in it."""
    assert key_of(encode(origin, captured_at, fact)) == key_of_fact(fact).encode()


@pytest.mark.parametrize("trap", TRAPS)
@given(origins(), instants())
def test_no_external_id_is_taken_for_an_advocate(trap: str, origin: Origin, captured_at: datetime) -> None:
    conversion = replace(PLAIN_CONVERSION, key=ConversionKey("shop", "sale", trap))
    assert key_of(encode(origin, captured_at, conversion)) == f"shop/sale/{trap}".encode()


@pytest.mark.parametrize("data", [Heartbeat(), Sealed()])
@given(origins(), instants())
def test_heartbeats_and_seals_have_none(data: Heartbeat | Sealed, origin: Origin, captured_at: datetime) -> None:
    """They are written to the partition that they speak of."""
    assert key_of(encode(origin, captured_at, data)) is None


@given(st.binary())
def test_bytes_that_are_no_event_have_none_or_some(value: bytes) -> None:
    """They are shipped like all others."""
    key = key_of(value)
    assert key is None or key in value


@pytest.mark.parametrize("value", [b"", b'{"advocate_id":""}', b'{"advocate_id":"ada', b'{"advocate_id":', *NO_KEYS])
def test_a_key_that_is_empty_or_cut_off_is_none(value: bytes) -> None:
    assert key_of(value) is None
