"""Conversions that browsers report, by beacon and by pixel: anybody may, within bounds, and no key is asked for."""

import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import httpx2
import orjson
import pytest
import pytest_asyncio

from database.keys import Scope, create_key
from link_events.events import TOUCHES_MAX, Conversion
from link_events.identity import ConversionKey, EventId
from link_events.reasons import Via
from redirector.routes.browsers import BEACON_BYTES_MAX, BROWSER_TOUCHES_MAX, PIXEL
from stage.click_ids import issued_under
from stage.conversions import click_id_of, facts_in
from stage.journals import append_until_full
from stage.proxy import proxied
from stage.redirectors import RunningRedirector, running_redirector
from stage.sql import execute
from stage.waiting import eventually_async

pytestmark = pytest.mark.asyncio(loop_scope="module")

SHOP: Final = "https://shop.example.com"
SALE: Final[dict[str, Any]] = {"source": "shop", "kind": "sale", "external_id": "A-1001"}
KEY: Final = ConversionKey("shop", "sale", "A-1001")
MONEY: Final[dict[str, Any]] = {"value_minor": 4990, "currency": "EUR"}
FORGED: Final = "A" * 40
MEBIBYTE: Final = 2**20
AWAY: Final = "postgresql://127.0.0.1:1/nowhere"
SILENT: Final[dict[str, Any]] = {"heartbeat_interval": timedelta(hours=1)}
NAME_THE_SHOP: Final = "UPDATE programme SET browser_origins = '{https://shop.example.com}'"
ROTATE: Final = "INSERT INTO signing_key (key_id, generation, secret) VALUES (1, 1, repeat('s', 32)::bytea)"
TAKE_MONEY: Final = "UPDATE programme SET browser_money = true"
OTHER_WINDOWS: Final = """
    UPDATE programme SET click_id_name = 'ref', attribution_windows_s = '{"lead": 60, "sale": 7776000}'
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def module_redirector(
    module_dsn: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[RunningRedirector]:
    """One whose programme names the shop."""
    await execute(module_dsn, NAME_THE_SHOP)
    key = await create_key(module_dsn, name="test", scopes=[Scope.ADMIN])
    journals = tmp_path_factory.mktemp("journals")
    async with running_redirector(module_dsn, journals, key, **SILENT, browser_conversions_burst=10_000) as one:
        yield one


@pytest_asyncio.fixture(loop_scope="module")
async def click_id(shared: RunningRedirector) -> str:
    """The id of a click."""
    return await click_id_of(shared, (await shared.issue())["code"])


@pytest.fixture
def journaled(shared: RunningRedirector) -> Callable[[], list[Conversion]]:
    """What was reported and journaled since the test began."""
    before = facts_in(shared).keys()

    def reported() -> list[Conversion]:
        new = [event.data for event_id, event in facts_in(shared).items() if event_id not in before]
        return [data for data in new if isinstance(data, Conversion)]

    return reported


async def beacon(
    redirector: RunningRedirector, report: Mapping[str, Any], origin: str | None = SHOP, **headers: str
) -> httpx2.Response:
    """What is answered to what a browser sends for track.js, to whom no key was given."""
    if origin is not None:
        headers["origin"] = origin
    sent = {"content-type": "text/plain;charset=UTF-8", **headers}
    return await redirector.client.post("/v1/beacon", content=orjson.dumps(report), headers=sent)


async def pixel(
    redirector: RunningRedirector, click_ids: Sequence[str], referrer: str | None = f"{SHOP}/thanks", **query: Any
) -> httpx2.Response:
    """What is answered to a browser that loads the picture."""
    params = {**SALE, "click_id": list(click_ids), **query}
    headers = {} if referrer is None else {"referer": referrer}
    return await redirector.client.get("/v1/pixel.gif", params=params, headers=headers)


def conversions_in(redirector: RunningRedirector) -> list[Conversion]:
    """The conversions in its journal."""
    return [event.data for event in facts_in(redirector).values() if isinstance(event.data, Conversion)]


def problem(answer: httpx2.Response) -> tuple[int, str, list[str]]:
    """What is wrong: status, kind, and the fields that are named."""
    told = answer.json()
    return answer.status_code, told["type"].rpartition(":")[2], [error["field"] for error in told.get("errors", [])]


async def test_a_beacon_is_journaled_before_it_is_answered(shared: RunningRedirector, click_id: str) -> None:
    """As of its arrival, with the clicks that it names and nothing else of whoever sent it."""
    before = datetime.now(UTC)
    answer = await beacon(shared, SALE | {"click_ids": [click_id, click_id]})
    assert answer.status_code == HTTPStatus.ACCEPTED
    assert answer.json()["status"] == "received"
    event = facts_in(shared)[EventId(answer.json()["event_id"])]
    conversion = event.data
    assert isinstance(conversion, Conversion)
    assert (conversion.key, conversion.via, conversion.customer, conversion.test) == (KEY, Via.SCRIPT, None, False)
    assert len(conversion.touches) == 1
    assert before <= conversion.occurred_at <= datetime.now(UTC)


async def test_a_pixel_is_a_picture_and_a_conversion(
    shared: RunningRedirector, click_id: str, journaled: Callable[[], list[Conversion]]
) -> None:
    """Whatever a page has added to its address against caches."""
    answer = await pixel(shared, [click_id], nocache="123")
    assert (answer.status_code, answer.headers["content-type"], answer.content) == (200, "image/gif", PIXEL)
    assert "no-store" in answer.headers["cache-control"]
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    (conversion,) = journaled()
    assert (conversion.key, conversion.via, len(conversion.touches)) == (KEY, Via.PIXEL, 1)


async def test_a_picture_names_several_clicks(
    shared: RunningRedirector, click_id: str, journaled: Callable[[], list[Conversion]]
) -> None:
    code = (await shared.issue())["code"]
    await pixel(shared, [click_id, await click_id_of(shared, code)])
    (conversion,) = journaled()
    assert len(conversion.touches) == 2


@pytest.mark.parametrize(
    "origin", [None, "null", "https://evil.example", "http://shop.example.com", f"{SHOP}:8443", f"{SHOP}.evil.example"]
)
async def test_a_page_that_the_programme_does_not_name_is_refused(
    shared: RunningRedirector, click_id: str, origin: str | None, journaled: Callable[[], list[Conversion]]
) -> None:
    """By its origin to the letter; a picture's page says it in its address."""
    answer = await beacon(shared, SALE | {"click_ids": [click_id]}, origin)
    assert problem(answer) == (403, "origin-not-allowed", [])
    picture = await pixel(shared, [click_id], origin and f"{origin}/x")
    assert (picture.status_code, picture.content) == (403, PIXEL)
    assert not journaled()


async def test_a_beacon_is_told_by_its_origin_alone(shared: RunningRedirector, click_id: str) -> None:
    """Browsers send it with every beacon, so an address is no substitute."""
    answer = await beacon(shared, SALE | {"click_ids": [click_id]}, None, referer=f"{SHOP}/")
    assert answer.status_code == HTTPStatus.FORBIDDEN


async def test_nobody_may_until_the_programme_names_a_page(database_dsn: str, journals: Path, key: str) -> None:
    """And within seconds of it everybody there."""
    async with running_redirector(database_dsn, journals, key, **SILENT) as one:
        click = await click_id_of(one, (await one.issue())["code"])

        async def is_taken() -> bool:
            return (await beacon(one, SALE | {"click_ids": [click]})).is_success

        assert not await is_taken()
        await execute(database_dsn, NAME_THE_SHOP)
        await eventually_async(is_taken, what="the programme is followed")


async def test_ids_that_are_not_ours_are_left_out(
    shared: RunningRedirector, click_id: str, journaled: Callable[[], list[Conversion]]
) -> None:
    """They lie in a browser, where nobody takes them out: they spoil no other."""
    for ids in ([FORGED, click_id, "rubbish"], [click_id, "\N{PILE OF POO}", ""]):
        assert (await beacon(shared, SALE | {"click_ids": ids})).is_success
        assert len(journaled()[-1].touches) == 1


@pytest.mark.parametrize("ids", [[FORGED], ["rubbish"], [""], [FORGED, "rubbish"], [FORGED] * BROWSER_TOUCHES_MAX])
async def test_where_no_id_is_ours_nothing_is_taken(
    shared: RunningRedirector, ids: list[str], journaled: Callable[[], list[Conversion]]
) -> None:
    assert problem(await beacon(shared, SALE | {"click_ids": ids})) == (422, "bad-signature", [])
    picture = await pixel(shared, ids)
    assert (picture.status_code, picture.content) == (422, PIXEL)
    assert not journaled()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"source": "a/b"}, "source"),
        ({"kind": ""}, "kind"),
        ({"external_id": "a\nb"}, "external_id"),
        ({"external_id": "x" * 201}, "external_id"),
        ({"external_id": 7}, "external_id"),
        ({"click_ids": []}, "click_ids"),
        ({"click_ids": [FORGED] * (BROWSER_TOUCHES_MAX + 1)}, "click_ids"),
        ({"click_ids": [7]}, "click_ids/0"),
        ({"customer_id": "ada@example.com"}, "customer_id"),
        ({"time": "2026-01-01T00:00:00Z"}, "time"),
        ({"test": True}, "test"),
        (MONEY, "value_minor"),
    ],
    ids=lambda part: "+".join(part) if isinstance(part, dict) else "",
)
async def test_a_field_that_is_wrong_or_none_of_a_browsers_is_named(
    shared: RunningRedirector,
    click_id: str,
    change: dict[str, Any],
    field: str,
    journaled: Callable[[], list[Conversion]],
) -> None:
    """What a browser says is anybody's word: it tells no time, no customer, and money only where it is allowed to."""
    assert BROWSER_TOUCHES_MAX < TOUCHES_MAX
    answer = await beacon(shared, SALE | {"click_ids": [click_id]} | change)
    assert problem(answer) == (422, "invalid-field", [field])
    assert not journaled()


@pytest.mark.parametrize("missing", ["source", "kind", "external_id", "click_id"])
async def test_a_picture_without_what_it_needs_is_a_picture_all_the_same(
    shared: RunningRedirector, click_id: str, missing: str
) -> None:
    params = {name: value for name, value in {**SALE, "click_id": click_id}.items() if name != missing}
    answer = await shared.client.get("/v1/pixel.gif", params=params, headers={"referer": f"{SHOP}/"})
    assert (answer.status_code, answer.content) == (422, PIXEL)


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        (b"", 400, "not-json"),
        (b"{", 400, "not-json"),
        (b"\xff", 400, "not-json"),
        (b"[]", 422, "invalid-field"),
        (b"7", 422, "invalid-field"),
        (b" " * (BEACON_BYTES_MAX + 1), 413, "body-too-large"),
    ],
    ids=["nothing", "half", "no text", "a list", "a number", "too much"],
)
async def test_a_body_that_is_no_report_is_refused(
    shared: RunningRedirector, body: bytes, status: int, kind: str
) -> None:
    answer = await shared.client.post("/v1/beacon", content=body, headers={"origin": SHOP})
    assert problem(answer)[:2] == (status, kind)


async def test_a_page_that_goes_away_while_it_reports_is_no_fault_of_ours(shared: RunningRedirector) -> None:
    """Pages do so all the time. It is counted as what else cannot be read, and fills no log."""
    before = await counted(shared)
    headers = [(b"origin", SHOP.encode()), (b"content-length", b"100")]
    scope = {"type": "http", "method": "POST", "path": "/v1/beacon", "query_string": b"", "headers": headers}
    received: list[dict[str, Any]] = [
        {"type": "http.request", "body": b"{", "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> dict[str, Any]:
        return received.pop(0)

    async def send(_answer: Any) -> None:
        """Nobody is there any more."""

    await shared.service.public(scope, receive, send)
    assert await counted(shared) - before == Counter({("script", 400): 1})


async def test_money_is_taken_where_the_programme_allows_it(database_dsn: str, journals: Path, key: str) -> None:
    """In a currency, and in whole minor units; from pictures, too."""
    await execute(database_dsn, NAME_THE_SHOP)
    await execute(database_dsn, TAKE_MONEY)
    async with running_redirector(database_dsn, journals, key, **SILENT) as one:
        click = await click_id_of(one, (await one.issue())["code"])
        assert (await beacon(one, SALE | MONEY | {"click_ids": [click]})).is_success
        assert (await pixel(one, [click], **MONEY)).is_success
        assert [(told.value_minor, told.currency) for told in conversions_in(one)] == [(4990, "EUR")] * 2
        for wrong, field in (
            ({"value_minor": 4990}, "currency"),
            ({"currency": "EUR"}, "value_minor"),
            (MONEY | {"currency": "XXX"}, "currency"),
            (MONEY | {"value_minor": -1}, "value_minor"),
            (MONEY | {"value_minor": "4990"}, "value_minor"),
            (MONEY | {"value_minor": 49.9}, "value_minor"),
        ):
            answer = await beacon(one, SALE | wrong | {"click_ids": [click]})
            assert problem(answer) == (422, "invalid-field", [field])
        assert (await pixel(one, [click], value_minor="49.90", currency="EUR")).status_code == 422


async def test_a_network_that_reports_too_much_is_limited_and_no_other(
    database_dsn: str, journals: Path, key: str
) -> None:
    """Beacons and pixels together; what servers report, and what they redirect, goes on."""
    await execute(database_dsn, NAME_THE_SHOP)
    settings = {"browser_conversions_burst": 3, "trusted_proxies": ["127.0.0.1"]}
    async with running_redirector(database_dsn, journals, key, **SILENT, **settings) as one:
        code = (await one.issue())["code"]
        report = SALE | {"click_ids": [await click_id_of(one, code)]}
        busy, other = {"x-forwarded-for": "203.0.113.7"}, {"x-forwarded-for": "198.51.100.7"}
        neighbour = {"x-forwarded-for": "203.0.113.200"}
        statuses = [(await beacon(one, report, **busy)).status_code for _ in range(3)]
        assert statuses == [HTTPStatus.ACCEPTED] * 3
        answer = await beacon(one, report, **neighbour)
        assert problem(answer)[:2] == (429, "rate-limited")
        assert answer.headers["ratelimit-policy"].startswith('"browser-conversions";')
        assert int(answer.headers["retry-after"]) >= 1
        picture = await one.client.get("/v1/pixel.gif", headers={"referer": f"{SHOP}/", **neighbour})
        assert (picture.status_code, picture.content) == (429, PIXEL)
        assert "retry-after" in picture.headers
        assert (await beacon(one, report, **other)).is_success
        assert (await one.click(code, headers=busy)).status_code == HTTPStatus.FOUND
        row = SALE | {"time": datetime.now(UTC).isoformat(), "click_ids": report["click_ids"]}
        assert (await one.ask("POST", "/v1/conversions", json=row, headers=busy)).is_success


async def test_foreign_pages_cost_a_network_nothing(database_dsn: str, journals: Path, key: str) -> None:
    """Nobody is kept from reporting by what other pages send."""
    await execute(database_dsn, NAME_THE_SHOP)
    async with running_redirector(database_dsn, journals, key, **SILENT, browser_conversions_burst=1) as one:
        report = SALE | {"click_ids": [await click_id_of(one, (await one.issue())["code"])]}
        for _ in range(5):
            await beacon(one, report, "https://evil.example")
        assert (await beacon(one, report)).is_success


async def test_a_start_without_postgres_takes_what_browsers_report(database_dsn: str, journals: Path, key: str) -> None:
    """Pages and signing keys are known from the disk, and no key of the API is asked for."""
    await execute(database_dsn, NAME_THE_SHOP)
    async with running_redirector(database_dsn, journals, key, **SILENT) as one:
        report = SALE | {"click_ids": [await click_id_of(one, (await one.issue())["code"])]}
    async with running_redirector(AWAY, journals, key, **SILENT) as one:
        assert (await beacon(one, report)).is_success
        assert len(conversions_in(one)) == 1


async def test_a_full_journal_takes_no_report(database_dsn: str, journals: Path, key: str) -> None:
    """Whatever the policy for redirects is; the picture is one all the same."""
    await execute(database_dsn, NAME_THE_SHOP)
    sizes = {"journal_segment_bytes": MEBIBYTE, "journal_bytes_max": 5 * MEBIBYTE, "drain_seconds": 0.2}
    async with running_redirector(database_dsn, journals, key, **SILENT, **sizes) as one:
        click = await click_id_of(one, (await one.issue())["code"])
        for size in (60_000, 1_000, 300):
            await append_until_full(one.service.own.journal, "x" * size)
        end = one.service.own.journal.end
        answer = await beacon(one, SALE | {"click_ids": [click]})
        assert problem(answer)[:2] == (503, "journal-full")
        assert answer.headers["retry-after"] == "2"
        picture = await pixel(one, [click])
        assert (picture.status_code, picture.content) == (503, PIXEL)
        assert one.service.own.journal.end == end


async def test_an_id_that_may_be_under_a_new_key_is_asked_about_and_spoils_no_other(
    database_dsn: str, journals: Path, key: str
) -> None:
    """While Postgres cannot be asked it is left out where others are ours; where none is, nothing can be said yet."""
    await execute(database_dsn, NAME_THE_SHOP)
    unheard = issued_under(7, b"s" * 32)
    async with (
        proxied(database_dsn) as (way, dsn),
        running_redirector(dsn, journals, key, **SILENT, drain_seconds=0.2) as one,
    ):
        good = await click_id_of(one, (await one.issue())["code"])
        assert problem(await beacon(one, SALE | {"click_ids": [unheard]})) == (422, "bad-signature", [])
        await way.close()
        answer = await beacon(one, SALE | {"click_ids": [unheard]})
        assert problem(answer)[:2] == (503, "unavailable")
        assert answer.headers["retry-after"] == "2"
        assert (await beacon(one, SALE | {"click_ids": [unheard, good]})).is_success
        (conversion,) = conversions_in(one)
        assert len(conversion.touches) == 1


async def test_an_id_under_a_key_made_a_moment_ago_is_ours(database_dsn: str, journals: Path, key: str) -> None:
    """By a rotation that this redirector has not heard of."""
    await execute(database_dsn, NAME_THE_SHOP)
    async with running_redirector(database_dsn, journals, key, **SILENT) as one:
        await eventually_async(one.signs, what="there is a key")
        await execute(database_dsn, ROTATE)
        assert (await beacon(one, SALE | {"click_ids": [issued_under(1, b"s" * 32)]})).is_success


async def test_what_becomes_of_reports_is_counted(shared: RunningRedirector, click_id: str) -> None:
    before = await counted(shared)
    await beacon(shared, SALE | {"click_ids": [click_id]})
    await beacon(shared, SALE | {"click_ids": [click_id]}, "null")
    await pixel(shared, [FORGED])
    assert await counted(shared) - before == Counter({("script", 202): 1, ("script", 403): 1, ("pixel", 422): 1})


async def counted(redirector: RunningRedirector) -> Counter[tuple[str, int]]:
    """What the metric says: how many were reported how and answered with which status."""
    text = (await redirector.management.get("/metrics")).text
    samples = re.findall(r'^advolink_browser_reports_total\{status="(\d+)",via="(\w+)"\} (\S+)', text, re.MULTILINE)
    return Counter({(via, int(status)): int(float(count)) for status, via, count in samples})


async def test_the_script_is_kept_for_a_while_and_known_again(shared: RunningRedirector) -> None:
    """For pages of any origin, and of no use to search engines."""
    first = await shared.client.get("/v1/track.js")
    assert first.headers["content-type"].startswith("text/javascript")
    assert first.headers["cache-control"] == "public, max-age=300"
    assert first.headers["cross-origin-resource-policy"] == "cross-origin"
    assert first.headers["x-robots-tag"] == "noindex"
    again = await shared.client.get("/v1/track.js", headers={"if-none-match": f"W/{first.headers['etag']}"})
    assert (again.status_code, again.content) == (HTTPStatus.NOT_MODIFIED, b"")
    assert again.headers["etag"] == first.headers["etag"]


async def test_the_script_follows_the_programme(database_dsn: str, journals: Path, key: str) -> None:
    """It looks for ids under the name that redirects give them, and keeps them for the longest window of any kind."""
    async with running_redirector(database_dsn, journals, key, **SILENT) as one:
        script = (await one.client.get("/v1/track.js")).text
        assert script.endswith('("advolink_click_id",2592000000);\n')
        await execute(database_dsn, OTHER_WINDOWS)

        async def is_followed() -> bool:
            return (await one.client.get("/v1/track.js")).text.endswith('("ref",7776000000);\n')

        await eventually_async(is_followed, what="the script says what the programme says")
