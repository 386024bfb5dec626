"""The scan that redirects are measured beside."""

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

from candidates import FASTAPI, Site, candidates
from scanner import Scanner
from stage.waiting import eventually_async

ENOUGH = 100


async def test_a_scan_asks_for_codes_that_nobody_has_and_counts_the_answers(tmp_path: Path) -> None:
    links = tmp_path / "links.txt"
    links.write_text("B0000000 https://www.example.com\n", encoding="utf-8")
    (fastapi,) = [one for one in candidates() if one.name == FASTAPI]
    with fastapi.start(Site("", tmp_path, links)) as running:
        target = urlsplit(running.url)
        scanner, stop = Scanner(str(target.hostname), int(target.port or 0), networks=3), asyncio.Event()
        scanning = asyncio.create_task(scanner.scan(1_000, stop))

        async def answered() -> bool:
            return scanner.statuses["404"] >= ENOUGH

        await eventually_async(answered)
        stop.set()
        await scanning
    assert set(scanner.statuses) == {"404"}
    assert scanner.seconds > 0
