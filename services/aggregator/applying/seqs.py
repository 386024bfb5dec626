"""Which records are new: watermarks, duplicates, holes. Pure.

Per journal a partition's seqs are dense, from 1. What is at or below the watermark was applied, unless it lies in a
hole; what jumps ahead of it leaves a hole behind; what comes into a hole later fills it, closed or not.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from operator import attrgetter
from typing import Final

from link_events.identity import JournalId, Seq
from link_events.reasons import HoleKind
from link_events.values import value

BEFORE_THE_FIRST: Final = Seq(0)

NOTHING_CAPTURED: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""The capture time of a watermark before anything was applied."""

_PLACE: Final = attrgetter("journal", "seq_from")


class Admission(StrEnum):
    """What a record is to a partition."""

    NEW = "new"
    FILLS_HOLE = "fills_hole"
    DUPLICATE = "duplicate"


@value(frozen=True, slots=True)
class Watermark:
    """The highest seq applied of a journal, and the latest instant up to which it is known to be captured.

    `first_captured_at` is when the first record that came was captured; it never changes, hence is not compared.
    """

    seq: Seq = BEFORE_THE_FIRST
    captured_at: datetime = NOTHING_CAPTURED
    sealed: bool = False
    first_captured_at: datetime = field(default=NOTHING_CAPTURED, compare=False)


@dataclass(frozen=True, slots=True)
class Closing:
    """That a person gave a hole up, when and why."""

    closed_at: datetime
    why: str


@dataclass(frozen=True, slots=True)
class Hole:
    """Seqs of a journal that were skipped, both ends included, captured at `captured_after` or later.

    `opened_at` is None until the hole is stored. One that is `closed` is filled like any other.
    """

    journal: JournalId
    seq_from: Seq
    seq_to: Seq
    kind: HoleKind
    captured_after: datetime
    opened_at: datetime | None = None
    closed: Closing | None = None

    def holds(self, seq: Seq) -> bool:
        """Whether `seq` lies in the hole."""
        return self.seq_from <= seq <= self.seq_to


@dataclass(slots=True)
class Run:
    """Readable records of one journal, one after another without a gap, and the latest instant they were captured at.

    `sealed` says whether the last of them is the journal's last.
    """

    journal: JournalId
    seq_from: Seq
    seq_to: Seq
    first_captured_at: datetime
    captured_at: datetime
    sealed: bool

    def goes_on(self, journal: JournalId, seq: Seq, captured_at: datetime, *, sealed: bool) -> bool:
        """Take the next record in, where it is the next of this run."""
        if seq != self.seq_to + 1 or journal != self.journal:
            return False
        self.seq_to, self.sealed = seq, sealed
        self.captured_at = max(self.captured_at, captured_at)
        return True


class SeqBook:
    """Watermarks and holes of one partition, while a batch goes through it."""

    def __init__(self, watermarks: Mapping[JournalId, Watermark], holes: Iterable[Hole]) -> None:
        self._marks_before = dict(watermarks)
        self._marks = dict(watermarks)
        self._holes: defaultdict[JournalId, list[Hole]] = defaultdict(list)
        for hole in sorted(holes, key=_PLACE):
            self._holes[hole.journal].append(hole)
        self._gone: set[Hole] = set()
        self._made: set[Hole] = set()

    def admit(self, journal: JournalId, seq: Seq, captured_at: datetime, *, sealed: bool = False) -> Admission:
        """What a readable record is, and take note of it.

        One that comes mended where the watermark stands also says how far the journal is captured, and if it is sealed.
        """
        known = self._marks.get(journal)
        if known is not None and seq == known.seq + 1:  # nearly every record is simply the next
            latest = known.captured_at if known.captured_at > captured_at else captured_at  # noqa: FURB136 - half of max()
            self._marks[journal] = Watermark(seq, latest, sealed, known.first_captured_at)
            return Admission.NEW
        admission = self._place(journal, seq)
        mark = known or Watermark(first_captured_at=captured_at)
        if admission is Admission.NEW or (admission is Admission.FILLS_HOLE and seq == mark.seq):
            latest = max(mark.captured_at, captured_at)
            self._marks[journal] = Watermark(seq, latest, sealed, mark.first_captured_at)
        return admission

    def admit_runs(self, runs: Iterable[Run]) -> bool:
        """Take note of `runs` where each begins right behind its journal's watermark: all of it is new.

        Where that is not so of every one, nothing is noted, and each record has to be asked for.
        """
        marks: dict[JournalId, Watermark] = {}
        for run in runs:
            mark = marks.get(run.journal) or self._marks.get(run.journal)
            mark = mark or Watermark(first_captured_at=run.first_captured_at)
            if run.seq_from != mark.seq + 1:
                return False
            latest = max(mark.captured_at, run.captured_at)
            marks[run.journal] = Watermark(run.seq_to, latest, run.sealed, mark.first_captured_at)
        self._marks.update(marks)
        return True

    def admit_dead_letter(self, journal: JournalId, seq: Seq) -> Admission:
        """What an unreadable record is; unless it is known as one already, it leaves a hole.

        Neighbours share one, from the older one's instant on: many dead letters in a row are one row.
        """
        hole = self._hole_at(journal, seq)
        if hole is not None and hole.kind is HoleKind.DEAD_LETTER:
            return Admission.DUPLICATE
        mark = self._marks.get(journal, Watermark())
        captured_after = mark.captured_at if hole is None else hole.captured_after
        admission = self._place(journal, seq)
        if admission is not Admission.DUPLICATE:
            self._add(Hole(journal, seq, seq, HoleKind.DEAD_LETTER, captured_after))
        if admission is Admission.NEW:
            self._marks[journal] = replace(mark, seq=seq, sealed=False)
        return admission

    def discard(self, journal: JournalId, seq: Seq) -> bool:
        """Give a dead letter up: its hole closes, and what still comes of it is a duplicate. Whether it had one."""
        hole = self._hole_at(journal, seq)
        if hole is None or hole.kind is not HoleKind.DEAD_LETTER:
            return False
        self._fill(hole, seq)
        return True

    @property
    def changed_watermarks(self) -> Mapping[JournalId, Watermark]:
        """Watermarks that have moved, by journal."""
        return {
            journal: mark for journal, mark in sorted(self._marks.items()) if self._marks_before.get(journal) != mark
        }

    @property
    def holes_gone(self) -> list[Hole]:
        """Holes that were filled, or changed their ends."""
        return sorted(self._gone, key=_PLACE)

    @property
    def holes_made(self) -> list[Hole]:
        """Holes that are new, or are what was left of others."""
        return sorted(self._made, key=_PLACE)

    def _place(self, journal: JournalId, seq: Seq) -> Admission:
        mark = self._marks.get(journal, Watermark())
        if seq > mark.seq:
            if seq > mark.seq + 1:
                self._add(Hole(journal, Seq(mark.seq + 1), Seq(seq - 1), HoleKind.MISSING, mark.captured_at))
            return Admission.NEW
        hole = self._hole_at(journal, seq)
        if hole is None:
            return Admission.DUPLICATE
        self._fill(hole, seq)
        return Admission.FILLS_HOLE

    def _fill(self, hole: Hole, seq: Seq) -> None:
        self._remove(hole)
        if hole.seq_from < seq:
            self._insert(replace(hole, seq_to=Seq(seq - 1)))
        if seq < hole.seq_to:
            self._insert(replace(hole, seq_from=Seq(seq + 1)))

    def _add(self, hole: Hole) -> None:
        """A new hole, and what adjoins it of the same kind, as one; what somebody closed stays apart."""
        before = self._hole_at(hole.journal, Seq(hole.seq_from - 1))
        after = self._hole_at(hole.journal, Seq(hole.seq_to + 1))
        for other in (before, after):
            if other is not None and other.kind is hole.kind and other.closed is None:
                self._remove(other)
                hole = _joined(hole, other)
        self._insert(hole)

    def _insert(self, hole: Hole) -> None:
        holes = self._holes[hole.journal]
        holes.insert(_begun_by(holes, hole.seq_from), hole)
        if hole in self._gone:
            self._gone.remove(hole)
        else:
            self._made.add(hole)

    def _remove(self, hole: Hole) -> None:
        holes = self._holes[hole.journal]
        del holes[_begun_by(holes, hole.seq_from) - 1]
        if hole in self._made:
            self._made.remove(hole)
        else:
            self._gone.add(hole)

    def _hole_at(self, journal: JournalId, seq: Seq) -> Hole | None:
        holes = self._holes[journal]
        begun = _begun_by(holes, seq)
        return holes[begun - 1] if begun and holes[begun - 1].holds(seq) else None


def _joined(one: Hole, other: Hole) -> Hole:
    """Two open holes side by side as one, of the older one's instants."""
    opened = [hole.opened_at for hole in (one, other) if hole.opened_at is not None]
    return replace(
        one,
        seq_from=min(one.seq_from, other.seq_from),
        seq_to=max(one.seq_to, other.seq_to),
        captured_after=min(one.captured_after, other.captured_after),
        opened_at=min(opened, default=None),
    )


def _begun_by(holes: list[Hole], seq: Seq) -> int:
    """How many of `holes`, which are in order, begin at `seq` or before."""
    return bisect_right(holes, seq, key=lambda hole: hole.seq_from)
