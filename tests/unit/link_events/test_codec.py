"""Events survive their bytes, and bytes that are no event are refused in one way only."""

from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

import orjson
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from link_events.codec import DETAIL_CHARS_MAX, UndecodableError, decode, encode
from link_events.events import (
    SIGNAL_HEADERS,
    Event,
    EventData,
    EventType,
    Heartbeat,
    NamedTouch,
    Sealed,
    stream_of,
)
from link_events.identity import JournalId, Origin, Seq
from link_events.reasons import DeadLetterReason
from link_events.streams import Partition, Stream
from stage.event_schemas import reader_schema
from stage.events import (
    PLAIN_CLICK,
    PLAIN_CONVERSION,
    activities,
    conversions,
    instants,
    origins,
    reversals,
    stream_events,
)

ORIGIN: Final = Origin(JournalId(bytes.fromhex("00c0ffee00c0ffee")), Stream.CLICKS, Partition(7), Seq(42))
CAPTURED_AT: Final = PLAIN_CLICK.occurred_at

SCHEMA_OF_TYPE: Final = {
    "advolink.click.v1": "click.v1.schema.json",
    "advolink.conversion.v1": "conversion.v1.schema.json",
    "advolink.reversal.v1": "reversal.v1.schema.json",
    "advolink.activity.v1": "activity.v1.schema.json",
    "advolink.heartbeat.v1": "heartbeat.v1.schema.json",
    "advolink.sealed.v1": "sealed.v1.schema.json",
}

NEARLY_RIGHT: Final = (
    *("2022-02-30T00:00:00Z", "0000-01-01T00:00:00Z", "2022-01-01T24:00:00Z", "2022-01-01T00:00:60Z"),
    *("2022-01-01T00:00:00Z\n", "2022-01-01T00:00:00,5Z", "2022-01-01t00:00:00z", "2022-01-01T00:00Z"),
    *(
        "\N{ARABIC-INDIC DIGIT TWO}022-01-01T00:00:00Z",
        "2022-01-01T00:00:00.1234567Z",
        "2022-01-01T00:00:00.1Z",
        "20220101T000000Z",
    ),
    *("active", "active\n", "ada\n", "ad\0a", "a" * 65, "a" * 513, "é" * 512, "1.0", "GET", *EventType),
)


def _fields() -> dict[str, Any]:
    """The plain click as a writer writes it, to be broken."""
    fields: dict[str, Any] = orjson.loads(encode(ORIGIN, CAPTURED_AT, PLAIN_CLICK))
    return fields


def _decodes(event: Any, origin: Origin = ORIGIN) -> bool:
    try:
        decode(orjson.dumps(event), origin)
    except UndecodableError:
        return False
    return True


def _is_valid(event: dict[str, Any]) -> bool:
    schema = SCHEMA_OF_TYPE.get(str(event.get("type")))
    return schema is not None and reader_schema(schema).is_valid(event)


def _is_beyond_schemas(data: dict[str, Any]) -> bool:
    # JSON Schema knows numbers only and calls 5.0 whole; the reader refuses what a float may have rounded.
    if isinstance(data.get("link_id"), float):
        return True
    # A fact's amount likewise, and in what order its touches stand.
    if isinstance(data.get("value_minor"), float):
        return True
    touches = data.get("touches")
    if isinstance(touches, list) and len(touches) > 1:
        return True
    # A header that the schema does not know may be anything there; the reader wants a text that Postgres can store.
    signals = data.get("signals")
    return isinstance(signals, dict) and not signals.keys() <= set(SIGNAL_HEADERS)


def _refusal(event: Any) -> DeadLetterReason:
    with pytest.raises(UndecodableError) as refused:
        decode(orjson.dumps(event), ORIGIN)
    return refused.value.reason


def _any_json() -> st.SearchStrategy[Any]:
    names = st.sampled_from([*SIGNAL_HEADERS, *_fields(), *_fields()["data"]])
    leaves = st.one_of(
        *(st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), st.floats(allow_nan=False, allow_infinity=False)),
        *(st.text(st.characters(codec="utf-8")), st.sampled_from(NEARLY_RIGHT)),
    )
    return st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(names, inner), max_leaves=6)


@st.composite
def _changed_events(draw: st.DrawFn, stream: Stream = Stream.CLICKS) -> dict[str, Any]:
    """An event in which one field is gone, is something else, or is the wrong thing altogether."""
    written = encode(replace(ORIGIN, stream=stream), draw(instants()), draw(stream_events(stream)))
    event: dict[str, Any] = orjson.loads(written)
    data = event["data"]
    inside = [event] + [part for part in (data, data.get("signals"), *data.get("touches", [])[:1]) if part]
    changed = draw(st.sampled_from(inside))
    name = draw(st.sampled_from(sorted(changed)))
    if draw(st.booleans()):
        del changed[name]
    else:
        changed[name] = draw(_any_json())
    return event


@given(origins(), instants(), st.data())
def test_an_event_comes_back_as_it_was_written(origin: Origin, captured_at: datetime, drawn: st.DataObject) -> None:
    """Whatever a writer may write, a reader reads."""
    data = drawn.draw(stream_events(origin.stream))
    assert decode(encode(origin, captured_at, data), origin) == Event(origin, captured_at, data)


@pytest.mark.parametrize("data", [Heartbeat(), Sealed()])
@given(origin=origins(), captured_at=instants())
def test_every_stream_carries_heartbeats_and_seals(origin: Origin, captured_at: datetime, data: EventData) -> None:
    """What a journal says of itself it says in each of its streams."""
    assert decode(encode(origin, captured_at, data), origin) == Event(origin, captured_at, data)


@given(st.binary())
@example(b"")
@example(b"[" * 2_000)
@example(b"\xef\xbb\xbf{}")
@example(b'"\\ud800"')
@example(b"1e400")
def test_rubbish_is_undecodable_and_nothing_else(value: bytes) -> None:
    """Bytes that are no event raise UndecodableError, whatever they are."""
    with pytest.raises(UndecodableError):
        decode(value, ORIGIN)


@given(st.integers(0, 700), st.integers(0, 20), st.binary(max_size=20))
def test_damaged_bytes_never_break_the_reader(start: int, length: int, instead: bytes) -> None:
    """A record of which a part was overwritten is read or refused."""
    value = encode(ORIGIN, CAPTURED_AT, PLAIN_CLICK)
    with suppress(UndecodableError):
        decode(value[:start] + instead + value[start + length :], ORIGIN)


@given(_changed_events())
@example(_fields() | {"time": "2022-01-01T00:00:00Z\n"})
def test_what_is_refused_is_what_breaks_the_schema(event: dict[str, Any]) -> None:
    """The reader and the schemas agree on every event, but for fields that they do not know."""
    assume(not _is_beyond_schemas(event["data"] if isinstance(event.get("data"), dict) else {}))
    assert _decodes(event) == _is_valid(event)


@pytest.mark.parametrize("stream", [Stream.CONVERSIONS, Stream.ACTIVITIES])
@given(st.data())
def test_what_is_refused_of_facts_is_what_breaks_the_schema(stream: Stream, drawn: st.DataObject) -> None:
    event = drawn.draw(_changed_events(stream))
    assume(not _is_beyond_schemas(event["data"] if isinstance(event.get("data"), dict) else {}))
    assert _decodes(event, replace(ORIGIN, stream=stream)) == _is_valid(event)


@pytest.mark.parametrize("seqs", [(2, 1), (1, 1), (1, 3, 2)])
def test_touches_stand_in_order_and_each_once(seqs: tuple[int, ...]) -> None:
    """One order of the same touches, so that two reports of one conversion are alike to the byte."""
    [touch] = PLAIN_CONVERSION.touches
    touches = tuple(
        NamedTouch(replace(touch.origin, seq=Seq(seq)), touch.utc_day + timedelta(days=number))
        for number, seq in enumerate(seqs)
    )
    origin = replace(ORIGIN, stream=Stream.CONVERSIONS)
    with pytest.raises(UndecodableError, match="touches do not stand in the order"):
        decode(encode(origin, CAPTURED_AT, replace(PLAIN_CONVERSION, touches=touches)), origin)


@pytest.mark.parametrize("stream", Stream)
@given(st.data())
def test_a_fact_lies_in_its_own_stream(stream: Stream, drawn: st.DataObject) -> None:
    """Where another writes it, it is refused, though its id and its data are right."""
    fact = drawn.draw(st.one_of(conversions(), reversals(), activities()))
    origin = replace(ORIGIN, stream=stream)
    value = encode(origin, CAPTURED_AT, fact)
    if stream is stream_of(fact):
        assert decode(value, origin).data == fact
    else:
        with pytest.raises(UndecodableError, match="carry no 'advolink"):
            decode(value, origin)


@given(_any_json())
def test_a_value_that_is_no_event_at_all_is_refused(value: object) -> None:
    """JSON that is no CloudEvent is told from one that breaks its schema."""
    assert _refusal(value) is DeadLetterReason.NOT_AN_EVENT


@pytest.mark.parametrize("depth", [900, 1_010])
def test_a_type_nested_deeper_than_python_can_print_is_refused(depth: int) -> None:
    """A record made to exhaust the reader's stack is a dead letter like any other."""
    nested = b"[" * depth + b"]" * depth
    value = encode(ORIGIN, CAPTURED_AT, Heartbeat()).replace(b'"advolink.heartbeat.v1"', nested)
    with pytest.raises(UndecodableError, match="type is not a text"):
        decode(value, ORIGIN)


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("specversion", "0.3", DeadLetterReason.NOT_AN_EVENT),
        ("id", "00c0ffee00c0ffee-c7-43", DeadLetterReason.ID_MISMATCH),
        ("source", "/redirector/0123456789abcdef", DeadLetterReason.ID_MISMATCH),
        ("type", "advolink.hit.v1", DeadLetterReason.UNKNOWN_TYPE),
        ("time", "2022-02-14T10:30:00+01:00", DeadLetterReason.BREAKS_SCHEMA),
        ("data", {}, DeadLetterReason.BREAKS_SCHEMA),
    ],
)
def test_a_refusal_names_its_reason(field: str, value: object, reason: DeadLetterReason) -> None:
    """Each kind of poison has its own word."""
    assert _refusal(_fields() | {field: value}) is reason


def test_a_click_belongs_to_the_clicks_stream() -> None:
    """A click that lies in another stream is refused, though its id and its data are right."""
    origin = Origin(ORIGIN.journal, Stream.CONVERSIONS, ORIGIN.partition, ORIGIN.seq)
    with pytest.raises(UndecodableError, match="conversions carry no 'advolink"):
        decode(encode(origin, CAPTURED_AT, PLAIN_CLICK), origin)


def test_fields_that_a_later_writer_adds_are_ignored() -> None:
    """Readers are open: they take what they know."""
    event = _fields()
    event["traceparent"] = "00-1"
    event["data"]["shoe_size"] = 43
    assert decode(orjson.dumps(event), ORIGIN).data == PLAIN_CLICK


def test_a_header_that_a_later_writer_keeps_is_kept() -> None:
    """A click stays in raw form: signals that this reader does not know are not lost."""
    event = _fields()
    event["data"]["signals"] = {"sec-ch-prefers": "clicks"}
    click = decode(orjson.dumps(event), ORIGIN).data
    assert click.signals == {"sec-ch-prefers": "clicks"}  # type: ignore[union-attr]


def test_what_a_refusal_quotes_is_bounded() -> None:
    """A dead letter's detail stays a line, however long the text that broke it."""
    with pytest.raises(UndecodableError) as refused:
        decode(orjson.dumps(_fields() | {"type": "x" * 100_000}), ORIGIN)
    assert len(refused.value.detail) == DETAIL_CHARS_MAX
