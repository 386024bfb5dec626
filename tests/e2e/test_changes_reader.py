"""A reader of the feed of changes may be killed at any moment: it goes on from its file and ends up with the counts."""

import asyncio
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import httpx2

from aggregator.attributing.weights import MILLIONTHS
from database.keys import Scope, create_key
from link_events.events import NamedTouch
from link_events.identity import AdvocateId, LinkId, Origin, Seq
from link_events.streams import PARTITIONS_DEFAULT, Partition, Stream
from stage import changes_reader
from stage.aggregators import aggregator_process
from stage.changes_reader import NUMBERS, client, copied, read_page
from stage.events import PLAIN_ACTIVITY, PLAIN_CLICK, PLAIN_CONVERSION
from stage.journaling import Pen
from stage.pipe import Pipe, opened_pipe
from stage.ports import free_port
from stage.sql import fetch, fetch_value
from stage.waiting import eventually, eventually_async

KILLS = 12
STORED = f"""
    SELECT concat_ws(' ', 'advocate_day', advocate_id, day), {", ".join(NUMBERS)} FROM advocate_day
    UNION ALL
    SELECT concat_ws(' ', 'advocate_quarter', advocate_id, quarter_start), {", ".join(NUMBERS)} FROM advocate_quarter
    UNION ALL
    SELECT concat_ws(' ', 'link_day', link_id, day), {", ".join(NUMBERS[:-3])}, NULL, NULL, NULL FROM link_day
"""  # noqa: S608 - names of columns
UNSETTLED = """
    SELECT (SELECT count(*) FROM conversion WHERE state <> 'credited') + (SELECT count(*) FROM conversion_mark)
        + (SELECT count(*) FROM conversion_touch WHERE clicked_at IS NULL)
"""


async def test_a_reader_that_is_killed_at_random_ends_up_with_the_counts(database_dsn: str, tmp_path: Path) -> None:
    """While clicks, sales and shares arrive in every partition; each time it is killed in the middle of its work."""
    rng = random.Random(8)
    key, port, copy = (
        await create_key(database_dsn, name="reader", scopes=[Scope.STATS_READ]),
        free_port(),
        tmp_path / "copy",
    )
    url = f"http://127.0.0.1:{port}"
    pens = [[Pen(Partition(number), stream=stream) for stream in Stream] for number in range(PARTITIONS_DEFAULT)]
    with aggregator_process(database_dsn, tmp_path, {"ADVOLINK_AGGREGATOR_PORT": str(port)}):
        async with opened_pipe(database_dsn) as pipe:
            await asyncio.to_thread(eventually, lambda: _answers(url), seconds_max=60, what="the aggregator answers")
            for _ in range(KILLS):
                await _arrive(pipe, pens, rng)
                await asyncio.to_thread(_read_until_killed, url, key, copy, rng)
            await eventually_async(pipe.is_applied, seconds_max=60, what="everything is applied")
            await eventually_async(lambda: _is_credited(database_dsn), seconds_max=60, what="all sales are credited")
            assert await pipe.drift() == []
        with client(url, key) as api:
            while await asyncio.to_thread(read_page, api, copy):
                pass
    stored = {row: list(numbers) for row, *numbers in await fetch(database_dsn, STORED)}
    assert copied(copy)["rows"] == stored
    assert len(stored) > KILLS
    sold = sum(
        credited for row, _, _, _, credited, *_ in await fetch(database_dsn, STORED) if row.startswith("link_day")
    )
    assert sold == KILLS * PARTITIONS_DEFAULT * MILLIONTHS


def _answers(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/v1/openapi.json").is_success
    except httpx2.TransportError:
        return False


async def _arrive(pipe: Pipe, pens: list[list[Pen]], rng: random.Random) -> None:
    """In each partition some clicks, a sale that names two of them, and a share."""
    for clicked, sold, shared in pens:
        advocate, partition, seen = AdvocateId(f"a{clicked.partition}"), clicked.partition, clicked.last_seq
        clicks = [
            replace(PLAIN_CLICK, advocate_id=advocate, link_id=LinkId(100 * partition + one))
            for one in rng.choices(range(1, 20), k=rng.randint(2, 30))
        ]
        await pipe.append(*map(clicked.write, clicks), partition=partition)
        named = sorted(rng.sample(range(seen + 1, clicked.last_seq + 1), k=2))
        touches = [Origin(clicked.journal, Stream.CLICKS, partition, Seq(seq)) for seq in named]
        sale = replace(
            PLAIN_CONVERSION,
            key=PLAIN_CONVERSION.key._replace(external_id=f"{partition}/{seen}"),
            touches=tuple(NamedTouch(touch, PLAIN_CLICK.occurred_at.date()) for touch in touches),
        )
        await pipe.append(sold.write(sale), partition=partition, stream=Stream.CONVERSIONS)
        share = replace(PLAIN_ACTIVITY, advocate_id=advocate, external_id=f"{partition}/{seen}")
        await pipe.append(shared.write(share), partition=partition, stream=Stream.ACTIVITIES)


async def _is_credited(dsn: str) -> bool:
    return bool(await fetch_value(dsn, UNSETTLED) == 0)


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
