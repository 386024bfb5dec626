"""Redirects per second and processor time per redirect: ours beside nginx, Go and a plain FastAPI route."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import asyncpg
import pytest

from browsers import AGENTS, CODES, codes, each_code_once, write_requests
from candidates import DESTINATION, FASTAPI, NGINX, QUERY, Candidate, Running, Site, candidates
from figures import Figure, Row, Table
from looking import look_at_answers
from measure import Load, LoadResult, children, need_wrk, put_under_load
from stack import LOAD_CPU, freeze, thaw
from stage.postgres import Server

CONNECTIONS: Final = 64
LEAD_IN_SECONDS: Final = 1
"""Under load before it is measured, so that a turn does not begin cold."""

SAMPLE: Final = 50
"""Requests whose answers are looked at one by one."""

LOAD_BUSY_MAX: Final = 0.8
"""A wrk that is busier may be what bounds the rate."""

INSERT_LINKS: Final = Path(__file__).with_name("insert_links.sql")


@dataclass(frozen=True)
class Rounds:
    """How often and for how long each candidate is measured; where `only` has some, those whose names hold one.

    Capitals are all the same.
    """

    count: int = 3
    seconds: int = 6
    only: Sequence[str] = ()


@dataclass
class Contender:
    """A candidate that runs, frozen while it is not its turn, and what came of its turns."""

    name: str
    running: Running
    requests: Path
    clicks_before: int
    results: list[LoadResult] = field(default_factory=list)
    answered: int = 0
    loads: int = 0

    def put_under_load(self, seconds: int) -> LoadResult:
        """Give it a turn.

        Raises:
            RuntimeError: not every request was redirected.
        """
        pids = [self.running.pid, *children(self.running.pid)]
        load = Load(self.running.url, self.requests, seconds, CONNECTIONS, LOAD_CPU)
        with self.thawed():
            result = put_under_load(load, pids)
        if result.refused or result.broken:
            raise RuntimeError(
                f"{self.name}: of {result.requests} requests {result.refused} were refused, {result.broken} broken off"
            )
        self.answered += result.requests
        self.loads += 1
        return result

    @contextmanager
    def thawed(self) -> Iterator[None]:
        """Let it run."""
        thaw(self.running.pid)
        yield
        freeze(self.running.pid)

    def expect_every_click(self) -> None:
        """What was answered is recorded, and nothing else but what was under way when wrk left.

        Raises:
            RuntimeError: it is not.
        """
        if self.running.clicks is not None:
            clicks = self.running.clicks() - self.clicks_before
            if not self.answered <= clicks <= self.answered + self.loads * CONNECTIONS:
                raise RuntimeError(f"{self.name}: {self.answered} redirects, but {clicks} clicks recorded")


def measure_redirects(server: Server, database: str, directory: Path, rounds: Rounds | None = None) -> Table:
    """The best of some rounds, each through every candidate in turn, and every click found where it was recorded."""
    rounds = rounds or Rounds()
    site = make_site(server.dsn(database), directory)
    with ExitStack() as held:
        contenders = [started for one in chosen(rounds) if (started := start(one, site, held))]
        for _ in range(rounds.count):
            for contender in contenders:
                contender.put_under_load(LEAD_IN_SECONDS)
                contender.results.append(contender.put_under_load(rounds.seconds))
        for contender in contenders:
            contender.expect_every_click()
    best = {one.name: max(one.results, key=lambda result: result.per_second) for one in contenders}
    for name, one in best.items():
        if one.load_busy > LOAD_BUSY_MAX:
            print(f"wrk was busy for {one.load_busy:.0%} of its turn with {name}: the rate may be wrk's own.")
    return Table(
        f"Redirects on one core: {CODES:,} codes by Zipf(1), {AGENTS:,} user agents, {CONNECTIONS} connections",
        [Row(name, _figures(one, best.get(NGINX), best.get(FASTAPI))) for name, one in best.items()],
    )


def make_site(dsn: str, directory: Path) -> Site:
    """The links in a database and in a file."""
    need_wrk()
    asyncio.run(insert_links(dsn, codes()))
    links = directory / "links.txt"
    links.write_text("".join(f"{code} {DESTINATION}{code}{QUERY}\n" for code in codes()), encoding="utf-8")
    return Site(dsn, directory, links)


async def insert_links(dsn: str, codes: list[str]) -> None:
    """A link for each code."""
    connection = await asyncpg.connect(dsn)
    await connection.execute(INSERT_LINKS.read_text(encoding="utf-8"), codes)
    await connection.close()


def chosen(rounds: Rounds) -> list[Candidate]:
    """The candidates that are to be measured."""
    wanted = rounds.only or [""]
    return [one for one in candidates() if any(text.casefold() in one.name.casefold() for text in wanted)]


def start(candidate: Candidate, site: Site, held: ExitStack) -> Contender | None:
    """Start it, and look at its answers: at one for each link where that draws them into memory, else at some."""
    try:
        running = held.enter_context(candidate.start(site))
    except pytest.skip.Exception as missing:
        print(f"LEFT OUT: {candidate.name}. {missing}", flush=True)
        return None
    requests = site.directory / f"{candidate.method}{'-scattered' * candidate.scattered}.requests"
    if not requests.exists():
        write_requests(requests, method=candidate.method, scattered=candidate.scattered)
    contender = Contender(candidate.name, running, requests, running.clicks() if running.clicks else 0)
    looked_at = each_code_once() if candidate.ours else each_code_once()[:SAMPLE]
    contender.answered += look_at_answers(running.url, looked_at)
    freeze(running.pid)
    return contender


def _figures(one: LoadResult, nginx: LoadResult | None, fastapi: LoadResult | None) -> dict[str, Figure]:
    """Ratios are such that more is better, of the rate and of the processor time alike; but not that of the p99."""
    return {
        "requests/s": one.per_second,
        "x nginx": one.per_second / nginx.per_second if nginx else None,
        "x FastAPI": one.per_second / fastapi.per_second if fastapi else None,
        "CPU us": one.cpu_us,
        "x nginx by CPU": nginx.cpu_us / one.cpu_us if nginx else None,
        "x FastAPI by CPU": fastapi.cpu_us / one.cpu_us if fastapi else None,
        "p50 ms": one.p50_ms,
        "p99 ms": one.p99_ms,
        "p99 x nginx": one.p99_ms / nginx.p99_ms if nginx else None,
        "wrk busy": one.load_busy,
    }
