"""Which lines of a file are clicks: decided once, at the first import, before any event is written.

Also the file itself, line by line, in slices short enough that redirects go on beside it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from link_events.identity import AdvocateId, Code
from redirector.errors import ImportRefusedError
from redirector.imports.lines import BadLine, ClickLine, Line, RefusedLine
from redirector.links.link import LinkFields

LINE_BYTES_MAX: Final = 65_536
"""A click with every field at its limit is far smaller."""

SLICE_LINES: Final = 100
"""Lines between two chances for redirects: one to two milliseconds."""

LINES_MAX: Final = 10_000_000
LINKS_MAX: Final = 200_000
"""What one import takes: some hundred megabytes of memory, and links made in a minute. Larger files are split."""

ReadLine = Callable[[bytes], Line]


@dataclass(slots=True)
class Survey:
    """What a file holds: the link each click line is for, the links they need, and the lines left out."""

    codes_by_line: list[Code | None] = field(default_factory=list)
    links: dict[Code, LinkFields] = field(default_factory=dict)

    def taken_lines(self, foreign: Collection[Code]) -> bytes:
        """The bitmap of lines that are clicks, but for those of codes that belong to somebody else."""
        taken = bytearray((len(self.codes_by_line) + 7) // 8)
        for index, code in enumerate(self.codes_by_line):
            if code is not None and code not in foreign:
                taken[index // 8] |= 1 << index % 8
        return bytes(taken)


def is_taken(taken: bytes, line_number: int) -> bool:
    """Whether the bitmap says that line `line_number` (from 1) is a click."""
    index = line_number - 1
    return index // 8 < len(taken) and bool(taken[index // 8] >> index % 8 & 1)


async def survey_file(path: Path, read_line: ReadLine, on_line: Callable[[], None]) -> Survey:
    """Read the whole file once.

    Raises:
        ImportRefusedError: it has more lines or links than one import takes.
    """
    survey = Survey()
    async for _, raw in numbered_lines(path):
        line = read_line(raw)
        code = None
        if isinstance(line, ClickLine) and _advocate_of(survey, line) == line.advocate_id:
            code = line.code
        survey.codes_by_line.append(code)
        if len(survey.codes_by_line) > LINES_MAX or len(survey.links) > LINKS_MAX:
            raise ImportRefusedError(f"more than {LINES_MAX} lines or {LINKS_MAX} links; split the file")
        on_line()
    return survey


async def planned_codes(path: Path, taken: bytes, read_planned: Callable[[bytes], ClickLine]) -> set[Code]:
    """The codes of the lines that the bitmap says are clicks."""
    return {read_planned(raw).code async for number, raw in numbered_lines(path) if is_taken(taken, number)}


async def numbered_lines(path: Path) -> AsyncIterator[tuple[int, bytes]]:
    """Every line of the file with its number, from 1. A line past LINE_BYTES_MAX comes cut, one byte too long."""
    number = 0
    with path.open("rb") as file:
        while raw := file.readline(LINE_BYTES_MAX + 1):
            whole = raw
            while not whole.endswith(b"\n") and (whole := file.readline(LINE_BYTES_MAX)):  # noqa: ASYNC110
                await asyncio.sleep(0)  # waits for nothing: lets redirects go on
            number += 1
            yield number, raw
            if number % SLICE_LINES == 0:
                await asyncio.sleep(0)


def bounded(read_line: ReadLine) -> ReadLine:
    """`read_line`, refusing lines that are too long before anything looks at them."""

    def read_bounded(raw: bytes) -> Line:
        if len(raw.rstrip(b"\r\n")) > LINE_BYTES_MAX:
            return BadLine(RefusedLine.LINE_TOO_LONG, f"longer than {LINE_BYTES_MAX} bytes")
        return read_line(raw)

    return read_bounded


def _advocate_of(survey: Survey, line: ClickLine) -> AdvocateId:
    """Who the file's first line with this code says it belongs to."""
    fields = survey.links.get(line.code)
    if fields is None:
        fields = survey.links[line.code] = LinkFields(line.advocate_id, line.destination)
    return fields.advocate_id
