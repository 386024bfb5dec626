"""A reader of the feed of changes may be killed at any moment: it goes on from its file and ends up with the counts."""

import asyncio
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import httpx2

from database.keys import Scope, create_key
from link_events.identity import AdvocateId, LinkId
from link_events.streams import PARTITIONS_DEFAULT, Partition
from stage import changes_reader
from stage.aggregators import aggregator_process
from stage.changes_reader import client, copied, read_page
from stage.events import PLAIN_CLICK
from stage.journaling import Pen
from stage.pipe import Pipe, opened_pipe
from stage.ports import free_port
from stage.sql import fetch
from stage.waiting import eventually, eventually_async

KILLS = 12
STORED = """
    SELECT concat_ws(' ', 'advocate_day', advocate_id, day), raw_clicks, counted_clicks, not_counted_clicks
    FROM advocate_day
    UNION ALL
    SELECT concat_ws(' ', 'advocate_quarter', advocate_id, quarter_start), raw_clicks, counted_clicks,
        not_counted_clicks
    FROM advocate_quarter
    UNION ALL
    SELECT concat_ws(' ', 'link_day', link_id, day), raw_clicks, counted_clicks, not_counted_clicks FROM link_day
"""


async def test_a_reader_that_is_killed_at_random_ends_up_with_the_counts(database_dsn: str, tmp_path: Path) -> None:
    """While clicks arrive in every partition; each time it is killed in the middle of its work."""
    rng = random.Random(8)
    key, port, copy = (
        await create_key(database_dsn, name="reader", scopes=[Scope.STATS_READ]),
        free_port(),
        tmp_path / "copy",
    )
    url = f"http://127.0.0.1:{port}"
    pens = [Pen(Partition(number)) for number in range(PARTITIONS_DEFAULT)]
    with aggregator_process(database_dsn, tmp_path, {"ADVOLINK_AGGREGATOR_PORT": str(port)}):
        async with opened_pipe(database_dsn) as pipe:
            await asyncio.to_thread(eventually, lambda: _answers(url), seconds_max=60, what="the aggregator answers")
            for _ in range(KILLS):
                await _arrive(pipe, pens, rng)
                await asyncio.to_thread(_read_until_killed, url, key, copy, rng)
            await eventually_async(pipe.is_applied, seconds_max=60, what="everything is applied")
        with client(url, key) as api:
            while await asyncio.to_thread(read_page, api, copy):
                pass
    stored = {row: list(numbers) for row, *numbers in await fetch(database_dsn, STORED)}
    assert copied(copy)["rows"] == stored
    assert len(stored) > KILLS


def _answers(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/v1/openapi.json").is_success
    except httpx2.TransportError:
        return False


async def _arrive(pipe: Pipe, pens: list[Pen], rng: random.Random) -> None:
    for pen in pens:
        clicks = [
            replace(PLAIN_CLICK, advocate_id=AdvocateId(f"a{pen.partition}"), link_id=LinkId(100 * pen.partition + one))
            for one in rng.choices(range(1, 20), k=rng.randint(1, 30))
        ]
        await pipe.append(*map(pen.write, clicks), partition=pen.partition)


def _read_until_killed(url: str, key: str, copy: Path, rng: random.Random) -> None:
    """One life of a reader: killed after it has come some pages further."""
    pages = rng.randint(1, 6)
    seen = [copied(copy)["since"]]

    def came_further() -> bool:
        if reader.poll() is not None:
            raise RuntimeError(f"the reader ended by itself with status {reader.returncode}")
        since = copied(copy)["since"]
        if since != seen[-1]:
            seen.append(since)
        return len(seen) > pages

    reader = subprocess.Popen([sys.executable, changes_reader.__file__, url, key, str(copy)])
    try:
        eventually(came_further, seconds_max=60, what=f"the reader has come {pages} steps further")
    finally:
        reader.kill()
        reader.wait(timeout=30)
