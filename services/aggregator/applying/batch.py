"""A batch of records on its way: read, admitted, judged. Pure; the store only writes what comes out."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from aggregator.applying.fold import JudgedClick
from aggregator.applying.seqs import Admission, SeqBook
from aggregator.judge import Context, Rules, judge
from event_log.contract import LoggedRecord, StrayRecord
from link_events.codec import DETAIL_CHARS_MAX, UndecodableError, decode
from link_events.events import Activity, Click, Conversion, Event, Heartbeat, Reversal, Sealed
from link_events.identity import Origin
from link_events.periods import local_day
from link_events.reasons import DeadLetterReason
from link_events.streams import Partition, Stream
from link_events.values import value

EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""Raw clicks are kept by date from here …"""

AHEAD_MAX: Final = timedelta(days=1)
"""… to this far ahead of our clock. Beyond lies a broken clock, and nothing that has happened."""

_DATED: Final = (Click, Conversion, Reversal, Activity)
"""What says when it happened, the most frequent first."""

DATES_MAX: Final = 64
"""UTC dates of one batch: each costs a COPY the locks of a raw partition and its indexes, out of a table that all
transactions of the server share."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that can never be applied as it is. A stray one has no seq, hence leaves no hole."""

    logged: LoggedRecord | StrayRecord
    reason: DeadLetterReason
    detail: str


@value(frozen=True, slots=True)
class ReadRecord:
    """A record that says something."""

    logged: LoggedRecord
    event: Event


@dataclass(slots=True)
class Admitted:
    """What is new in a batch."""

    clicks: list[ReadRecord] = field(default_factory=list)
    facts: list[ReadRecord] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    duplicates: int = 0
    holes_filled: int = 0


def read_records(
    stream: Stream, partition: Partition, records: Iterable[LoggedRecord | StrayRecord], now: datetime
) -> Sequence[ReadRecord | DeadLetter]:
    """What each record says, in order."""
    until = now + AHEAD_MAX
    return [
        _read(Origin(one.record.journal, stream, partition, one.record.seq), one, until)
        if isinstance(one, LoggedRecord)
        else DeadLetter(one, DeadLetterReason.NO_ORIGIN, one.detail[:DETAIL_CHARS_MAX])
        for one in records
    ]


def cut_by_dates(
    records: Sequence[ReadRecord | DeadLetter], dates_max: int, dates_before: Collection[date] = ()
) -> Sequence[ReadRecord | DeadLetter]:
    """The longest beginning of `records` whose clicks are, with `dates_before`, of at most `dates_max` UTC dates."""
    dates = set(dates_before)
    for index, one in enumerate(records):
        dates |= raw_dates([one])
        if len(dates) > dates_max:
            return records[:index]
    return records


def raw_dates(records: Iterable[ReadRecord | DeadLetter]) -> set[date]:
    """The UTC dates whose raw partitions the clicks among `records` need."""
    return {
        one.event.data.occurred_at.astimezone(UTC).date()
        for one in records
        if isinstance(one, ReadRecord) and isinstance(one.event.data, Click)
    }


def touch_count(records: Iterable[ReadRecord | DeadLetter]) -> int:
    """How many clicks the conversions among `records` name."""
    return sum(
        len(one.event.data.touches)
        for one in records
        if isinstance(one, ReadRecord) and isinstance(one.event.data, Conversion)
    )


def admit(records: Iterable[ReadRecord | DeadLetter], book: SeqBook) -> Admitted:
    """Which of `records` are new, noting every seq in `book`."""
    admitted = Admitted()
    for one in records:
        if isinstance(one, DeadLetter):
            admission = _admit_dead_letter(one, book)
        else:
            origin, event = one.logged.record, one.event
            sealed = isinstance(event.data, Sealed)
            admission = book.admit(origin.journal, origin.seq, event.captured_at, sealed=sealed)
        _sort_in(one, admission, admitted)
    return admitted


def judge_clicks(
    records: Iterable[ReadRecord], zone: ZoneInfo, context: Context, rules: Rules
) -> Sequence[JudgedClick]:
    """Every click of `records` with its local day and its judgement."""
    return [
        JudgedClick(
            origin=one.event.origin,
            captured_at=one.event.captured_at,
            offset=one.logged.offset,
            logged_at=one.logged.logged_at,
            click=click,
            local_day=local_day(click.occurred_at, zone),
            judgement=judge(click, context, rules),
        )
        for one in records
        if isinstance(click := one.event.data, Click)
    ]


def _read(origin: Origin, logged: LoggedRecord, until: datetime) -> ReadRecord | DeadLetter:
    try:
        event = decode(logged.record.value, origin)
    except UndecodableError as error:
        return DeadLetter(logged, error.reason, error.detail)
    if isinstance(event.data, _DATED) and not EARLIEST <= event.data.occurred_at < until:
        detail = f"occurred_at {event.data.occurred_at.isoformat()} is before 2000 or has yet to come"
        return DeadLetter(logged, DeadLetterReason.TIME_OUT_OF_RANGE, detail)
    return ReadRecord(logged, event)


def _admit_dead_letter(dead: DeadLetter, book: SeqBook) -> Admission:
    """A stray record is new whenever it comes: only what is stored of it tells whether it was here before."""
    if isinstance(dead.logged, StrayRecord):
        return Admission.NEW
    return book.admit_dead_letter(dead.logged.record.journal, dead.logged.record.seq)


def _sort_in(one: ReadRecord | DeadLetter, admission: Admission, admitted: Admitted) -> None:
    if admission is Admission.DUPLICATE:
        admitted.duplicates += 1
        return
    if admission is Admission.FILLS_HOLE:
        admitted.holes_filled += 1
    if isinstance(one, DeadLetter):
        admitted.dead_letters.append(one)
    elif isinstance(one.event.data, Click):
        admitted.clicks.append(one)
    elif not isinstance(one.event.data, Heartbeat | Sealed):
        admitted.facts.append(one)
