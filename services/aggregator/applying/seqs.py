"""Which records are new: watermarks, duplicates, holes. Pure.

Per journal a partition's seqs are dense, from 1. What is at or below the watermark was applied, unless it lies in a
hole; what jumps ahead of it leaves a hole behind; what comes into a hole later fills it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from link_events.identity import JournalId, Seq
from link_events.reasons import HoleKind

BEFORE_THE_FIRST: Final = Seq(0)

NOTHING_CAPTURED: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""The capture time of a watermark before anything was applied."""


class Admission(StrEnum):
    """What a record is to a partition."""

    NEW = "new"
    FILLS_HOLE = "fills_hole"
    DUPLICATE = "duplicate"


@dataclass(frozen=True, slots=True)
class Watermark:
    """The highest seq applied of a journal, and the latest instant up to which it is known to be captured."""

    seq: Seq = BEFORE_THE_FIRST
    captured_at: datetime = NOTHING_CAPTURED
    sealed: bool = False


@dataclass(frozen=True, slots=True, order=True)
class Hole:
    """Seqs of a journal that were skipped, both ends included, captured at `captured_after` or later."""

    journal: JournalId
    seq_from: Seq
    seq_to: Seq
    kind: HoleKind
    captured_after: datetime

    def holds(self, seq: Seq) -> bool:
        """Whether `seq` lies in the hole."""
        return self.seq_from <= seq <= self.seq_to


class SeqBook:
    """Watermarks and open holes of one partition, while a batch goes through it."""

    def __init__(self, watermarks: Mapping[JournalId, Watermark], holes: Iterable[Hole]) -> None:
        self._marks_before = dict(watermarks)
        self._marks = dict(watermarks)
        self._holes_before = frozenset(holes)
        self._holes = set(self._holes_before)

    def admit(self, journal: JournalId, seq: Seq, captured_at: datetime, *, sealed: bool = False) -> Admission:
        """What a readable record is, and take note of it."""
        admission = self._place(journal, seq)
        if admission is Admission.NEW:
            mark = self._marks.get(journal, Watermark())
            self._marks[journal] = Watermark(seq, max(mark.captured_at, captured_at), sealed)
        return admission

    def admit_dead_letter(self, journal: JournalId, seq: Seq) -> Admission:
        """What an unreadable record is; unless it is known as one already, it leaves a hole of its own."""
        hole = self._hole_at(journal, seq)
        if hole is not None and hole.kind is HoleKind.DEAD_LETTER:
            return Admission.DUPLICATE
        mark = self._marks.get(journal, Watermark())
        captured_after = mark.captured_at if hole is None else hole.captured_after
        admission = self._place(journal, seq)
        if admission is not Admission.DUPLICATE:
            self._holes.add(Hole(journal, seq, seq, HoleKind.DEAD_LETTER, captured_after))
        if admission is Admission.NEW:
            self._marks[journal] = replace(mark, seq=seq, sealed=False)
        return admission

    @property
    def changed_watermarks(self) -> Mapping[JournalId, Watermark]:
        """Watermarks that have moved, by journal."""
        return {
            journal: mark for journal, mark in sorted(self._marks.items()) if self._marks_before.get(journal) != mark
        }

    @property
    def holes_gone(self) -> list[Hole]:
        """Holes that were filled, or changed their ends."""
        return sorted(self._holes_before - self._holes)

    @property
    def holes_made(self) -> list[Hole]:
        """Holes that are new, or are what was left of others."""
        return sorted(self._holes - self._holes_before)

    def _place(self, journal: JournalId, seq: Seq) -> Admission:
        mark = self._marks.get(journal, Watermark())
        if seq > mark.seq:
            if seq > mark.seq + 1:
                self._holes.add(Hole(journal, Seq(mark.seq + 1), Seq(seq - 1), HoleKind.MISSING, mark.captured_at))
            return Admission.NEW
        hole = self._hole_at(journal, seq)
        if hole is None:
            return Admission.DUPLICATE
        self._fill(hole, seq)
        return Admission.FILLS_HOLE

    def _fill(self, hole: Hole, seq: Seq) -> None:
        self._holes.remove(hole)
        if hole.seq_from < seq:
            self._holes.add(replace(hole, seq_to=Seq(seq - 1)))
        if seq < hole.seq_to:
            self._holes.add(replace(hole, seq_from=Seq(seq + 1)))

    def _hole_at(self, journal: JournalId, seq: Seq) -> Hole | None:
        return next((hole for hole in self._holes if hole.journal == journal and hole.holds(seq)), None)
