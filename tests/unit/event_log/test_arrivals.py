"""How readers of the log in Postgres wait: together, and each until there is something for it."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta

import pytest

from event_log.arrivals import Arrivals, Slice
from event_log.contract import EventLogAwayError
from link_events.streams import Offset, Partition, Stream

SLICES = [(stream, Partition(number)) for stream in Stream for number in range(12)]
LONG_WAIT = timedelta(minutes=2)


class Log:
    """Where partitions end, told one poll at a time."""

    def __init__(self) -> None:
        self.ends: dict[Slice, Offset] = dict.fromkeys(SLICES, Offset(3))
        self.is_away = False
        self.polls = 0
        self._asked = asyncio.Semaphore(0)
        self._may_answer = asyncio.Semaphore(0)

    async def __call__(self) -> Mapping[Slice, Offset]:
        """Where they end now."""
        self.polls += 1
        self._asked.release()
        await self._may_answer.acquire()
        if self.is_away:
            raise EventLogAwayError("away")
        return dict(self.ends)

    async def poll(self) -> None:
        """Have the next poll ask and be answered."""
        await self.asked()
        self.answer()

    async def asked(self) -> None:
        """Wait until the next poll asks."""
        await self._asked.acquire()

    def answer(self) -> None:
        """Let it know."""
        self._may_answer.release()


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def arrivals(log: Log) -> Arrivals:
    return Arrivals(log, timedelta(0))


def waiting(arrivals: Arrivals, wait: timedelta = LONG_WAIT) -> dict[Slice, asyncio.Task[bool]]:
    """A reader for each partition, at offset 3."""
    return {slice_: asyncio.create_task(arrivals.elsewhere(slice_, Offset(3), wait)) for slice_ in SLICES}


async def test_one_poll_answers_all_and_wakes_only_those_whose_partition_moved(log: Log, arrivals: Arrivals) -> None:
    """On, or back: a log that has lost its tail is met at once."""
    readers = waiting(arrivals)
    log.ends |= {SLICES[7]: Offset(4), SLICES[30]: Offset(2)}
    await log.poll()
    assert await readers[SLICES[7]]
    assert await readers[SLICES[30]]
    assert log.polls <= 2
    assert {slice_ for slice_, reader in readers.items() if reader.done()} == {SLICES[7], SLICES[30]}
    await arrivals.close()
    outcomes = await asyncio.gather(*readers.values(), return_exceptions=True)
    assert sum(isinstance(one, EventLogAwayError) for one in outcomes) == len(SLICES) - 2


async def test_a_partition_that_is_gone_has_moved(log: Log, arrivals: Arrivals) -> None:
    """Whoever reads it on is told so."""
    reader = asyncio.create_task(arrivals.elsewhere(SLICES[0], Offset(3), LONG_WAIT))
    del log.ends[SLICES[0]]
    await log.poll()
    assert await reader


async def test_a_reader_is_answered_by_a_poll_that_began_after_it_came(log: Log, arrivals: Arrivals) -> None:
    """However short its wait: that nothing was there before says nothing of what is there now."""
    first = asyncio.create_task(arrivals.elsewhere(SLICES[0], Offset(3), timedelta(0)))
    await log.asked()
    second = asyncio.create_task(arrivals.elsewhere(SLICES[1], Offset(3), timedelta(0)))
    log.answer()
    assert not await first
    log.ends[SLICES[1]] = Offset(4)
    await log.poll()
    assert await second


async def test_an_outage_is_told_to_all_and_the_next_to_wait_polls_again(log: Log, arrivals: Arrivals) -> None:
    """What was in the way then is no answer to those who come later."""
    readers = waiting(arrivals)
    log.is_away = True
    await log.poll()
    outcomes = await asyncio.gather(*readers.values(), return_exceptions=True)
    assert all(isinstance(one, EventLogAwayError) for one in outcomes)
    log.is_away = False
    again = asyncio.create_task(arrivals.elsewhere(SLICES[0], Offset(2), LONG_WAIT))
    await log.poll()
    assert await again


async def test_nobody_polls_while_nobody_waits(log: Log, arrivals: Arrivals) -> None:
    """Also where those who waited have gone."""
    readers = waiting(arrivals)
    await log.asked()
    for reader in readers.values():
        reader.cancel()
    await asyncio.gather(*readers.values(), return_exceptions=True)
    log.answer()
    await asyncio.gather(*(task for task in asyncio.all_tasks() if task.get_name() == "poll the event log"))
    assert log.polls == 1
