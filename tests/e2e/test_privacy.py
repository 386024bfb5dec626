"""No address is stored (guarantee 8): a thousand clients click, and no disk holds any of their addresses afterwards.

Nor what customers are called: here by addresses, which the same search finds.
"""

import http.client
import itertools
from collections.abc import Iterator
from contextlib import closing
from http import HTTPStatus
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Final

import httpx2
import orjson
import pytest

from event_log.settings import EventLogKind
from local.postgres.home import ROOTS_HOMES
from stage.api import Api
from stage.conversions import CONVERSION
from stage.events import BROWSER
from stage.known_addresses import IPV4, IPV6, PEERS, Address, found_below, found_in, some
from stage.sql import fetch
from stage.up import Up, data_directory, started_up
from stage.waiting import eventually

pytestmark = pytest.mark.timeout(280)

PLANTED: Final = ip_address("198.18.255.254")
"""Not a client's: it stands in a user agent, which is kept. Where it is not found, the others would not be either."""

TRUSTED: Final = {"ADVOLINK_REDIRECTOR_TRUSTED_PROXIES": '["127.0.0.1"]'}
STRANGE_METHODS: Final = ("GET", "GET", "GET", "HEAD")

PEER_ADDRESSES: Final = some(PEERS, 150, seed=1)
IPV4_ADDRESSES: Final = some(IPV4, 450, seed=2)
IPV6_ADDRESSES: Final = some(IPV6, 300, seed=3)
CUSTOMERS: Final = [*some(IPV4, 30, seed=6), *some(IPV6, 30, seed=7)]
SPOOFED_ADDRESSES: Final = [*some(IPV4, 50, seed=4), *some(IPV6, 50, seed=5)]


def forwarded() -> Iterator[str]:
    """What a trusted proxy says of each client: in every spelling, after what the client claimed."""
    spoofed = itertools.cycle(SPOOFED_ADDRESSES)
    spelt = itertools.cycle(["{0}", "{0}:51234", "::ffff:{0}", "[::ffff:{0}]:443"])
    for address in IPV4_ADDRESSES:
        yield f"{next(spoofed)}, {next(spelt).format(address)}"
    for address, spelling in zip(
        IPV6_ADDRESSES, itertools.cycle(["{0}", "[{0}]:443", "{0}%eth0", "{1}"]), strict=False
    ):
        yield f"unknown,{next(spoofed)},{spelling.format(address, address.exploded.upper())}"


def click(connection: http.client.HTTPConnection, method: str, path: str, headers: dict[str, str]) -> int:
    connection.request(method, path, headers={"User-Agent": BROWSER, **headers})
    answer = connection.getresponse()
    answer.read()
    return answer.status


def connected(up: Up, source: Address | None = None) -> http.client.HTTPConnection:
    port = int(up.content["redirector"].rsplit(":", 1)[1])
    return http.client.HTTPConnection(
        "127.0.0.1", port, timeout=20, source_address=(str(source), 0) if source else None
    )


def click_as_everybody(up: Up, code: str) -> int:
    """Each known client clicks once, by GET or HEAD; the number of clicks."""
    methods = itertools.cycle(STRANGE_METHODS)
    for peer in PEER_ADDRESSES:
        with closing(connected(up, peer)) as connection:
            headers = {"X-Forwarded-For": str(SPOOFED_ADDRESSES[0]), "X-Real-IP": str(peer)}
            assert click(connection, next(methods), f"/{code}", headers) == HTTPStatus.FOUND
    with closing(connected(up)) as connection:
        for said in forwarded():
            headers = {"X-Forwarded-For": said, "Forwarded": f"for={said}", "Via": f"1.1 {said}"}
            assert click(connection, next(methods), f"/{code}", headers) == HTTPStatus.FOUND
    return len(PEER_ADDRESSES) + len(IPV4_ADDRESSES) + len(IPV6_ADDRESSES)


def make_it_complain(up: Up, code: str) -> None:
    """Requests that are refused, from known clients: whatever is logged of them, their addresses are not in it."""
    for number, peer in enumerate(PEER_ADDRESSES[:20]):
        with closing(connected(up, peer)) as connection:
            said = {"X-Forwarded-For": f"{IPV4_ADDRESSES[number]}, \xff{IPV6_ADDRESSES[number]}"}
            for method, path in (("GET", "/unknown1"), ("GET", "/a%20b"), ("DELETE", f"/{code}"), ("GET", "/v1/links")):
                assert click(connection, method, path, said) >= HTTPStatus.BAD_REQUEST
            connection.request("POST", "/v1/links", b"{", {"Authorization": "Bearer nonsense", **said})
            assert connection.getresponse().status >= HTTPStatus.BAD_REQUEST
        with closing(connected(up, peer)) as connection:
            connection.connect()
            connection.sock.sendall(b"rubbish from %b\r\n\r\n" % str(peer).encode())
            connection.sock.recv(1_000)
    with closing(connected(up)) as connection:
        for hostile in ("unknown", f"{IPV4_ADDRESSES[0]}, unknown", f"{IPV4_ADDRESSES[0]}x", "," * 5_000):
            assert click(connection, "GET", f"/{code}", {"X-Forwarded-For": hostile}) == HTTPStatus.FOUND


HOSTILE_CLICKS: Final = 4


def report_customers(api: Api) -> None:
    """Each known customer converts; some of what is reported of them is refused."""
    rows = [
        CONVERSION | {"external_id": f"A-{number}", "customer_id": str(customer)}
        for number, customer in enumerate(CUSTOMERS)
    ]
    for row in rows[:10]:
        assert api.redirector.post("/v1/conversions", json=row).status_code == HTTPStatus.ACCEPTED
    told = api.redirector.post("/v1/conversions", json={"rows": [*rows[10:], rows[0] | {"time": "soon"}]}).json()[
        "rows"
    ]
    assert [row["status"] for row in told] == ["received"] * (len(rows) - 10) + ["invalid"]
    customer = str(CUSTOMERS[0])
    for body in (rows[0] | {"click_ids": [customer]}, {"customer_id": customer}, rows[0] | {customer: 1}):
        assert api.redirector.post("/v1/conversions", json=body).status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    broken = f'{{"customer_id": "{customer}"'
    assert api.redirector.post("/v1/conversions", content=broken).status_code >= HTTPStatus.BAD_REQUEST


def salt_is_shared(up: Up) -> bool:
    metrics = httpx2.get(f"{up.content['redirector_management']}/metrics", timeout=5).text
    return "advolink_visitor_salt_local 0.0" in metrics


@pytest.fixture(params=[EventLogKind.POSTGRES, EventLogKind.KAFKA])
def kind(request: pytest.FixtureRequest) -> EventLogKind:
    chosen = EventLogKind(request.param)
    if chosen is EventLogKind.KAFKA:
        request.getfixturevalue("kafka_broker")  # skips where there can be none
    return chosen


async def test_no_address_is_on_any_disk(tmp_path: Path, kind: EventLogKind) -> None:
    """Journals, salts, Postgres with its write-ahead log, Kafka and every log file, as text, in hexadecimal and packed.

    All clients were told apart all the same. What was planted is found wherever clicks are.
    """
    with data_directory(tmp_path) as directory:
        with started_up(directory, f"--log={kind}", environment=TRUSTED) as up:
            up.until_up()
            with closing(Api(up)) as api:
                eventually(lambda: salt_is_shared(up), what="visitors are told apart by a shared salt")
                api.redirector.put("/v1/advocates/ada", json={}).raise_for_status()
                code = api.issue({"advocate_id": "ada", "destination": "https://example.com/"})["code"]
                clicks = click_as_everybody(up, code)
                make_it_complain(up, code)
                report_customers(api)
                with closing(connected(up)) as connection:
                    planted = {"User-Agent": f"planted {PLANTED}", "X-Forwarded-For": str(IPV4_ADDRESSES[0])}
                    assert click(connection, "GET", f"/{code}", planted) == HTTPStatus.FOUND
                api.caught_up()
            rows = await fetch(
                up.content["postgres_dsn"],
                "SELECT count(*), count(visitor), count(DISTINCT visitor), bool_or(visitor_local),"
                " count(*) FILTER (WHERE networks = '{unresolved}') FROM click",
            )
            assert tuple(rows[0]) == (clicks + HOSTILE_CLICKS + 1, clicks + 1, clicks + 1, False, HOSTILE_CLICKS)
            told_apart = await fetch(up.content["postgres_dsn"], "SELECT count(DISTINCT customer) FROM conversion")
            assert told_apart[0][0] == len(CUSTOMERS)
            assert up.stop() == 0
            assert "Invalid HTTP request received" in up.log("redirector")  # it has complained
            assert "and comes from no trusted proxy" in up.log("redirector")
        places = {path.name: path for path in directory.iterdir() if path.is_dir()}
        token = directory / "postgres" / "token"
        if token.exists():
            places["postgres"] = ROOTS_HOMES / token.read_text(encoding="utf-8").strip()
        found = found_below(places, only_text=frozenset({"logs"}))
        with_clicks = {"journals", "postgres"} | ({"kafka"} if kind is EventLogKind.KAFKA else set())
        assert found == {PLANTED: with_clicks}


@pytest.mark.parametrize("address", [PLANTED, *PEER_ADDRESSES[:3], *IPV4_ADDRESSES[:3], *IPV6_ADDRESSES[:3]])
def test_the_search_finds_an_address_in_every_spelling(address: Address) -> None:
    """Else its finding none would say nothing."""
    mapped = bytes(10) + b"\xff\xff" + address.packed
    spelt = [
        f"from {address}, port 80".encode(),
        f"[{address}]:443".encode(),
        f"[{address.exploded.upper()}]".encode(),
        f"\\x{address.packed.hex()} ".encode(),
        orjson.dumps({"address": str(address)}),
    ]
    match address:
        case IPv4Address():
            spelt += [f"::ffff:{address}".encode(), mapped, mapped.hex().encode(), b"\x02\x20" + address.packed]
        case IPv6Address():
            spelt += [b"xyz" + address.packed + b"xyz", f"{address}%eth0".encode()]
    for content in spelt:
        assert set(found_in(content, only_text=False)) == {address}, content
    assert address in found_in(b"xyz" + address.packed, only_text=True)
