"""The short cut reads what the careful reader reads, the same, and never more."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from link_events.codec import UndecodableError, decode, encode, read_carefully
from link_events.events import SIGNAL_HEADERS, Click, Event, EventData
from link_events.identity import JournalId, Origin, Seq
from link_events.streams import Partition, Stream
from link_events.usual_clicks import read_usual_click
from stage.events import PLAIN_CLICK, clicks, clicks_stream_events, instants, origins

ORIGIN: Final = Origin(JournalId(bytes.fromhex("00c0ffee00c0ffee")), Stream.CLICKS, Partition(7), Seq(42))
ANOTHER: Final = Origin(ORIGIN.journal, ORIGIN.stream, ORIGIN.partition, Seq(43))
LATER: Final = datetime(2022, 2, 14, 9, 31, tzinfo=UTC)

PLAIN: Final = encode(ORIGIN, LATER, PLAIN_CLICK)
FIELDS: Final = sorted(orjson.loads(PLAIN))
CLICK_FIELDS: Final = sorted(orjson.loads(PLAIN)["data"])

NEARLY_RIGHT: Final[tuple[Any, ...]] = (
    *("2022-02-30T00:00:00Z", "0000-01-01T00:00:00Z", "2022-01-01T24:00:00Z", "2022-01-01T00:00:00Z\n"),
    *("2022-W01-1T00:00:00Z", "2022-01-01T00:00:00+00:00", "2022-01-01T00:00:00.5Z", "20220101T000000Z"),
    *("active", "paused", "ada", "ada\n", "ad\0a", "a@b", "", "a" * 16, "a" * 17, "a" * 35, "a" * 36, "a" * 64),
    *("a" * 65, "a" * 128, "a" * 129, "é" * 261, "é" * 262, "é" * 512, "é" * 513, "\\u0000", "\\"),
    *(0, 1, True, False, None, 1.0, -1, 2**63 - 1, 2**63, 2**64 - 1),
    *([], {}, ["datacentre"], ["data\0centre"], [None], [[]], {"purpose": "prefetch"}, {"purpose": None}),
    *({"pur\0pose": ""}, {"x-new": "a" * 129}, {"x-new": ["a"]}),
)


def _read_both(value: bytes, origin: Origin = ORIGIN) -> tuple[Event | None, Event | None]:
    """What the short cut and the careful reader read in `value`, None where they read nothing."""
    parsed = orjson.loads(value)
    short = read_usual_click(value, parsed, origin)
    try:
        return short, read_carefully(parsed, origin)
    except UndecodableError:
        return short, None


def _any_json() -> st.SearchStrategy[Any]:
    leaves = st.one_of(
        *(st.sampled_from(NEARLY_RIGHT), st.text(st.characters(codec="utf-8")), st.integers(-(2**63), 2**64 - 1)),
        st.floats(allow_nan=False, allow_infinity=False),
    )
    names = st.sampled_from([*SIGNAL_HEADERS, "x-new", "x\0"])
    return st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(names, inner), max_leaves=4)


@st.composite
def _changed_clicks(draw: st.DrawFn) -> bytes:
    """A click of which some fields are gone, are something else, or have changed places."""
    event: dict[str, Any] = orjson.loads(encode(ORIGIN, draw(instants()), draw(clicks())))
    for _ in range(draw(st.integers(1, 3))):
        part, names = draw(st.sampled_from([(event, FIELDS), (event.get("data"), CLICK_FIELDS)]))
        if not isinstance(part, dict):
            continue
        name, other = draw(st.sampled_from(names)), draw(st.sampled_from(names))
        match draw(st.sampled_from(["gone", "changed", "changed", "swapped"])):
            case "gone":
                part.pop(name, None)
            case "changed":
                part[name] = draw(_any_json())
            case _:
                part[name], part[other] = part.get(other), part.get(name)
    return orjson.dumps(event)


@given(_changed_clicks())
def test_the_short_cut_reads_nothing_that_the_careful_reader_refuses(value: bytes) -> None:
    """And reads the rest as it does, type for type."""
    short, careful = _read_both(value)
    if short is not None:
        assert (short, repr(short)) == (careful, repr(careful))


@pytest.mark.parametrize("name", CLICK_FIELDS)
@pytest.mark.parametrize("instead", NEARLY_RIGHT, ids=repr)
def test_a_field_that_is_nearly_right_is_judged_alike(name: str, instead: object) -> None:
    """Every edge of every field, one at a time: what is left to the careful reader is wrong or holds a backslash."""
    event = orjson.loads(PLAIN)
    event["data"][name] = instead
    value = orjson.dumps(event)
    short, careful = _read_both(value)
    assert repr(short) == repr(careful) or (short is None and b"\\u0000" in value)


@given(origins(st.just(Stream.CLICKS)), instants(), clicks())
@example(ORIGIN, LATER, PLAIN_CLICK)
@example(ORIGIN, PLAIN_CLICK.occurred_at, PLAIN_CLICK)
def test_every_click_that_is_written_is_read_by_the_short_cut(origin: Origin, at: datetime, click: Click) -> None:
    """Unless it holds what looks like the escape of a NUL."""
    value = encode(origin, at, click)
    short, careful = _read_both(value, origin)
    assert careful == Event(origin, at, click)
    assert short == (None if b"\\u0000" in value else careful)


@given(instants(), clicks())
def test_a_click_of_an_older_writer_is_read_by_the_short_cut(at: datetime, click: Click) -> None:
    """What was journaled before there were local salts needs no longer than the others."""
    event = orjson.loads(encode(ORIGIN, at, replace(click, visitor_local=False)))
    del event["data"]["visitor_local"]
    value = orjson.dumps(event)
    short, careful = _read_both(value)
    assert careful == Event(ORIGIN, at, replace(click, visitor_local=False))
    assert short == (None if b"\\u0000" in value else careful)


@given(instants(), clicks_stream_events())
def test_an_event_of_another_name_or_kind_is_left_alone(at: datetime, data: EventData) -> None:
    """The short cut is for clicks that are what they travelled as."""
    value = encode(ORIGIN, at, data)
    assert read_usual_click(value, orjson.loads(value), ANOTHER) is None
    if not isinstance(data, Click):
        assert read_usual_click(value, orjson.loads(value), ORIGIN) is None


@pytest.mark.parametrize("nul", [b"\0", b"\\U0000", b"\\x00", b"\\0", b"\\000", b"\\u000", b"\\u{0}"])
@pytest.mark.parametrize("around", [b'"%s"', b'"a%sz"', b'{"%s":1}', b'{"a%sz":1}'])
def test_a_nul_has_one_escape_and_no_other_form(nul: bytes, around: bytes) -> None:
    """In a name as in a text: whoever looks for the escape in the bytes finds every NUL."""
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(around % nul)
    assert "\0" in str(orjson.loads(around % b"\\u0000")) or "\\x00" in str(orjson.loads(around % b"\\u0000"))


def test_a_text_that_only_looks_like_a_nul_is_kept() -> None:
    """A backslash, a u and four zeros are no NUL: the careful reader knows."""
    value = PLAIN.replace(b'"GET"', b'"a\\\\u0000"')
    click = decode(value, ORIGIN).data
    assert isinstance(click, Click)
    assert click.method == "a\\u0000"
