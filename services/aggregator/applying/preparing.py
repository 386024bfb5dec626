"""A batch made ready for its transaction, a few records at a time. Pure.

Nearly every batch is the simplest there can be: clicks that nobody has seen, each the next of its journal. Those are
read, judged, folded and encoded in pieces that stay in the processor's caches (a whole batch of objects does not: that
cost a third more), before Postgres is asked anything. Whether the batch was that simple is known when its watermarks
are; where it was not, the same records go the careful way, with the same functions.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from aggregator.applying.batch import (
    DATES_MAX,
    DeadLetter,
    ReadRecord,
    admit,
    cut_by_dates,
    judge_clicks,
    raw_dates,
    read_records,
    touch_count,
)
from aggregator.applying.dead_letter_limit import DeadLetterLimit, Recent
from aggregator.applying.fold import JudgedClick
from aggregator.applying.gathering import Gathered
from aggregator.applying.seqs import Run, SeqBook
from aggregator.judge import Context, Repeats, Rules
from event_log.contract import LoggedRecord, StrayRecord
from link_events.events import Sealed
from link_events.identity import JournalId
from link_events.streams import Offset, Partition, Stream

PIECE_RECORDS: Final = 256
"""Some 500 kB of objects."""

BATCH_TOUCHES_MAX: Final = 20_000
"""Clicks that the conversions of a batch name, but for those of its last piece: at 200 a conversion, five thousand of
them would be a million rows to write."""


@dataclass(slots=True)
class Outcome:
    """What a batch writes, and what is told of it when it is committed."""

    clicks: Gathered
    dead_letters: list[DeadLetter] = field(default_factory=list)
    duplicates: int = 0
    holes_filled: int = 0
    facts: list[ReadRecord] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Way:
    """How the records of a partition are read and judged."""

    stream: Stream
    partition: Partition
    zone: ZoneInfo
    repeats: Repeats
    context: Context
    rules: Rules
    now: datetime

    def read(self, records: Iterable[LoggedRecord | StrayRecord]) -> Sequence[ReadRecord | DeadLetter]:
        """What each record says."""
        return read_records(self.stream, self.partition, records, self.now)

    def judge(self, records: Iterable[ReadRecord]) -> Sequence[JudgedClick]:
        """The clicks among them."""
        return judge_clicks(records, self.zone, self.context, self.rules)


class Preparation:
    """One batch, from its first record on."""

    def __init__(self, way: Way, *, dates_max: int = DATES_MAX) -> None:
        self._way = way
        self._dates_max = dates_max
        self._records: list[LoggedRecord | StrayRecord] = []
        self._runs: list[Run] = []
        self._is_simple = way.stream is Stream.CLICKS  # the others are rare: one way is enough for them
        self._touches = 0
        self._outcome = Outcome(Gathered(way.repeats))
        self.dates: set[date] = set()
        self.full = False

    @property
    def record_count(self) -> int:
        """How many records it has."""
        return len(self._records)

    @property
    def next_offset(self) -> Offset:
        """Where the next batch begins."""
        return Offset(self._records[-1].offset + 1)

    @property
    def journals(self) -> set[JournalId]:
        """The journals of its records; stray ones have none."""
        if self._is_simple:
            return {run.journal for run in self._runs}
        return {one.record.journal for one in self._records if isinstance(one, LoggedRecord)}

    def add(self, records: Sequence[LoggedRecord | StrayRecord]) -> None:
        """Take the next records, until it is `full`: of as many dates, or touches, as a batch may have."""
        for start in range(0, len(records), PIECE_RECORDS):
            if self.full:
                return
            self._add_piece(records[start : start + PIECE_RECORDS])

    def settle(self, book: SeqBook, limit: DeadLetterLimit, recent: Recent) -> tuple[Outcome, Recent]:
        """What is written, given the watermarks and holes of its journals, and what is recent after it.

        Every seq is noted in `book`.

        Raises:
            DeadLetterRatioError: the batch is not to be committed.
        """
        if self._is_simple and book.admit_runs(self._runs):
            return self._outcome, limit.check_places(recent, len(self._outcome.clicks.rows), ())
        return self._settle_carefully(book, limit, recent)

    def _settle_carefully(self, book: SeqBook, limit: DeadLetterLimit, recent: Recent) -> tuple[Outcome, Recent]:
        admitted = admit(self._way.read(self._records), book)
        after = limit.check(recent, admitted)
        clicks = Gathered(self._way.repeats)
        clicks.take(self._way.judge(admitted.clicks))
        counted = (admitted.duplicates, admitted.holes_filled)
        return Outcome(clicks, admitted.dead_letters, *counted, admitted.facts), after

    def _add_piece(self, records: Sequence[LoggedRecord | StrayRecord]) -> None:
        read = self._way.read(records)
        dates = self.dates | raw_dates(read)
        if len(dates) > self._dates_max:
            read = cut_by_dates(read, self._dates_max, self.dates)
            dates = self.dates | raw_dates(read)
            self.full = True
        self.dates = dates
        self._records += records[: len(read)]
        if self._is_simple:
            self._prepare(read)
        else:
            self._touches += touch_count(read)
            self.full = self.full or self._touches >= BATCH_TOUCHES_MAX

    def _prepare(self, read: Sequence[ReadRecord | DeadLetter]) -> None:
        events = [one for one in read if isinstance(one, ReadRecord)]
        if len(events) < len(read):
            self._is_simple = False
            return
        self._note_runs(events)
        self._outcome.clicks.take(self._way.judge(events))

    def _note_runs(self, events: Sequence[ReadRecord]) -> None:
        runs = self._runs
        for one in events:
            record, event = one.logged.record, one.event
            sealed = isinstance(event.data, Sealed)
            if not runs or not runs[-1].goes_on(record.journal, record.seq, event.captured_at, sealed=sealed):
                runs.append(Run(record.journal, record.seq, record.seq, event.captured_at, event.captured_at, sealed))
