"""A file is read line by line, within bounds, and which lines are clicks fits into a bitmap."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from link_events.identity import AdvocateId, Code
from redirector.imports.lines import BadLine, ClickLine, Line, NoClick, RefusedLine
from redirector.imports.survey import (
    LINE_BYTES_MAX,
    Survey,
    bounded,
    is_taken,
    numbered_lines,
    survey_file,
)

CODES = st.none() | st.sampled_from([Code("a"), Code("b"), Code("c")])


@given(st.lists(CODES, max_size=70), st.sets(st.sampled_from([Code("a"), Code("b")])))
def test_the_bitmap_holds_exactly_the_clicks_of_codes_that_are_ours(
    codes: list[Code | None], foreign: set[Code]
) -> None:
    """A bit a line; lines beyond the file's end are none."""
    taken = Survey(codes_by_line=codes).taken_lines(foreign)
    assert len(taken) == (len(codes) + 7) // 8
    found = [is_taken(taken, number) for number in range(1, len(codes) + 20)]
    expected = [code is not None and code not in foreign for code in codes]
    assert found == expected + [False] * 19


def test_the_lowest_bit_of_a_byte_comes_first() -> None:
    """As schema.sql says: bit n-1 of `taken` is line n."""
    codes = [Code("a"), None, None, None, None, None, None, None, None, Code("a")]
    assert Survey(codes_by_line=codes).taken_lines(()) == bytes([0b0000_0001, 0b0000_0010])


async def lines_of(path: Path, content: bytes) -> list[tuple[int, bytes]]:
    await asyncio.to_thread(path.write_bytes, content)
    return [line async for line in numbered_lines(path)]


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"", []),
        (b"\n", [b"\n"]),
        (b"a", [b"a"]),
        (b"a\nb\n", [b"a\n", b"b\n"]),
        (b"a\r\n\r\nb", [b"a\r\n", b"\r\n", b"b"]),
        (b"\0\n\xff\n", [b"\0\n", b"\xff\n"]),
    ],
)
async def test_lines_are_numbered_from_one(tmp_path: Path, content: bytes, lines: list[bytes]) -> None:
    """With or without a line break at the end of the file."""
    assert await lines_of(tmp_path / "file", content) == list(enumerate(lines, 1))


@pytest.mark.parametrize(
    "excess", [0, 1, 2, LINE_BYTES_MAX - 1, LINE_BYTES_MAX, LINE_BYTES_MAX + 1, 3 * LINE_BYTES_MAX]
)
@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
async def test_a_line_past_the_limit_is_one_line_and_refused(tmp_path: Path, excess: int, end: bytes) -> None:
    """Its rest is read over and never kept; the next line has the next number."""
    long = b"x" * (LINE_BYTES_MAX + excess)
    lines = await lines_of(tmp_path / "file", b"first\n" + long + end + (b"last" if end else b""))
    assert [number for number, _ in lines] == ([1, 2, 3] if end else [1, 2])
    assert lines[-1][1] == (b"last" if end else long[: LINE_BYTES_MAX + 1])
    refused = bounded(lambda _: NoClick())(lines[1][1])
    assert refused == (
        BadLine(RefusedLine.LINE_TOO_LONG, f"longer than {LINE_BYTES_MAX} bytes") if excess else NoClick()
    )


def read_letters(raw: bytes) -> Line:
    """`ab`: a click on code `a` of advocate `b`."""
    text = raw.strip().decode()
    if len(text) != 2:
        return BadLine(RefusedLine.NOT_JSON, text)
    return ClickLine(Code(text[0]), AdvocateId(text[1]), f"https://{text}.example/", NOW, "", "", "", None)


NOW = datetime(2022, 2, 14, tzinfo=UTC)


async def test_a_code_belongs_to_whom_the_files_first_line_says(tmp_path: Path) -> None:
    """A later line that gives it to somebody else is left out; its destination is the first one's."""
    path = tmp_path / "file"
    path.write_bytes(b"xm\nxn\nrubbish\nyn\nxm\n")
    seen: list[None] = []
    survey = await survey_file(path, read_letters, lambda: seen.append(None))
    assert survey.codes_by_line == [Code("x"), None, None, Code("y"), Code("x")]
    assert {code: (fields.advocate_id, fields.destination) for code, fields in survey.links.items()} == {
        "x": ("m", "https://xm.example/"),
        "y": ("n", "https://yn.example/"),
    }
    assert len(seen) == 5
