"""A journal says for every partition that it is alive: at once, and then for those that had nothing else to say."""

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from link_events.codec import decode
from link_events.events import Heartbeat
from link_events.identity import Origin
from link_events.streams import Partition, Stream
from redirector.heartbeats import keep_beating
from redirector.journal.journal import Journal, Limits
from redirector.journal.segments import Slice
from stage.journals import JOURNAL, LEFT, RIGHT, append, append_until_full, opened, read_all

INTERVAL = timedelta(seconds=5)
EVERY = [(stream, Partition(number)) for stream in Stream for number in range(2)]
ALL_BUT_LEFT = [slice_ for slice_ in EVERY if slice_ != LEFT]
ALL_BUT_CLICKS = [slice_ for slice_ in EVERY if slice_ not in (LEFT, RIGHT)]


class Rounds:
    """Time between two rounds of heartbeats, which passes when a test says so."""

    def __init__(self) -> None:
        self._passed: asyncio.Queue[None] = asyncio.Queue()
        self._rounds: asyncio.Queue[float] = asyncio.Queue()

    async def sleep(self, seconds: float) -> None:
        """A round is over; wait for the next."""
        self._rounds.put_nowait(seconds)
        await self._passed.get()

    async def ended(self) -> float:
        """Wait for the end of a round: how long it then sleeps."""
        return await asyncio.wait_for(self._rounds.get(), 10)

    def next(self) -> None:
        """Let the interval be over."""
        self._passed.put_nowait(None)


@pytest.fixture
def rounds(monkeypatch: pytest.MonkeyPatch) -> Rounds:
    one = Rounds()
    monkeypatch.setattr("redirector.heartbeats.asyncio", SimpleNamespace(gather=asyncio.gather, sleep=one.sleep))
    return one


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    owned = opened(tmp_path / JOURNAL.hex(), Limits(2048, 8192))
    yield owned.journal
    await owned.close()


@pytest.fixture
async def beating(journal: Journal, rounds: Rounds) -> AsyncIterator[None]:
    """Heartbeats for the length of a test, the first round over."""
    task = asyncio.create_task(keep_beating(journal, INTERVAL))
    assert await rounds.ended() == INTERVAL.total_seconds()
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def beats(journal: Journal) -> list[Slice]:
    """The slices of all heartbeats so far, each of which can be read."""
    frames = read_all(journal.directory, journal.end)
    found = []
    for frame in frames:
        if b"heartbeat" in frame.payload:
            origin = Origin(JOURNAL, frame.stream, frame.partition, frame.seq)
            assert decode(frame.payload, origin).data == Heartbeat()
            assert decode(frame.payload, origin).captured_at == frame.captured_at
            found.append((frame.stream, frame.partition))
    return found


async def test_every_partition_beats_at_the_start(journal: Journal, beating: None) -> None:
    """A redirector that nobody clicks on, and that nobody reports to, is known from its first second."""
    assert beats(journal) == EVERY


async def test_only_silent_partitions_beat_again(journal: Journal, rounds: Rounds, beating: None) -> None:
    """A click says as much as a heartbeat; a heartbeat of our own is no click."""
    await append(journal, "a click")
    rounds.next()
    await rounds.ended()
    assert beats(journal) == EVERY + ALL_BUT_LEFT
    rounds.next()
    await rounds.ended()
    assert beats(journal) == EVERY + ALL_BUT_LEFT + EVERY
    await append(journal, "a click", to=RIGHT)
    await append(journal, "a click", to=LEFT)
    rounds.next()
    await rounds.ended()
    assert beats(journal) == EVERY + ALL_BUT_LEFT + EVERY + ALL_BUT_CLICKS


async def test_a_full_journal_misses_a_beat_and_goes_on(
    journal: Journal, rounds: Rounds, beating: None, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told, and tried again in the next round."""
    await append_until_full(journal, "x" * 1_500)
    for size in (100, 10, 1):
        await append_until_full(journal, "x" * size)
    before = beats(journal)
    with caplog.at_level(logging.WARNING):
        rounds.next()
        await rounds.ended()
        rounds.next()
        await rounds.ended()
    assert "no heartbeat: the journal holds its cap of 8192 bytes" in caplog.text
    assert beats(journal) == before
    journal.drop_segment(1)
    rounds.next()
    await rounds.ended()
    assert beats(journal)[-len(EVERY) :] == EVERY
