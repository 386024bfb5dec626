"""When a click occurred is what the clock says; when its event was captured never goes back."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from link_events.codec import decode
from link_events.events import Activity, Click, Conversion, Fact, Reversal
from link_events.identity import AdvocateId, Code, ConversionKey, CustomerHash, LinkId, ReversalId
from link_events.reasons import ActivityKind, LinkState
from link_events.streams import Stream
from redirector.recording import Recorder
from stage.journals import noted_writes, opened, read_all

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def a_click(occurred_at: datetime) -> Click:
    """A click of Ada's."""
    return Click(occurred_at, LinkId(1), Code("launch"), AdvocateId("ada"), LinkState.ACTIVE, "GET")


async def test_a_clock_that_was_ahead_once_puts_no_later_click_on_another_day(tmp_path: Path) -> None:
    """Two days ahead for one click: the next one still occurs when it occurs, and its event's time stands still."""
    hands: Iterator[datetime] = iter([NOON + timedelta(days=2), NOON])
    owned = opened(tmp_path / "journal", now=lambda: NOON + timedelta(days=2))
    recorder = Recorder(owned.journal, now=lambda: next(hands))
    origins = [await recorder.record("ada", a_click) for _ in range(2)]
    await owned.close()
    events = [
        decode(frame.payload, origin) for frame, origin in zip(read_all(tmp_path / "journal"), origins, strict=True)
    ]
    occurred = [event.data.occurred_at for event in events if isinstance(event.data, Click)]
    assert occurred == [NOON + timedelta(days=2), NOON]
    assert events[0].captured_at <= events[1].captured_at


async def test_what_is_kept_together_is_written_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each in its stream and partition, under its own seqs, in the order in which it came."""
    owned = opened(tmp_path / "journal")
    key = ConversionKey("shop", "sale", "A-1")
    facts: list[Fact] = [
        Conversion(NOON, key, customer=CustomerHash(b"c" * 16)),
        Activity(NOON, "board", "s-1", ActivityKind.SHARE, AdvocateId("ada")),
        Reversal(NOON, key, ReversalId("R-1")),
        Conversion(NOON, key, customer=CustomerHash(b"c" * 16)),
    ]
    writes = noted_writes(monkeypatch)
    origins = await Recorder(owned.journal).keep(facts)
    assert len(writes) == 1
    await owned.close()
    frames = read_all(tmp_path / "journal")
    assert [decode(frame.payload, origin).data for frame, origin in zip(frames, origins, strict=True)] == facts
    assert [(origin.stream, origin.seq) for origin in origins] == [
        (Stream.CONVERSIONS, 1),
        (Stream.ACTIVITIES, 1),
        (Stream.CONVERSIONS, 2),
        (Stream.CONVERSIONS, 3),
    ]
