"""Whatever is reported, a row is refused by itself or becomes an event that every reader takes."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson
from hypothesis import given
from hypothesis import strategies as st

from link_events.codec import decode, encode
from link_events.currencies import CURRENCIES
from link_events.events import VALUE_MINOR_MAX, Fact, NamedTouch, stream_of
from link_events.identity import CustomerHash, JournalId, Origin, Seq
from link_events.reasons import Via
from link_events.streams import Partition, Stream
from redirector.conversions.answers import Answer, RefusedRowError
from redirector.conversions.reading import (
    AHEAD_MAX,
    EARLIEST,
    ActivityIn,
    ConversionIn,
    ReversalIn,
    activity_of,
    conversion_of,
    expect_takeable,
    read_report,
    reversal_of,
)

NOW: Final = datetime(2026, 11, 26, 12, tzinfo=UTC)
JOURNAL: Final = JournalId(b"reported")
TOUCH: Final = NamedTouch(Origin(JOURNAL, Stream.CLICKS, Partition(3), Seq(7)), NOW.date())

Read = Callable[[object], Fact]

texts: Final = st.text(max_size=210) | st.text(alphabet="aZ9._-", min_size=1, max_size=64)
instants: Final = st.datetimes(
    EARLIEST.replace(tzinfo=None) - timedelta(days=1), NOW.replace(tzinfo=None) + 2 * AHEAD_MAX, timezones=st.just(UTC)
).map(datetime.isoformat)
amounts: Final = st.integers(-1, 2) | st.integers(VALUE_MINOR_MAX - 1, VALUE_MINOR_MAX + 1)
anything: Final = st.none() | st.booleans() | st.floats() | amounts | texts | st.lists(texts, max_size=3)

FIELDS: Final[dict[str, st.SearchStrategy[Any]]] = {
    **dict.fromkeys(["source", "kind"], st.sampled_from(["shop", "sale", "x" * 64])),
    **dict.fromkeys(["external_id", "reversal_id", "customer_id"], texts),
    **dict.fromkeys(["channel", "content_id", "category"], st.none() | texts),
    "time": instants,
    "click_ids": st.lists(texts, max_size=2),
    "value_minor": st.none() | amounts,
    "currency": st.none() | st.sampled_from(sorted(CURRENCIES)),
    "advocate_id": st.sampled_from(["ada", "grace.hopper"]),
    "test": st.booleans(),
}


def rows(*required: str, optional: tuple[str, ...] = (), **own: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Rows with these fields as they ought to be, nearly; in some a field is anything, some are no rows at all."""
    known = FIELDS | own
    good = st.fixed_dictionaries(
        {name: known[name] for name in required}, optional={name: known[name] for name in optional}
    )
    spoilt = st.tuples(good, st.sampled_from([*required, *optional, "unknown"]), anything)
    return good | spoilt.map(lambda row: row[0] | {row[1]: row[2]}) | anything


def read_conversion(row: object) -> Fact:
    said = read_report(row, ConversionIn)
    expect_takeable(said, NOW)
    customer = None if said.customer_id is None else CustomerHash(b"c" * 16)
    return conversion_of(said, [TOUCH] if said.click_ids else [], customer, Via.API)


def is_refused_or_read(row: object, read: Read) -> None:
    """Nothing else comes of it; a refusal can be written as JSON, with a field and a detail."""
    try:
        fact = read(row)
    except RefusedRowError as error:
        told = orjson.loads(orjson.dumps(error.refused.shown()))
        assert told["status"] == Answer.INVALID
        assert told["field"]
        assert told["detail"]
        return
    origin = Origin(JOURNAL, stream_of(fact), Partition(0), Seq(1))
    assert decode(encode(origin, NOW, fact), origin).data == fact


@given(
    rows(
        *("source", "kind", "external_id", "time", "customer_id"),
        optional=("click_ids", "value_minor", "currency", "test"),
    )
)
def test_a_conversion_is_refused_or_is_read_as_it_was_reported(row: object) -> None:
    is_refused_or_read(row, read_conversion)


@given(rows("source", "kind", "external_id", "reversal_id", "time", optional=("value_minor",)))
def test_a_reversal_is_refused_or_is_read_as_it_was_reported(row: object) -> None:
    is_refused_or_read(row, lambda one: reversal_of(read_report(one, ReversalIn), NOW))


@given(
    rows(
        *("source", "external_id", "kind", "advocate_id", "time"),
        optional=("channel", "content_id", "category"),
        kind=st.sampled_from(["share", "session", "engagement"]),
    )
)
def test_an_activity_is_refused_or_is_read_as_it_was_reported(row: object) -> None:
    is_refused_or_read(row, lambda one: activity_of(read_report(one, ActivityIn), NOW))
