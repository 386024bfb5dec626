"""A batch that was made ready in pieces writes what the careful way writes, whatever came and however it was cut."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.applying import preparing
from aggregator.applying.batch import DATES_MAX, admit, judge_clicks, read_records
from aggregator.applying.dead_letter_limit import NOTHING_RECENT, DeadLetterLimit, DeadLetterRatioError
from aggregator.applying.gathering import Gathered
from aggregator.applying.preparing import Outcome, Preparation, Way
from aggregator.applying.seqs import Hole, SeqBook, Watermark
from aggregator.judge import PLAIN_RULES, Context, Repeats, load_named_agents
from event_log.contract import LoggedRecord, Record, StrayRecord
from link_events.events import EventData, Heartbeat, Sealed
from link_events.identity import Code, JournalId, Seq
from link_events.reasons import HoleKind
from link_events.streams import Offset, Partition, Stream
from stage.events import PLAIN_CLICK, PLAIN_CONVERSION, PLAIN_REVERSAL
from stage.journaling import FIRST_CAPTURE, Pen

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
JUDGED_BY = (ZoneInfo("America/Chicago"), Repeats.DAY, Context(load_named_agents()), PLAIN_RULES)
WAY = Way(Stream.CLICKS, Partition(0), *JUDGED_BY, NOW)
NO_LIMIT = DeadLetterLimit(1.0)
JOURNALS = 2
RECORDS = 9

Found = list[LoggedRecord | StrayRecord]


def _journal(pen: Pen) -> list[Record]:
    """All kinds of records: clicks of people, one of them twice, of a bot, a heartbeat, nonsense, the last of all."""
    bot = replace(PLAIN_CLICK, user_agent="Twitterbot/1.0", occurred_at=PLAIN_CLICK.occurred_at + timedelta(days=1))
    kinds: list[EventData] = [
        PLAIN_CLICK,
        bot,
        Heartbeat(),
        replace(PLAIN_CLICK, visitor="v"),
        replace(PLAIN_CLICK, code=Code("other")),
        bot,
        replace(PLAIN_CLICK, visitor="v"),
    ]
    written = [pen.write(kind) for kind in kinds]
    return [*written, pen.scribble(), pen.write(Sealed())]


PENS = [Pen() for _ in range(JOURNALS)]
WRITTEN = [_journal(pen) for pen in PENS]


def _logged(records: Sequence[Record]) -> Found:
    return [LoggedRecord(Offset(offset), record, NOW) for offset, record in enumerate(records, 7)]


def _stray(offset: int) -> StrayRecord:
    return StrayRecord(Offset(offset), b"{}", NOW, "no header")


def _book(known: Sequence[int], hole: int | None = None) -> SeqBook:
    """What is applied of each journal, and perhaps one seq that is missing of the first."""
    marks = {
        JournalId(pen.journal): Watermark(Seq(seq), FIRST_CAPTURE + timedelta(seconds=seq - 1), False, FIRST_CAPTURE)  # noqa: FBT003
        for pen, seq in zip(PENS, known, strict=True)
        if seq
    }
    missing = hole is not None and 0 < hole <= known[0]
    holes = [Hole(PENS[0].journal, Seq(hole or 1), Seq(hole or 1), HoleKind.MISSING, FIRST_CAPTURE)] if missing else []
    return SeqBook(marks, holes)


def _carefully(found: Found, book: SeqBook) -> tuple[object, ...]:
    admitted = admit(read_records(WAY.stream, WAY.partition, found, NOW), book)
    clicks = Gathered(WAY.repeats)
    clicks.take(judge_clicks(admitted.clicks, WAY.zone, WAY.context, WAY.rules))
    outcome = Outcome(clicks, admitted.dead_letters, admitted.duplicates, admitted.holes_filled)
    return outcome, _changes(book)


def _prepared(found: Found, book: SeqBook, portions: Sequence[int]) -> tuple[object, ...]:
    batch, rest = Preparation(WAY), list(found)
    for portion in portions:
        batch.add(rest[:portion])
        del rest[:portion]
    batch.add(rest)
    assert batch.record_count == len(found)
    assert batch.next_offset == found[-1].offset + 1
    outcome, _ = batch.settle(book, NO_LIMIT, NOTHING_RECENT)
    return outcome, _changes(book)


def _changes(book: SeqBook) -> tuple[object, ...]:
    marks = {journal: (mark, mark.first_captured_at) for journal, mark in book.changed_watermarks.items()}
    return marks, book.holes_made, book.holes_gone


@st.composite
def _found(draw: st.DrawFn) -> Found:
    """Journals in order, interleaved, perhaps with repeats, gaps, and something that nobody wrote."""
    spans = [sorted(draw(st.tuples(*[st.integers(0, RECORDS)] * 2))) for _ in range(JOURNALS)]
    kept = [written[first:last] for written, (first, last) in zip(WRITTEN, spans, strict=True)]
    order = draw(st.permutations([number for number, records in enumerate(kept) for _ in records]))
    queues = [list(records) for records in kept]
    records = [queues[number].pop(0) for number in order]
    for _ in range(draw(st.integers(0, 2))):
        if records:
            records.insert(draw(st.integers(0, len(records))), draw(st.sampled_from(records)))
    found = _logged(records)
    if draw(st.booleans()):
        found.append(_stray(7 + len(found)))
    return found


@settings(max_examples=400)
@given(_found().filter(bool), st.data())
def test_both_ways_write_the_same(found: Found, data: st.DataObject) -> None:
    """Whatever was applied before and whatever is missing; in portions and pieces of any size."""
    known = data.draw(st.lists(st.integers(0, RECORDS), min_size=JOURNALS, max_size=JOURNALS))
    hole = data.draw(st.none() | st.integers(1, RECORDS))
    portions = data.draw(st.lists(st.integers(0, 4), max_size=4))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(preparing, "PIECE_RECORDS", data.draw(st.integers(1, 5)))
        assert _prepared(found, _book(known, hole), portions) == _carefully(found, _book(known, hole))


@pytest.mark.parametrize("known", [0, 3])
def test_events_that_come_one_after_another_go_the_quick_way(known: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of them is read a second time."""
    batch, book = Preparation(WAY), _book([known, 0])
    batch.add(_logged([*WRITTEN[0][known:7], *WRITTEN[1][:7]]))
    monkeypatch.setattr(preparing, "admit", None)
    outcome, recent = batch.settle(book, NO_LIMIT, NOTHING_RECENT)
    assert len(outcome.clicks.rows) == recent.seen == 6 + 7 - known - (known < 3)
    assert {mark.seq for mark in book.changed_watermarks.values()} == {7}


def test_a_batch_that_is_refused_leaves_nothing_to_write() -> None:
    """Too many dead letters: the limit is asked before anything is given out."""
    pen = Pen()
    batch = Preparation(WAY)
    batch.add(_logged([pen.scribble() for _ in range(20)]))
    with pytest.raises(DeadLetterRatioError):
        batch.settle(SeqBook({}, []), DeadLetterLimit(0.1, records=20, dead_letters_min=1), NOTHING_RECENT)


def test_a_batch_is_full_before_the_date_that_is_too_many() -> None:
    """In whichever portion and piece it comes; the next batch begins with it."""
    pen = Pen()
    clicks = [replace(PLAIN_CLICK, occurred_at=PLAIN_CLICK.occurred_at + timedelta(days=day)) for day in range(100)]
    found = _logged([pen.write(click) for click in clicks])
    for portion in (1, 7, 63, 64, 65, 100):
        batch = Preparation(WAY)
        for start in range(0, len(found), portion):
            batch.add(found[start : start + portion])
        assert batch.full
        assert (batch.record_count, len(batch.dates)) == (DATES_MAX, DATES_MAX)
        assert batch.next_offset == found[DATES_MAX].offset


def test_facts_go_the_careful_way() -> None:
    """Each as a batch of its own would tell of it, and a repetition not at all."""
    way = replace(WAY, stream=Stream.CONVERSIONS)
    pen = Pen(stream=Stream.CONVERSIONS)
    sale, beat, back = pen.write(PLAIN_CONVERSION), pen.write(Heartbeat()), pen.write(PLAIN_REVERSAL)
    batch, book = Preparation(way), SeqBook({}, [])
    batch.add(_logged([sale, beat, sale, back]))
    assert batch.journals == {pen.journal}
    outcome, _ = batch.settle(book, NO_LIMIT, NOTHING_RECENT)
    assert [one.logged.record for one in outcome.facts] == [sale, back]
    assert (outcome.clicks.rows, outcome.duplicates) == ([], 1)
    assert book.changed_watermarks[pen.journal].seq == 3


def test_facts_that_cannot_be_read_stop_a_partition_as_clicks_do() -> None:
    way = replace(WAY, stream=Stream.CONVERSIONS)
    pen = Pen(stream=Stream.CONVERSIONS)
    batch = Preparation(way)
    batch.add(_logged([pen.write(PLAIN_CONVERSION), *(pen.scribble() for _ in range(5)), pen.write(PLAIN_CONVERSION)]))
    with pytest.raises(DeadLetterRatioError):
        batch.settle(SeqBook({}, []), DeadLetterLimit(0.5, records=8, dead_letters_min=2), NOTHING_RECENT)


def test_a_batch_is_full_of_touches(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the piece in which there are too many; what follows is the next batch's."""
    monkeypatch.setattr(preparing, "PIECE_RECORDS", 2)
    monkeypatch.setattr(preparing, "BATCH_TOUCHES_MAX", 3)
    pen = Pen(stream=Stream.CONVERSIONS)
    batch = Preparation(replace(WAY, stream=Stream.CONVERSIONS))
    batch.add(_logged([pen.write(PLAIN_CONVERSION) for _ in range(9)]))
    assert batch.full
    assert batch.record_count == 4
    assert batch.next_offset == 7 + 4
