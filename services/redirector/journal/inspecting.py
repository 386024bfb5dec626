"""Looking into journals from outside, also while their owner writes: nothing is locked and nothing changed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from link_events.identity import Origin, Seq
from redirector.journal.acks import load_acks
from redirector.journal.frames import Damage, Frame, scan_frames
from redirector.journal.segments import (
    SegmentError,
    SegmentHeader,
    Slice,
    read_header,
    segment_numbers,
    segment_path,
)


@dataclass(slots=True)
class JournalReport:
    """What one journal directory holds. `kind` is the directory it lies in: live or imports."""

    journal: str
    kind: str
    segments: int = 0
    size_bytes: int = 0
    events: int = 0
    unacked: int = 0
    last_captured_at: datetime | None = None
    faults: list[str] = field(default_factory=list)


def inspect_all(root: Path) -> Sequence[JournalReport]:
    """A report on every journal below `root`."""
    directories = sorted({path.parent for path in root.rglob("*.segment")})
    return [_inspect(directory) for directory in directories]


def dump_frames(directory: Path) -> Iterator[str]:
    """A line for each event that is kept: its id, when it was captured, and its bytes as text."""
    for number in segment_numbers(directory):
        data = segment_path(directory, number).read_bytes()
        header = read_header(data)
        for _, found in scan_frames(data, header.size_bytes):
            if isinstance(found, Frame):
                origin = Origin(header.journal, found.stream, found.partition, found.seq)
                text = found.payload.decode(errors="backslashreplace")
                yield f"{origin.event_id} {found.captured_at.isoformat()} {text}"


def _inspect(directory: Path) -> JournalReport:
    report = JournalReport(directory.name, directory.parent.name)
    next_seqs: dict[Slice, Seq] = {}
    for number in segment_numbers(directory):
        data = segment_path(directory, number).read_bytes()
        report.segments += 1
        report.size_bytes += len(data)
        try:
            header = read_header(data)
        except SegmentError as error:
            report.faults.append(f"{directory.name}/{number}: {error}")
            continue
        if report.segments == 1:
            next_seqs = dict(header.next_seqs)
        _inspect_segment(report, header, data, next_seqs)
    acks = load_acks(directory)
    acked = acks.seqs if acks else {}
    report.unacked = sum(max(0, seq - 1 - acked.get(slice_, 0)) for slice_, seq in next_seqs.items())
    return report


def _inspect_segment(report: JournalReport, header: SegmentHeader, data: bytes, next_seqs: dict[Slice, Seq]) -> None:
    """Count the segment's events and note what is damaged or out of order."""
    where = f"{header.journal.hex()}/{header.number}"
    for end, found in scan_frames(data, header.size_bytes):
        if isinstance(found, Damage):
            report.faults.append(f"{where}: bytes {found.start} to {found.end} are damaged")
            continue
        slice_ = (found.stream, found.partition)
        expected = next_seqs.get(slice_, Seq(1))
        if found.seq != expected:
            report.faults.append(
                f"{where}: seq {found.seq} of {found.stream}/{found.partition} ends at byte {end}; expected {expected}"
            )
        next_seqs[slice_] = Seq(found.seq + 1)
        report.events += 1
        report.last_captured_at = found.captured_at
