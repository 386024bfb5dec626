"""When a click occurred is what the clock says; when its event was captured never goes back."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from link_events.codec import decode
from link_events.events import Click
from link_events.identity import AdvocateId, Code, LinkId
from link_events.reasons import LinkState
from redirector.recording import Recorder
from stage.journals import opened, read_all

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
