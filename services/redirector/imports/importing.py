"""An import: survey the file, pin the plan, write one event a click, seal, ship.

Every step can be cut short and taken up again: the plan is pinned or not, and an event is in the import's journal or
not. Its seqs follow from the plan alone, so a second redirector with the same file writes the same events, and the
watermark lets one of each through.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

from link_events.codec import encode
from link_events.events import Click, EventData, Sealed
from link_events.identity import Code, Origin
from link_events.reasons import LinkState
from link_events.streams import Partition, Stream, partition_of
from redirector.capture import Request, capture_click
from redirector.destinations import DestinationPolicy
from redirector.errors import ImportRunningError
from redirector.imports.bitly import read_bitly_line, read_planned_bitly_line
from redirector.imports.lines import BadLine, ClickLine, ImportFormat, Line, RefusedLine
from redirector.imports.store import ImportPlan, PlanStore
from redirector.imports.survey import ReadLine, bounded, is_taken, numbered_lines, planned_codes, survey_file
from redirector.journal.adoption import JournalTakenError, open_journal
from redirector.journal.journal import Journal, JournalFullError, Limits
from redirector.links.link import Link
from redirector.shipments import Shipment, Shipments

BAD_LINES_LISTED_MAX: Final = 1_000
"""More are counted, not listed: an answer stays an answer."""

WRITE_EVENTS: Final = 200
"""Events waited for together: one write to the journal."""

SEGMENT_BYTES_MIN: Final = 2**20
"""A small file's journal takes no more than this, not a live journal's 64 MiB."""

CLOCK_SKEW: Final = timedelta(days=1)
"""How far ahead of our clock a click may have happened; the aggregator keeps raw clicks no further ahead."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as it was received."""

    path: Path
    sha256: bytes
    line_format: ImportFormat


@dataclass(slots=True)
class Progress:
    """How far an import is; also what is answered when it is done."""

    import_id: str
    lines: int = 0
    surveyed: int = 0
    journaled: int = 0
    taken: int = 0
    refused: int = 0
    imported_before: bool = False
    bad_lines: list[tuple[int, BadLine]] = field(default_factory=list)
    would_pass_now: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ImportPlace:
    """Where imports' journals lie, how large they may grow, and how many partitions they are made for."""

    root: Path
    limits: Limits
    partitions: int


class Importer:
    """Runs imports. Each file at most once at a time."""

    def __init__(self, plans: PlanStore, shipments: Shipments, place: ImportPlace, policy: DestinationPolicy) -> None:
        self._plans = plans
        self._shipments = shipments
        self._place = place
        self._policy = policy
        self._running: dict[bytes, Progress] = {}

    def progress(self, import_id: str) -> Progress | None:
        """How far a running import is."""
        return next((run for run in self._running.values() if run.import_id == import_id), None)

    async def run(self, upload: Upload, actor: str) -> Progress:
        """Import the file; done when every event is in its journal, and shipping has begun.

        Raises:
            ImportRunningError: the same file is being imported.
            ImportRefusedError: it cannot be imported at all.
            DatabaseAwayError: Postgres is away; nothing is half done, import it again.
            JournalFullError: the disk is full; what is missing follows when it is imported again.
        """
        if upload.sha256 in self._running:
            raise ImportRunningError("this file is being imported right now")
        progress = self._running[upload.sha256] = Progress(upload.sha256[:8].hex())
        try:
            await self._run(upload, actor, progress)
        finally:
            del self._running[upload.sha256]
        return progress

    async def _run(self, upload: Upload, actor: str, progress: Progress) -> None:
        now = datetime.now(UTC)
        read_line = _line_reader(upload.line_format, self._policy, now + CLOCK_SKEW)

        def count_line() -> None:
            progress.surveyed += 1

        survey = await survey_file(upload.path, read_line, count_line)
        progress.lines = len(survey.codes_by_line)
        plan = await self._plans.find(upload.sha256, upload.line_format)
        progress.imported_before = plan is not None
        if plan is None:
            plan = await self._plans.pin(upload.sha256, upload.line_format, survey, now, actor)
        codes = await planned_codes(upload.path, plan.taken, read_planned_bitly_line)
        links = await self._plans.links(list(codes | survey.links.keys()))
        await self._shipments.settled(plan.journal)
        shipment = self._open(plan, upload.path.stat().st_size)
        try:
            await _write_events(_Run(plan, upload.path, read_line, links, progress), shipment.journal)
        except JournalFullError:
            await self._shipments.abandon(shipment)  # the next try reads from the disk how far this one came
            raise
        self._shipments.finish(shipment)

    def _open(self, plan: ImportPlan, file_bytes: int) -> Shipment:
        """The import's journal, under way to the log."""
        under_way = self._shipments.under_way(plan.journal)
        if under_way is not None:
            under_way.journal.capture_at(lambda: plan.captured_at)  # one that an earlier process began
            return under_way
        directory = self._place.root / plan.journal.hex()
        segment_bytes = min(self._place.limits.segment_bytes, max(SEGMENT_BYTES_MIN, 4 * file_bytes))
        limits = replace(self._place.limits, segment_bytes=segment_bytes)
        try:
            owned = open_journal(directory, plan.journal, self._place.partitions, limits, now=lambda: plan.captured_at)
        except JournalTakenError as error:
            raise ImportRunningError("another process is importing this file right now") from error
        except OSError as error:
            raise JournalFullError(str(error)) from error
        return self._shipments.start(owned, is_import=True)


@dataclass(frozen=True, slots=True)
class _Run:
    """Everything one pass over the file needs."""

    plan: ImportPlan
    path: Path
    read_line: ReadLine
    links: Mapping[Code, Link]
    progress: Progress


class _Writer:
    """Writes an import's events in the order of their seqs, leaving out those an earlier run has written."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._seqs: dict[Partition, int] = defaultdict(int)
        self._waiting: list[asyncio.Future[Origin]] = []

    async def write(self, partition: Partition, make_data: Callable[[], EventData]) -> None:
        """Give the event the next seq of its partition."""
        self._seqs[partition] += 1
        written = self._journal.last_seq((Stream.CLICKS, partition))
        if self._seqs[partition] <= written:
            return
        if self._seqs[partition] != written + 1:
            await self.flush()  # a write has failed, and the journal took its seqs back: this raises what happened
            raise JournalFullError("the journal lost its place in this import")

        def encode_it(origin: Origin, captured_at: datetime) -> bytes:
            return encode(origin, captured_at, make_data())

        self._waiting.append(self._journal.append(Stream.CLICKS, partition, encode_it))
        if len(self._waiting) >= WRITE_EVENTS:
            await self.flush()

    async def flush(self) -> None:
        """Wait until everything is written."""
        waiting, self._waiting = self._waiting, []
        await asyncio.gather(*waiting)


async def _write_events(run: _Run, journal: Journal) -> None:
    """One click for every line of the plan, then the end of every partition."""
    writer = _Writer(journal)
    async for number, raw in numbered_lines(run.path):
        if is_taken(run.plan.taken, number):
            click_line = read_planned_bitly_line(raw)
            link = run.links[click_line.code]
            partition = partition_of(link.advocate_id, journal.partitions)
            await writer.write(partition, partial(_click, click_line, link))
            run.progress.taken += 1
        else:
            _note_left_out(number, run.read_line(raw), run.links, run.progress)
        run.progress.journaled += 1
    for number in range(journal.partitions):
        await writer.write(Partition(number), Sealed)
    await writer.flush()


def _note_left_out(number: int, line: Line, links: Mapping[Code, Link], progress: Progress) -> None:
    """Remember why a line is left out; one that is a click by itself was pinned as none earlier."""
    if isinstance(line, ClickLine):
        link = links.get(line.code)
        if link is not None and link.advocate_id == line.advocate_id:
            if len(progress.would_pass_now) < BAD_LINES_LISTED_MAX:
                progress.would_pass_now.append(number)
            return
        line = BadLine(RefusedLine.CODE_TAKEN, f"h: {line.code} belongs to another advocate")
    if isinstance(line, BadLine):
        progress.refused += 1
        if len(progress.bad_lines) < BAD_LINES_LISTED_MAX:
            progress.bad_lines.append((number, line))


def _click(line: ClickLine, link: Link) -> Click:
    headers = {"user-agent": line.user_agent, "referer": line.referrer, "accept-language": line.language}
    click = capture_click(Request("GET", headers), link, LinkState.ACTIVE, line.occurred_at)
    return replace(click, country=line.country)


def _line_reader(line_format: ImportFormat, policy: DestinationPolicy, latest: datetime) -> ReadLine:
    match line_format:
        case ImportFormat.BITLY:
            return bounded(lambda raw: read_bitly_line(raw, policy, latest))
