"""A batch is read, admitted and judged in order; what can never be applied becomes a dead letter with its bytes."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from aggregator.applying.batch import (
    Admitted,
    DeadLetter,
    ReadRecord,
    admit,
    judge_clicks,
    raw_dates,
    read_records,
    touch_count,
)
from aggregator.applying.seqs import SeqBook
from aggregator.judge import PLAIN_RULES, Context, NamedAgents
from event_log.contract import LoggedRecord, Record, StrayRecord
from link_events.events import Click, Fact, Heartbeat, Sealed, stream_of
from link_events.identity import Seq
from link_events.reasons import DeadLetterReason, Verdict
from link_events.streams import Offset, Partition, Stream
from stage.events import PLAIN_ACTIVITY, PLAIN_CLICK, PLAIN_CONVERSION, PLAIN_REVERSAL
from stage.journaling import Pen

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
NOBODY = Context(NamedAgents("0", ()))
MICROSECOND = timedelta(microseconds=1)


def _logged(*records: Record) -> list[LoggedRecord]:
    return [LoggedRecord(Offset(offset), record, NOW) for offset, record in enumerate(records, 40)]


def _read(*records: Record) -> list[ReadRecord | DeadLetter]:
    return list(read_records(Stream.CLICKS, Partition(0), _logged(*records), NOW))


def _at(instant: datetime) -> Click:
    return replace(PLAIN_CLICK, occurred_at=instant)


def _records(dead_letters: list[DeadLetter]) -> list[Record]:
    return [one.logged.record for one in dead_letters if isinstance(one.logged, LoggedRecord)]


def _admitted(*records: Record) -> Admitted:
    return admit(_read(*records), SeqBook({}, []))


@pytest.mark.parametrize(
    "instant",
    [
        datetime(2000, 1, 1, tzinfo=UTC),
        datetime(2012, 3, 16, 18, tzinfo=UTC),
        NOW,
        NOW + timedelta(days=1) - MICROSECOND,
    ],
)
def test_a_click_from_2000_to_a_day_from_now_is_kept(instant: datetime) -> None:
    """A redirector's clock may be ahead; an import may be old."""
    (one,) = _read(Pen().write(_at(instant)))
    assert isinstance(one, ReadRecord)
    assert raw_dates([one]) == {instant.date()}


@pytest.mark.parametrize(
    "instant",
    [
        datetime(2000, 1, 1, tzinfo=UTC) - MICROSECOND,
        datetime(1, 1, 1, tzinfo=UTC),
        NOW + timedelta(days=1),
        datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
    ],
)
def test_a_click_beyond_is_a_dead_letter(instant: datetime) -> None:
    """It says when it claims to have been, and asks for no raw partition."""
    (one,) = _read(Pen().write(_at(instant)))
    assert isinstance(one, DeadLetter)
    assert one.reason is DeadLetterReason.TIME_OUT_OF_RANGE
    assert instant.isoformat() in one.detail
    assert raw_dates([one]) == set()


@pytest.mark.parametrize("plain", [PLAIN_CONVERSION, PLAIN_REVERSAL, PLAIN_ACTIVITY], ids=type)
def test_a_fact_has_to_have_happened_likewise(plain: Fact) -> None:
    """And asks for no raw partition, wherever it lies."""
    stream = stream_of(plain)
    pen = Pen(stream=stream)
    instants = [datetime(2000, 1, 1, tzinfo=UTC), NOW, NOW + timedelta(days=1), datetime(1999, 12, 31, tzinfo=UTC)]
    records = _logged(*(pen.write(replace(plain, occurred_at=instant)) for instant in instants))
    read = list(read_records(stream, Partition(0), records, NOW))
    assert [type(one) for one in read] == [ReadRecord, ReadRecord, DeadLetter, DeadLetter]
    assert raw_dates(read) == set()


@pytest.mark.parametrize("plain", [PLAIN_CONVERSION, PLAIN_REVERSAL, PLAIN_ACTIVITY], ids=type)
def test_facts_are_admitted_once_and_are_no_clicks(plain: Fact) -> None:
    stream = stream_of(plain)
    pen = Pen(stream=stream)
    first, beat, second = pen.write(plain), pen.write(Heartbeat()), pen.write(plain)
    read = read_records(stream, Partition(0), _logged(first, beat, first, second), NOW)
    admitted = admit(read, SeqBook({}, []))
    assert [one.logged.record for one in admitted.facts] == [first, second]
    assert (admitted.clicks, admitted.duplicates) == ([], 1)


def test_touches_are_counted() -> None:
    """Of conversions that can be read; they are rows to be written."""
    pen = Pen(stream=Stream.CONVERSIONS)
    records = _logged(
        pen.write(PLAIN_CONVERSION), pen.scribble(), pen.write(PLAIN_REVERSAL), pen.write(PLAIN_CONVERSION)
    )
    assert touch_count(read_records(Stream.CONVERSIONS, Partition(0), records, NOW)) == 2


def test_heartbeats_have_no_time_of_their_own() -> None:
    """One of a broken clock moves its journal on all the same."""
    pen = Pen()
    assert all(isinstance(one, ReadRecord) for one in _read(pen.write(Heartbeat()), pen.write(Sealed())))


def test_a_raw_partition_is_of_a_utc_date() -> None:
    """Whatever the zone of whoever counts."""
    pen = Pen()
    instants = [datetime(2022, 3, 31, 23, 59, 59, tzinfo=UTC), datetime(2022, 4, 1, tzinfo=UTC)]
    records = _read(*(pen.write(_at(instant)) for instant in instants), pen.write(Heartbeat()))
    assert raw_dates(records) == {date(2022, 3, 31), date(2022, 4, 1)}


def test_a_record_that_cannot_be_read_stands_among_those_that_can() -> None:
    """In its place, with the reason and everything that was logged."""
    pen = Pen()
    records = [pen.write(PLAIN_CLICK), pen.scribble(b"{"), pen.write(PLAIN_CLICK)]
    read = _read(*records)
    assert [type(one) for one in read] == [ReadRecord, DeadLetter, ReadRecord]
    dead = read[1]
    assert isinstance(dead, DeadLetter)
    assert dead.reason is DeadLetterReason.NOT_JSON
    assert dead.logged == LoggedRecord(Offset(41), records[1], NOW)


def test_an_event_that_travelled_under_anothers_name_is_a_dead_letter() -> None:
    """Its own bytes say which one it is."""
    pen = Pen()
    first, second = pen.write(PLAIN_CLICK), pen.write(PLAIN_CLICK)
    (_, moved) = _read(first, replace(second, seq=Seq(7)))
    assert isinstance(moved, DeadLetter)
    assert moved.reason is DeadLetterReason.ID_MISMATCH


def test_a_record_without_an_origin_is_a_dead_letter_of_no_journal() -> None:
    """It has no seq, hence leaves no hole; it is new whenever it comes, for nothing says which one it is."""
    pen = Pen()
    stray = StrayRecord(Offset(41), pen.write(PLAIN_CLICK).value, NOW, "the header advolink-origin is missing")
    read = read_records(Stream.CLICKS, Partition(0), [stray, *_logged(pen.write(PLAIN_CLICK)), stray], NOW)
    book = SeqBook({}, [])
    admitted = admit(read, book)
    assert admitted.dead_letters == [DeadLetter(stray, DeadLetterReason.NO_ORIGIN, stray.detail)] * 2
    assert (len(admitted.clicks), admitted.duplicates) == (1, 0)
    assert raw_dates(read[:1]) == set()
    assert [(hole.seq_from, hole.seq_to) for hole in book.holes_made] == [(1, 1)]


def test_what_was_applied_before_is_counted_and_left_out() -> None:
    """Within a batch too."""
    pen = Pen()
    first, second, bad = pen.write(PLAIN_CLICK), pen.write(PLAIN_CLICK), pen.scribble()
    admitted = _admitted(first, first, second, bad, bad, first)
    assert [one.logged.record for one in admitted.clicks] == [first, second]
    assert _records(admitted.dead_letters) == [bad]
    assert admitted.duplicates == 3


def test_what_fills_a_hole_is_counted_and_applied() -> None:
    """In the order of the log, which is the canonical one."""
    pen = Pen()
    first, late, bad, last = pen.write(PLAIN_CLICK), pen.write(PLAIN_CLICK), pen.scribble(), pen.write(PLAIN_CLICK)
    admitted = _admitted(first, last, late, bad)
    assert [one.logged.record for one in admitted.clicks] == [first, last, late]
    assert _records(admitted.dead_letters) == [bad]
    assert (admitted.holes_filled, admitted.duplicates) == (2, 0)


def test_heartbeats_and_seals_are_admitted_and_are_no_clicks() -> None:
    """They move the watermark on; the last says that nothing follows."""
    pen, book = Pen(), SeqBook({}, [])
    admitted = admit(_read(pen.write(Heartbeat()), pen.write(Sealed())), book)
    assert admitted == Admitted()
    assert book.changed_watermarks[pen.journal].seq == 2
    assert book.changed_watermarks[pen.journal].sealed


def test_a_click_is_judged_under_its_own_day_and_keeps_where_it_stood() -> None:
    """21:23 in Chicago on New Year's Eve is not yet the new year."""
    pen = Pen()
    clicks = [_at(datetime(2022, 1, 1, 3, 23, tzinfo=UTC)), replace(PLAIN_CLICK, method="HEAD")]
    admitted = _admitted(pen.write(clicks[0]), pen.write(Heartbeat()), pen.write(clicks[1]))
    judged = judge_clicks(admitted.clicks, ZoneInfo("America/Chicago"), NOBODY, PLAIN_RULES)
    assert [one.click for one in judged] == clicks
    assert [one.local_day for one in judged] == [date(2021, 12, 31), date(2022, 2, 14)]
    assert [one.judgement.verdict for one in judged] == [Verdict.COUNTED, Verdict.NOT_COUNTED]
    assert [(one.offset, one.origin.seq) for one in judged] == [(40, 1), (42, 3)]
