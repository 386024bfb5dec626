"""A line of bitly's feed is a click, no click, or a bad line with its reason; never an error."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from link_events.identity import AdvocateId, Code
from redirector.destinations import DestinationPolicy
from redirector.imports.bitly import read_bitly_line, read_planned_bitly_line
from redirector.imports.lines import BadLine, ClickLine, Line, NoClick, RefusedLine

POLICY: Final = DestinationPolicy({"go.example.com"})
LATEST: Final = datetime(2022, 2, 15, tzinfo=UTC)
GOOD: Final[dict[str, Any]] = {
    "l": "ada",
    "h": "wfLQtf",
    "u": "http://www.NASA.gov/page?q=ä",
    "t": 1_331_923_247,
    "a": "Mozilla/5.0",
    "r": "http://www.facebook.com/l.php",
    "al": "en-US,en;q=0.8",
    "c": "US",
}


def read(line: bytes) -> Line:
    return read_bitly_line(line, POLICY, LATEST)


def read_with(**fields: Any) -> Line:
    return read(orjson.dumps(GOOD | fields))


def test_a_click_says_whose_link_when_and_what_was_known_of_the_browser() -> None:
    """The destination is stored as browsers write it, the time is the line's own."""
    assert read_with() == ClickLine(
        code=Code("wfLQtf"),
        advocate_id=AdvocateId("ada"),
        destination="http://www.nasa.gov/page?q=%C3%A4",
        occurred_at=datetime(2012, 3, 16, 18, 40, 47, tzinfo=UTC),
        user_agent="Mozilla/5.0",
        referrer="http://www.facebook.com/l.php",
        language="en-US,en;q=0.8",
        country="US",
    )


def test_only_whose_link_where_and_when_must_be_known() -> None:
    """What a browser did not say is empty."""
    line = read(orjson.dumps({name: GOOD[name] for name in "lhut"}))
    assert isinstance(line, ClickLine)
    assert (line.user_agent, line.referrer, line.language, line.country) == ("", "", "", None)


@pytest.mark.parametrize("name", ["a", "r", "al", "c"])
@pytest.mark.parametrize("value", [None, 7, [], {}, True])
def test_a_field_of_the_wrong_kind_counts_as_missing(name: str, value: object) -> None:
    """A click is a click, whatever its user agent looks like."""
    assert isinstance(read_with(**{name: value}), ClickLine)


@pytest.mark.parametrize("country", ["", "U", "USA", "12", "U1"])
def test_a_country_is_two_letters_or_unknown(country: str) -> None:
    line = read_with(c=country)
    assert isinstance(line, ClickLine)
    assert line.country is None


@pytest.mark.parametrize("line", [b"", b"\n", b" \t\r\n", b'{"_heartbeat_": 1331923249}\n', b'{"_heartbeat_": null}'])
def test_heartbeats_and_empty_lines_are_no_clicks_and_no_faults(line: bytes) -> None:
    """They never were meant to be."""
    assert read(line) == NoClick()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"rubbish", RefusedLine.NOT_JSON),
        (b'{"l": "ada"', RefusedLine.NOT_JSON),
        (b'{"l": "\\ud800"}', RefusedLine.NOT_JSON),
        (b'{"l": "\xff"}', RefusedLine.NOT_JSON),
        (b"\xef\xbb\xbf{}", RefusedLine.NOT_JSON),
        (b"\0" * 100, RefusedLine.NOT_JSON),
        (b"[" * 60_000, RefusedLine.NOT_JSON),
        (b"NaN", RefusedLine.NOT_JSON),
        (b"[]", RefusedLine.NOT_AN_OBJECT),
        (b"7", RefusedLine.NOT_AN_OBJECT),
        (b'"{}"', RefusedLine.NOT_AN_OBJECT),
        (b"null", RefusedLine.NOT_AN_OBJECT),
        (b"{}", RefusedLine.BAD_ADVOCATE),
    ],
)
def test_what_is_no_object_is_named(line: bytes, reason: RefusedLine) -> None:
    assert reason_of(read(line)) is reason


@pytest.mark.parametrize(
    ("field", "values", "reason"),
    [
        ("l", [None, "", 7, [], "a@b", "a b", "ä", "a\0", "a" * 65, True], RefusedLine.BAD_ADVOCATE),
        ("h", [None, "", 7, {}, "a b", "a.b", "a/b", "V1", "metrics", "a\0", "a" * 65], RefusedLine.BAD_CODE),
        (
            "u",
            [
                None,
                "",
                7,
                "ftp://a.example/",
                "javascript:1",
                "http://localhost/",
                "https://go.example.com/x",
                "x" * 9999,
            ],
            RefusedLine.BAD_DESTINATION,
        ),
        (
            "t",
            [None, "1331923247", True, [], -1, 946_684_799, 946_684_799.999999, 1e300, -1e300, 2**64 - 1, 10**15],
            RefusedLine.BAD_TIME,
        ),
    ],
)
def test_a_bad_field_is_named(field: str, values: list[object], reason: RefusedLine) -> None:
    """The detail begins with the field's name in the file."""
    for value in values:
        line = read_with(**{field: value})
        assert reason_of(line) is reason, value
        assert isinstance(line, BadLine)
        assert line.detail.startswith(f"{field}: ")


@pytest.mark.parametrize("depth", [500, 990, 1_010])
def test_a_field_nested_deeper_than_python_can_print_is_named_too(depth: int) -> None:
    """A line made to exhaust the reader's stack is a bad line like any other."""
    line = b'{"l":' + b"[" * depth + b"]" * depth + b"}"
    assert reason_of(read(line)) is RefusedLine.BAD_ADVOCATE


def test_what_a_refusal_quotes_is_bounded() -> None:
    """A thousand bad lines make one answer, however long each is."""
    line = read_with(l="x" * 60_000)
    assert isinstance(line, BadLine)
    assert len(line.detail) < 200


@pytest.mark.parametrize(("seconds", "taken"), [(0, True), (0.000001, False), (1, False)])
def test_a_click_that_has_yet_to_come_is_refused(seconds: float, taken: bool) -> None:  # noqa: FBT001 - a table's column
    """Up to the given instant, which leaves room for clocks that differ."""
    line = read_with(t=(LATEST + timedelta(seconds=seconds)).timestamp())
    assert isinstance(line, ClickLine) is taken


def test_clicks_are_taken_from_2000_on() -> None:
    """Raw clicks are kept by date from there."""
    line = read_with(t=946_684_800)
    assert isinstance(line, ClickLine)
    assert line.occurred_at == datetime(2000, 1, 1, tzinfo=UTC)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*GOOD, "_heartbeat_"]), inner, max_size=4)
    ),
    max_leaves=8,
)


@given(st.binary() | JSON.map(orjson.dumps))
@example(b'{"l":"ada","h":"x","u":"http://a.example","t":0.1}')
def test_no_line_is_an_error(line: bytes) -> None:
    """Every line of every file is one of the three."""
    assert isinstance(read(line), ClickLine | NoClick | BadLine)


@given(st.fixed_dictionaries({name: JSON | st.just(value) for name, value in GOOD.items()}))
def test_no_mixture_of_fields_is_an_error(fields: dict[str, Any]) -> None:
    """Each field right or wrong by itself."""
    assert isinstance(read(orjson.dumps(fields)), ClickLine | BadLine)


@given(st.fixed_dictionaries({name: JSON | st.just(value) for name, value in GOOD.items()}))
@example(GOOD)
def test_a_line_that_was_taken_is_read_alike_by_no_rules_at_all(fields: dict[str, Any]) -> None:
    """A later import of the file writes the same event, whatever the rules are by then."""
    raw = orjson.dumps(fields)
    line = read(raw)
    if isinstance(line, ClickLine):
        assert read_planned_bitly_line(raw) == replace(line, destination="")


def reason_of(line: Line) -> RefusedLine | None:
    return line.reason if isinstance(line, BadLine) else None
