"""Every journal that is known is shown with its state and what it holds back, and a lost one is retired."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from click.testing import CliRunner, Result

from advolink.__main__ import main
from aggregator.app import running
from aggregator.journals.measuring import JournalMeasure
from aggregator.journals.store import JournalStore
from aggregator.leases.store import LeaseStore
from aggregator.metrics import AggregatorMetrics
from aggregator.settings import AggregatorSettings
from database.keys import KeyStore, Scope
from http_api.serving import Failures
from link_events.events import Heartbeat, Sealed
from link_events.identity import JournalId
from link_events.streams import Partition, Stream
from stage.asking import asked, fields_at_fault
from stage.events import PLAIN_CLICK
from stage.journaling import Pen
from stage.pipe import Pipe, opened_pipe
from stage.sql import fetch, session, waiting_for_locks
from stage.waiting import eventually_async

WHY = "its disk is gone"
MINUTE = timedelta(minutes=1)
RETIRED = "SELECT journal, why FROM retired_journal"


def _pen(minutes_ago: float, partition: int = 0, **more: Any) -> Pen:
    return Pen(Partition(partition), first_capture=datetime.now(UTC) - minutes_ago * MINUTE, **more)


def _in_pipe(dsn: str, job: Callable[[Pipe], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        async with opened_pipe(dsn) as pipe:
            return await job(pipe)

    return asyncio.run(run())


def _call(dsn: str, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["journal", *arguments, "--postgres-dsn", dsn], catch_exceptions=False)


async def _stock(pipe: Pipe) -> dict[str, Pen]:
    """A journal in each state; the silent one misses a click, and the second partition never heard of it."""
    pens = {"live": _pen(0), "silent": _pen(60), "sealed": _pen(60), "retired": _pen(60)}
    for partition in (0, 1):
        for name, pen in pens.items():
            if name != "silent":
                both = Pen(Partition(partition), pen.journal, first_capture=pen.first_capture)
                await pipe.take(both.write(Sealed() if name == "sealed" else Heartbeat()), partition=partition)
    first, _missing, last = [pens["silent"].write(PLAIN_CLICK) for _ in range(3)]
    await pipe.take(first, last)
    await JournalStore(pipe.pool).retire(pens["retired"].journal, WHY, force=False)
    return pens


async def test_every_journal_that_is_known_is_told(pipe: Pipe, stats: httpx2.AsyncClient) -> None:
    """In the order of their ids, with how far each is applied, and what it holds back."""
    pens = await _stock(pipe)
    answer = (await stats.get("/v1/journals")).json()
    rows = {row["journal"]: row for row in answer["rows"]}
    assert list(rows) == sorted(rows) == sorted(pen.journal.hex() for pen in pens.values())
    for name, pen in pens.items():
        assert rows[pen.journal.hex()]["state"] == name
    silent = pens["silent"]
    assert rows[silent.journal.hex()] == {
        "journal": silent.journal.hex(),
        "state": "silent",
        "is_import": False,
        "last_captured_at": _text(silent.captured_at),
        "seqs": {"c0": 3},
        "unheard_partitions": 1,
        "missing_seqs": 1,
        "holds_back_to": _text(silent.first_capture),
        "holds_back_by": "hole",
        "retired_at": None,
        "retired_why": None,
    }
    retired = rows[pens["retired"].journal.hex()]
    assert (retired["retired_why"], retired["holds_back_to"], retired["holds_back_by"]) == (WHY, None, None)
    assert rows[pens["sealed"].journal.hex()]["seqs"] == {"c0": 1, "c1": 1}
    live = rows[pens["live"].journal.hex()]
    assert (live["holds_back_to"], live["holds_back_by"]) == (None, None)
    named = {"journal": silent.journal.hex(), "state": "silent", "since": _text(silent.first_capture), "why": "hole"}
    assert answer["held_back_by"] == [named]


def _text(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")


async def test_pages_lead_through_all_journals(pipe: Pipe, stats: httpx2.AsyncClient) -> None:
    """By `Link` and `next_cursor`; a cursor of another list is refused."""
    await _stock(pipe)
    whole = [row["journal"] for row in (await stats.get("/v1/journals")).json()["rows"]]
    found: list[str] = []
    url = "/v1/journals?limit=1"
    while url:
        answer = await stats.get(url)
        found += [row["journal"] for row in answer.json()["rows"]]
        url = answer.links.get("next", {}).get("url", "")
    assert found == whole
    for cursor in ("WzFd", "WyJhIl0", "nonsense"):
        refused = await stats.get(f"/v1/journals?cursor={cursor}")
        assert (refused.status_code, fields_at_fault(refused)) == (422, ["query/cursor"])


async def test_every_answer_with_numbers_names_who_holds_it_back(pipe: Pipe, stats: httpx2.AsyncClient) -> None:
    """As it was when the numbers were; nobody where all is well."""
    await pipe.take(_pen(0).write(PLAIN_CLICK))
    for path in ("/v1/counts?group_by=link", "/v1/advocates/ada.lovelace/counts", "/v1/changes"):
        assert (await stats.get(path)).json()["held_back_by"] == []
    silent = _pen(5)
    await pipe.take(silent.write(Heartbeat()))
    for path in ("/v1/counts?group_by=link", "/v1/clicks?advocate_id=ada.lovelace&day=2022-02-14"):
        (held,) = (await stats.get(path)).json()["held_back_by"]
        assert (held["journal"], held["why"]) == (silent.journal.hex(), "silent")


def test_the_list_is_for_people_and_for_machines(database_dsn: str) -> None:
    """Both say the same."""
    pens = _in_pipe(database_dsn, _stock)
    rows = json.loads(_call(database_dsn, "list", "--json").output)["rows"]
    assert {row["journal"]: row["state"] for row in rows} == {pen.journal.hex(): name for name, pen in pens.items()}
    shown = _call(database_dsn, "list").output
    for words in (*pens, WHY, pens["silent"].journal.hex(), "hole", "4 journals."):
        assert words in shown
    assert "1 journals, and more: --limit shows them." in _call(database_dsn, "list", "--limit", "1").output


def test_the_commands_call_a_journal_silent_when_the_service_does(
    database_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the same variable; one that cannot be used is named."""
    _in_pipe(database_dsn, lambda pipe: pipe.take(_pen(5).write(Heartbeat())))
    assert json.loads(_call(database_dsn, "list", "--json").output)["rows"][0]["state"] == "silent"
    monkeypatch.setenv("ADVOLINK_AGGREGATOR_SILENT_AFTER", "PT1H")
    assert json.loads(_call(database_dsn, "list", "--json").output)["rows"][0]["state"] == "live"
    monkeypatch.setenv("ADVOLINK_AGGREGATOR_SILENT_AFTER", "soon")
    refused = _call(database_dsn, "list")
    assert (refused.exit_code, "ADVOLINK_AGGREGATOR_SILENT_AFTER cannot be used" in refused.output) == (1, True)


def test_a_journal_is_retired_with_a_reason(database_dsn: str) -> None:
    """Its missing events are given up, its dead letters are not; twice changes nothing."""
    pen = _pen(60)

    async def lose(pipe: Pipe) -> None:
        records = [pen.write(PLAIN_CLICK), pen.write(PLAIN_CLICK), pen.write(PLAIN_CLICK), pen.scribble()]
        await pipe.take(records[0], *records[2:])

    _in_pipe(database_dsn, lose)
    name = pen.journal.hex()
    said = _call(database_dsn, "retire", name, "--why", WHY)
    assert (said.exit_code, said.output) == (0, f"{name} is retired, and 1 holes of it are closed.\n")
    holes = asyncio.run(fetch(database_dsn, "SELECT seq_from, kind, closed_why FROM hole ORDER BY 1"))
    assert holes == [(2, "missing", WHY), (4, "dead_letter", None)]
    again = _call(database_dsn, "retire", name, "--why", "another reason")
    assert (again.exit_code, WHY in again.output) == (0, True)
    assert again.output.startswith(f"Nothing to do: {name} was retired ")
    assert asyncio.run(fetch(database_dsn, RETIRED)) == [(pen.journal, WHY)]


def test_what_is_not_lost_is_not_retired(database_dsn: str) -> None:
    """Not one that is live unless that is insisted on, nor one that is sealed or unknown."""
    pens = _in_pipe(database_dsn, _stock)
    before = asyncio.run(fetch(database_dsn, RETIRED))
    for name, says in (("live", "is live, it captured something"), ("sealed", "is sealed: it said its last word")):
        refused = _call(database_dsn, "retire", pens[name].journal.hex(), "--why", WHY)
        assert (refused.exit_code, says in refused.output) == (1, True)
    unknown = _call(database_dsn, "retire", "00c0ffee00c0ffee", "--why", WHY)
    assert (unknown.exit_code, "knows no journal 00c0ffee00c0ffee" in unknown.output) == (1, True)
    assert asyncio.run(fetch(database_dsn, RETIRED)) == before
    forced = _call(database_dsn, "retire", pens["live"].journal.hex(), "--why", WHY, "--force")
    assert forced.exit_code == 0
    assert len(asyncio.run(fetch(database_dsn, RETIRED))) == 2


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nonsense", "--why", WHY], "'nonsense' is no journal's id"),
        (["00C0FFEE00C0FFEE", "--why", WHY], "is no journal's id"),
        (["00c0ffee00c0ffee"], "--why"),
        (["00c0ffee00c0ffee", "--why", " "], "say something"),
    ],
)
def test_what_is_not_said_well_is_refused(module_dsn: str, arguments: list[str], says: str) -> None:
    """Before anything is asked of the database."""
    refused = _call(module_dsn, "retire", *arguments)
    assert (refused.exit_code, says in refused.output) == (2, True)


async def test_one_whose_clock_ran_ahead_is_retired_from_its_own_last_instant_on(pipe: Pipe) -> None:
    """Else what it captured before it was lost would make it live."""
    pen = _pen(-60)
    await pipe.take(pen.write(PLAIN_CLICK))
    store = JournalStore(pipe.pool)
    await store.retire(pen.journal, WHY, force=True)
    (row,) = (await store.page(JournalId(b""), 10)).rows
    assert row.state == "retired"
    await pipe.take(pen.write(Heartbeat()))
    (row,) = (await store.page(JournalId(b""), 10)).rows
    assert row.state == "live"


async def test_retiring_keeps_batches_waiting(pipe: Pipe) -> None:
    """One that has begun comes first: the hole it leaves is closed with the others."""
    pen = _pen(60)
    first, _missing, last = [pen.write(PLAIN_CLICK) for _ in range(3)]
    await pipe.take(first)
    async with session(pipe.dsn) as other:
        async with other.transaction():
            await other.execute("LOCK TABLE hole IN ACCESS EXCLUSIVE MODE")
            await pipe.append(last)
            applying = asyncio.create_task(pipe.apply(pipe.consumer(owner="another")))
            await eventually_async(lambda: _waiting(pipe, 1))
            retiring = asyncio.create_task(JournalStore(pipe.pool).retire(pen.journal, WHY, force=False))
            await eventually_async(lambda: _waiting(pipe, 2))
        assert (await retiring).holes_closed == 1
        await applying
    assert await fetch(pipe.dsn, "SELECT seq_from, closed_why FROM hole") == [(2, WHY)]


async def _waiting(pipe: Pipe, sessions: int) -> bool:
    return await waiting_for_locks(pipe.dsn) == sessions


async def test_metrics_tell_the_states_and_who_is_missing(pipe: Pipe) -> None:
    """An import is no redirector; a clock ahead is told; without any journal nothing is complete."""
    metrics = AggregatorMetrics()
    measure = JournalMeasure(JournalStore(pipe.pool), metrics.journals, MINUTE, redirectors_expected=3)

    def told(name: str, **labels: str) -> float | None:
        return metrics.registry.get_sample_value(f"advolink_{name}", labels)

    await measure.refresh()
    assert str(told("complete_through_timestamp_seconds")) == "nan"
    assert told("redirectors_missing") == 3
    pens = await _stock(pipe)
    imported = _pen(0)
    await pipe.take(imported.write(Heartbeat()))
    await fetch(
        pipe.dsn,
        "INSERT INTO click_import (journal, sha256, format, line_count, taken, captured_at)"
        " VALUES ($1, $2, 'bitly', 0, '', now())",
        *(imported.journal, imported.journal * 4),
    )
    await measure.refresh()
    states = {state: told("journals", state=state) for state in ("live", "silent", "sealed", "retired")}
    assert states == {"live": 2, "silent": 1, "sealed": 1, "retired": 1}
    assert told("complete_through_timestamp_seconds") == pens["silent"].first_capture.timestamp()
    assert (told("redirectors_missing"), told("journal_clock_ahead_seconds")) == (2, 0)
    await pipe.take(_pen(-60).write(Heartbeat()))
    await measure.refresh()
    assert told("redirectors_missing") == 1
    assert 3500 < (told("journal_clock_ahead_seconds") or 0) < 3601


async def test_a_running_aggregator_goes_by_its_settings(pipe: Pipe) -> None:
    """From when on a journal is silent, and how many redirectors there are to be; in answers and metrics alike."""
    await pipe.take(_pen(5).write(Heartbeat()))
    key = await KeyStore(pipe.pool).create("test", [Scope.STATS_READ])
    for silent_after, state, missing in (("PT1M", "silent", 2), ("PT1H", "live", 1)):
        settings = AggregatorSettings.model_validate(
            {"ADVOLINK_POSTGRES_DSN": pipe.dsn, "silent_after": silent_after, "redirectors_expected": 2}
        )
        async with running(settings, Failures()) as service, asked(service.public, key) as api:
            answer = (await api.get("/v1/journals")).json()
            assert [row["state"] for row in answer["rows"]] == [state]
            assert [held["state"] for held in answer["held_back_by"]] == (["silent"] if state == "silent" else [])
            await service.refresh_metrics()
            assert service.registry.get_sample_value("advolink_journals", {"state": state}) == 1
            assert service.registry.get_sample_value("advolink_redirectors_missing") == missing


async def test_retiring_waits_in_a_queue_and_not_in_a_circle(pipe: Pipe) -> None:
    """With an aggregator that gives its partitions back meanwhile, in whichever order they lie in the table."""
    pen = _pen(60, partition=2)
    for number in (2, 1, 0):
        await pipe.store().claim(Stream.CLICKS, Partition(number))
    await pipe.take(pen.write(Heartbeat()), partition=2)
    leases = LeaseStore(pipe.pool, "the aggregator", timedelta(minutes=1))
    async with session(pipe.dsn) as other:
        async with other.transaction():
            await other.execute("SELECT FROM partition_offset WHERE partition = 1 FOR UPDATE")
            both = [
                asyncio.create_task(leases.resign()),
                asyncio.create_task(JournalStore(pipe.pool).retire(pen.journal, WHY, force=False)),
            ]
            await eventually_async(lambda: _waiting(pipe, 2))
        await asyncio.gather(*both)
    assert await fetch(pipe.dsn, "SELECT count(owner) FROM partition_offset") == [(0,)]
    assert await fetch(pipe.dsn, RETIRED) == [(pen.journal, WHY)]
