"""A clock that is wrong does not make `complete_through` lie: what has yet to come was captured then or later."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from aggregator.freshness.store import snapshot
from event_log.contract import Record
from link_events.codec import encode
from link_events.events import EventData, Heartbeat
from redirector.journal.frames import Frame
from redirector.journal.journal import Encode, Limits
from stage.events import PLAIN_CLICK
from stage.journals import JOURNAL, LEFT, RIGHT, opened, read_all
from stage.pipe import Pipe

LONG_AGO = datetime(2022, 2, 14, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
STEPS = {
    "set back for a while": [LONG_AGO, LONG_AGO - HOUR, LONG_AGO - HOUR + SECOND, LONG_AGO + SECOND],
    "ahead, and then set back": [LONG_AGO, LONG_AGO + HOUR, LONG_AGO + SECOND, LONG_AGO + 2 * SECOND],
    "ahead of Postgres's": [datetime.max.replace(tzinfo=UTC)],
}
"""What a redirector's clock says, one time it is asked after another. The last is set to an hour ahead of ours."""


async def _journaled(directory: Path, clock: Sequence[datetime]) -> list[Frame]:
    """What a journal holds that is opened anew at each step of its clock, and writes a click and two heartbeats."""
    limits = Limits(segment_bytes=64 * 1024, total_bytes_max=2**20)
    for instant in clock:
        owned = opened(directory, limits, partial(_always, instant))
        for slice_, data in ((LEFT, PLAIN_CLICK), (LEFT, Heartbeat()), (RIGHT, Heartbeat())):
            await owned.journal.append(*slice_, _saying(data))
        await owned.close()
    return read_all(directory)


def _always(instant: datetime) -> datetime:
    return instant


@pytest.mark.parametrize("clock", STEPS.values(), ids=STEPS)
async def test_whatever_a_redirectors_clock_does_nothing_older_is_yet_to_come(
    pipe: Pipe, tmp_path: Path, clock: Sequence[datetime]
) -> None:
    """After each record that is applied; also across restarts, and where its clock is ahead of the database's."""
    ahead = datetime.now(UTC) + HOUR
    frames = await _journaled(tmp_path / JOURNAL.hex(), [min(instant, ahead) for instant in clock])
    assert [frame.captured_at for frame in frames] == sorted(frame.captured_at for frame in frames)
    for place, frame in enumerate(frames):
        await pipe.append(Record(JOURNAL, frame.seq, frame.payload), partition=frame.partition)
        await pipe.apply(pipe.consumer(frame.partition))
        async with snapshot(pipe.pool) as (_, freshness):
            assert freshness.complete_through is not None
            assert freshness.complete_through <= freshness.as_of
            assert all(freshness.complete_through <= later.captured_at for later in frames[place + 1 :])


def _saying(data: EventData) -> Encode:
    return lambda origin, captured_at: encode(origin, captured_at, data)
