"""What a conversion costs that is reported, alone and among a thousand, beside a click that goes through the framework.

Each names a click by its id, a customer and a value: the id is verified, the customer hashed, the event journaled.
Shipping is held back, as in the comparison of redirects.
"""

import asyncio
import random
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import httpx2
import orjson

from browsers import codes
from candidates import BEFORE_CLICK_ID, THROUGH_FRAMEWORK
from database.keys import Scope, create_key
from figures import Row, Table
from link_events.events import EventType
from measure import Load, LoadResult, children, put_under_load
from redirects import CONNECTIONS, LEAD_IN_SECONDS, Contender, Rounds, chosen, make_site, start
from stack import LOAD_CPU
from stage.postgres import Server

SHAPES: Final = {1: CONNECTIONS, 1_000: 4}
"""Rows of a request → connections that send such requests."""

REQUESTS: Final = {1: 20_000, 1_000: 40}
"""Rows of a request → how many are made ready, to be sent in turn."""

TOUCHES: Final = 500
"""Clicks whose ids the conversions name."""

PATH: Final = "/v1/conversions"


def measure_intake(server: Server, database: str, directory: Path, rounds: Rounds | None = None) -> Table:
    """The best of some rounds, and every row that was received found in the journal."""
    rounds = rounds or Rounds()
    dsn = server.dsn(database)
    site = make_site(dsn, directory)
    key = asyncio.run(create_key(dsn, name="bench", scopes=[Scope.CONVERSIONS_WRITE]))
    with ExitStack() as held:
        (candidate,) = chosen(Rounds(only=[THROUGH_FRAMEWORK]))
        contender = start(candidate, site, held)
        if contender is None:
            raise RuntimeError(f"{THROUGH_FRAMEWORK} needs nothing that a machine may lack")
        with contender.thawed():
            touches = _click_ids(contender)
        files = {rows: _write_requests(directory / f"{rows}.requests", key, touches, rows) for rows in SHAPES}
        clicks: list[LoadResult] = []
        reports: dict[int, list[LoadResult]] = {rows: [] for rows in SHAPES}
        for _ in range(rounds.count):
            contender.put_under_load(LEAD_IN_SECONDS)
            clicks.append(contender.put_under_load(rounds.seconds))
            for rows, found in reports.items():
                found.append(_report(contender, files[rows], rows, rounds.seconds))
        contender.expect_every_click()
    click_us = min(one.cpu_us for one in clicks)
    best = {rows: min(found, key=lambda one: one.cpu_us) for rows, found in reports.items()}
    click = max(clicks, key=lambda one: one.per_second)
    return Table(
        "Conversions reported, journal only, each with a click id, a customer and a value",
        [
            Row(
                "a click (HEAD, through FastAPI)",
                {"rows/s": click.per_second, "CPU us/row": click_us, "x a click": 1.0},
            ),
            *(_row(rows, one, click_us) for rows, one in best.items()),
        ],
    )


def _row(rows: int, one: LoadResult, click_us: float) -> Row:
    """`x a click` is of the processor time: less is better."""
    name = "one a request" if rows == 1 else f"{rows:,} a request"
    cpu_us = one.cpu_us / rows
    return Row(name, {"rows/s": one.per_second * rows, "CPU us/row": cpu_us, "x a click": cpu_us / click_us})


def _report(contender: Contender, requests: Path, rows: int, seconds: int) -> LoadResult:
    """One turn.

    Raises:
        RuntimeError: a request was refused, or a row that was received is not in the journal.
    """
    pids = [contender.running.pid, *children(contender.running.pid)]
    before = contender.running.events(EventType.CONVERSION)
    with contender.thawed():
        result = put_under_load(Load(contender.running.url, requests, seconds, SHAPES[rows], LOAD_CPU), pids)
    journaled = contender.running.events(EventType.CONVERSION) - before
    least, most = result.requests * rows, (result.requests + SHAPES[rows]) * rows
    if result.refused or result.broken or not least <= journaled <= most:
        raise RuntimeError(
            f"{rows} a request: of {result.requests} requests {result.refused} were refused, {result.broken} broken"
            f" off, and {journaled} conversions are journaled"
        )
    return result


def _click_ids(contender: Contender) -> Sequence[str]:
    """Ids of clicks, as destinations are given them."""
    with httpx2.Client(base_url=contender.running.url) as client:
        locations = [client.get(f"/{code}").headers["location"] for code in codes()[:TOUCHES]]
    contender.answered += len(locations)
    return [location.rpartition(BEFORE_CLICK_ID)[2] for location in locations]


def _write_requests(path: Path, key: str, touches: Sequence[str], rows: int) -> Path:
    rng, time = random.Random(7), datetime.now(UTC).isoformat()
    with path.open("wb") as file:
        for number in range(REQUESTS[rows]):
            made = [_conversion(rng, number * rows + row, time, touches) for row in range(rows)]
            body = orjson.dumps(made[0] if rows == 1 else {"rows": made})
            head = f"POST {PATH} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {key}\r\n"
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            file.write(head.encode() + body)
    return path


def _conversion(rng: random.Random, number: int, time: str, touches: Sequence[str]) -> dict[str, object]:
    return {
        "source": "shop",
        "kind": "sale",
        "external_id": f"A-{number:08}",
        "time": time,
        "click_ids": [rng.choice(touches)],
        "customer_id": f"customer-{rng.randrange(100_000)}",
        "value_minor": rng.randrange(100, 100_000),
        "currency": "EUR",
    }
