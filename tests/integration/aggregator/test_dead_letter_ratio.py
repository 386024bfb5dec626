"""A build that cannot read what is written stops its partitions instead of turning everything into dead letters."""

import asyncio
from dataclasses import replace

from http_api.serving import cancel_all
from link_events.reasons import StopReason
from stage.dead import UNREADABLE, broken_decoder
from stage.events import PLAIN_CLICK
from stage.journaling import Pen
from stage.pipe import Pipe
from stage.sql import fetch, fetch_value
from stage.waiting import eventually_async

UNREADABLE_CLICK = replace(PLAIN_CLICK, code=UNREADABLE)
STOPPED = "SELECT next_offset, stopped FROM partition_offset WHERE partition = 0"


async def test_a_bad_build_stops_and_a_mended_one_goes_on_by_itself(pipe: Pipe) -> None:
    """Nothing of the batch is kept: everything is read and counted once it can be."""
    pen = Pen()
    await pipe.append(*(pen.write(UNREADABLE_CLICK) for _ in range(500)))
    with broken_decoder():
        running = asyncio.create_task(pipe.consumer().run())
        await eventually_async(lambda: _stopped(pipe))
    try:
        await eventually_async(lambda: pipe.is_applied([running]), seconds_max=60)
    finally:
        await cancel_all([running])
    assert await fetch(pipe.dsn, STOPPED) == [(500, None)]
    assert await fetch(pipe.dsn, "SELECT 1 FROM dead_letter") == []
    assert await fetch_value(pipe.dsn, "SELECT sum(raw_clicks) FROM advocate_day") == 500
    assert await pipe.drift() == []


async def test_a_few_among_many_stop_nothing(pipe: Pipe) -> None:
    """Two in a hundred become dead letters."""
    pen = Pen()
    await pipe.append(*(pen.write(UNREADABLE_CLICK if number % 50 == 0 else PLAIN_CLICK) for number in range(5_000)))
    with broken_decoder():
        await pipe.apply()
    assert await fetch_value(pipe.dsn, "SELECT count(*) FROM dead_letter") == 100
    assert await fetch(pipe.dsn, STOPPED) == [(5_000, None)]


async def _stopped(pipe: Pipe) -> bool:
    return await fetch(pipe.dsn, STOPPED) == [(0, StopReason.DEAD_LETTER_RATIO)]
