"""Rates are set all or none, are listed with those that are missing, and are read from files."""

import asyncio
from datetime import date
from decimal import Decimal
from typing import Any

import httpx2
import pytest

from aggregator.rates.store import BEFORE_THE_FIRST, RateKey, RateStore
from link_events.identity import Currency
from stage.asking import fields_at_fault
from stage.pipe import Pipe
from stage.sql import execute, fetch, session, waiting_for_locks
from stage.waiting import eventually_async

SEK = {"currency": "SEK", "valid_from": "2026-01-01", "rate": "0.0871"}
STORED = "SELECT base, currency, valid_from, rate FROM rate ORDER BY base, currency, valid_from"
NO_RATES: list[tuple[dict[str, Any], str]] = [
    ({"currency": "EUR"}, "rows/1/currency"),
    ({"currency": "XYZ"}, "rows/1/currency"),
    ({"currency": "sek"}, "rows/1/currency"),
    ({"rate": "0"}, "rows/1/rate"),
    ({"rate": "-1"}, "rows/1/rate"),
    ({"rate": "1e3"}, "rows/1/rate"),
    ({"rate": "1\n"}, "rows/1/rate"),
    ({"rate": "1.1234567890123"}, "rows/1/rate"),
    ({"rate": "1234567890123"}, "rows/1/rate"),
    ({"rate": 0.0871}, "rows/1/rate"),
    ({"valid_from": "2026-02-30"}, "rows/1/valid_from"),
    ({"valid_from": "2026-01-01T00:00:00Z"}, "rows/1/valid_from"),
    ({"valid_to": "2026-01-01"}, "rows/1/valid_to"),
    ({"currency": "SEK"}, "rows/1"),
]
MARKED = "SELECT external_id FROM conversion_mark JOIN conversion USING (conversion_id) ORDER BY external_id"
CONVERSIONS = """
    INSERT INTO conversion (
        source, kind, external_id, partition, journal, seq, log_offset, via, occurred_at, local_day, logged_at,
        names_clicks, value_minor, currency, test, state
    )
    SELECT 'shop', 'sale', currency || ' ' || day, 0, '\\x00', row_number() OVER (), 0, 'api', day, day, day, true, 100,
        currency, false, state
    FROM (VALUES
        ('SEK', '2025-12-31'::date, 'unknown_currency'), ('SEK', '2026-01-01', 'unknown_currency'),
        ('SEK', '2026-01-02', 'credited'), ('USD', '2026-01-01', 'unknown_currency')
    ) AS stored (currency, day, state)
"""


async def _put(api: httpx2.AsyncClient, *rows: dict[str, str]) -> httpx2.Response:
    return await api.put("/v1/rates", json={"rows": list(rows)})


async def _listed(api: httpx2.AsyncClient, **params: str) -> dict[str, Any]:
    answer = await api.get("/v1/rates", params=params)
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    return page


async def test_rates_are_set_and_listed_in_order(admin: httpx2.AsyncClient) -> None:
    """As they were written, and a later answer replaces an earlier one of the same day."""
    later = {**SEK, "valid_from": "2026-02-01", "rate": "0.1"}
    dollar = {"currency": "USD", "valid_from": "2026-01-01", "rate": "0.931234567891"}
    assert (await _put(admin, dollar, later, SEK)).json() == {"base": "EUR", "changed": 3}
    assert (await _put(admin, SEK, {**later, "rate": "000.2"})).json() == {"base": "EUR", "changed": 1}
    page = await _listed(admin)
    assert [{name: row[name] for name in SEK} for row in page["rows"]] == [SEK, {**later, "rate": "0.2"}, dollar]
    assert (page["base"], page["missing"], page["next_cursor"]) == ("EUR", [], None)
    assert [row["currency"] for row in (await _listed(admin, currency="USD"))["rows"]] == ["USD"]


async def test_a_long_list_is_read_page_by_page(admin: httpx2.AsyncClient) -> None:
    rows = [
        {**SEK, "currency": code, "valid_from": f"2026-01-{day:02}"} for code in ("CHF", "SEK") for day in (1, 2, 3)
    ]
    await _put(admin, *rows)
    read: list[tuple[str, str]] = []
    path = "/v1/rates?limit=2"
    while path:
        answer = await admin.get(path)
        page = answer.json()
        read += [(row["currency"], row["valid_from"]) for row in page["rows"]]
        path = answer.headers["link"].split(">")[0][1:] if page["next_cursor"] else ""
    assert read == [(row["currency"], row["valid_from"]) for row in rows]


async def test_one_rate_that_is_none_keeps_all_out(pipe: Pipe, admin: httpx2.AsyncClient) -> None:
    """Its place is named: an own currency, an unknown one, what is no number, what is no day, and the same again."""
    for change, field in NO_RATES:
        answer = await _put(admin, SEK, {**SEK, "currency": "USD", **change})
        assert (answer.status_code, fields_at_fault(answer)) == (422, [field]), change
        assert await fetch(pipe.dsn, STORED) == [], change


@pytest.mark.parametrize("cursor", ["x", "WyJTRUsiXQ", "WyJTRUsiLCJ4Il0"])
async def test_a_cursor_of_another_list_is_refused(admin: httpx2.AsyncClient, cursor: str) -> None:
    answer = await admin.get("/v1/rates", params={"cursor": cursor})
    assert (answer.status_code, fields_at_fault(answer)) == (422, ["query/cursor"])


async def test_only_an_admin_sets_rates(stats: httpx2.AsyncClient) -> None:
    assert (await _put(stats, SEK)).status_code == 403
    assert (await _listed(stats))["rows"] == []


async def test_what_waits_for_a_rate_is_listed_by_currency(pipe: Pipe, stats: httpx2.AsyncClient) -> None:
    """With the first day that needs one."""
    await execute(pipe.dsn, CONVERSIONS)
    assert (await _listed(stats))["missing"] == [
        {"currency": "SEK", "first_day": "2025-12-31", "conversions": 2},
        {"currency": "USD", "first_day": "2026-01-01", "conversions": 1},
    ]


async def test_a_rate_marks_what_it_may_concern(pipe: Pipe, admin: httpx2.AsyncClient) -> None:
    """Conversions in its currency from its day on; once more only where it says something else."""
    await execute(pipe.dsn, CONVERSIONS)
    await _put(admin, SEK, {**SEK, "valid_from": "2026-01-02"})
    await _put(admin, SEK)
    assert await fetch(pipe.dsn, MARKED) == [("SEK 2026-01-01",), ("SEK 2026-01-02",)]
    await execute(pipe.dsn, "DELETE FROM conversion_mark")  # as if they had been looked at
    await _put(admin, SEK, {**SEK, "valid_from": "2026-01-02", "rate": "9"})
    assert await fetch(pipe.dsn, MARKED) == [("SEK 2026-01-02",)]


async def test_rates_wait_for_whoever_holds_the_programme(pipe: Pipe) -> None:
    """An attribution under way ends first, and marks are made before the next begins."""
    rates = RateStore(pipe.pool)
    key = RateKey(Currency("SEK"), date(2026, 1, 1))
    async with session(pipe.dsn) as attributing, attributing.transaction():
        await attributing.execute("SELECT FROM programme FOR SHARE")
        setting = asyncio.create_task(rates.set_all({key: Decimal("0.0871")}))
        await eventually_async(lambda: waiting_for_locks(pipe.dsn), what="the rates wait")
        assert await fetch(pipe.dsn, STORED) == []
    assert (await setting).changed == 1
    assert (await rates.page(BEFORE_THE_FIRST, None, 10)).rows[0].rate == Decimal("0.0871")


async def test_rates_into_another_currency_are_others(pipe: Pipe, admin: httpx2.AsyncClient) -> None:
    """A programme that changes its currency has none yet, and finds its own again when it changes back."""
    await _put(admin, SEK)
    await admin.put("/v1/programme", json={"currency": "USD"})
    page = await _listed(admin)
    assert (page["base"], page["rows"]) == ("USD", [])
    await admin.put("/v1/programme", json={"currency": "EUR"})
    assert [row["rate"] for row in (await _listed(admin))["rows"]] == ["0.0871"]
