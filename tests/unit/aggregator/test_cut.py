"""A batch ends before the record that would make it touch too many raw partitions."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from aggregator.applying.batch import DATES_MAX, DeadLetter, ReadRecord, cut_by_dates, raw_dates, read_records
from event_log.contract import LoggedRecord, Record
from link_events.events import Heartbeat
from link_events.streams import Offset, Partition, Stream
from stage.events import PLAIN_CLICK
from stage.journaling import Pen

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def _read(*records: Record) -> list[ReadRecord | DeadLetter]:
    logged = [LoggedRecord(Offset(offset), record, NOW) for offset, record in enumerate(records)]
    return list(read_records(Stream.CLICKS, Partition(0), logged, NOW))


def _click(pen: Pen, day: int) -> Record:
    return pen.write(replace(PLAIN_CLICK, occurred_at=PLAIN_CLICK.occurred_at + timedelta(days=day)))


@pytest.mark.parametrize(("days", "taken"), [([0, 1, 2], 2), ([0, 1, 0, 1, 2, 0], 4), ([0, 0, 0], 3), ([], 0)])
def test_a_batch_is_cut_before_the_date_that_is_too_many(days: list[int], taken: int) -> None:
    """Dates count once, however often they come, and the order of the log stays."""
    pen = Pen()
    read = _read(*(_click(pen, day) for day in days))
    assert cut_by_dates(read, 2) == read[:taken]


def test_what_has_no_date_is_taken_up_to_the_cut() -> None:
    """Heartbeats and dead letters touch no raw partition."""
    pen = Pen()
    read = _read(_click(pen, 0), pen.scribble(), pen.write(Heartbeat()), _click(pen, 1), pen.write(Heartbeat()))
    assert cut_by_dates(read, 1) == read[:3]


def test_a_batch_touches_no_more_dates_than_the_limit() -> None:
    """And as many as that."""
    pen = Pen()
    read = _read(*(_click(pen, day) for day in range(DATES_MAX + 10)))
    assert len(raw_dates(cut_by_dates(read, DATES_MAX))) == DATES_MAX
