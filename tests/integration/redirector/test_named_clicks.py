"""A conversion's click ids are checked where it is reported: by every key there is, also one made a moment ago."""

import asyncio
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import httpx2

from database.pool import open_pool
from database.signing_keys import SigningKeyStore
from link_events.signing import Keyring, SigningKeyId
from redirector.errors import KeyAwayError
from redirector.signing.checking import LOOKS_APART, ClickIdCheck
from redirector.signing.following import FollowedKeys
from stage.click_ids import issued_under
from stage.conversions import CONVERSION, click_id_of, event_ids
from stage.proxy import proxied
from stage.redirectors import RunningRedirector, running_redirector
from stage.waiting import eventually_async

ONE_BEAT: Final = timedelta(hours=1)
PATH: Final = "/v1/conversions"


def with_bit_flipped(click_id: str, bit: int) -> str:
    """The id, but for one bit of its thirty bytes."""
    value = bytearray(urlsafe_b64decode(click_id))
    value[bit // 8] ^= 1 << bit % 8
    return urlsafe_b64encode(value).decode()


@asynccontextmanager
async def signing_keys(dsn: str) -> AsyncIterator[SigningKeyStore]:
    """The keys, as another process changes them."""
    pool = await open_pool(dsn, connections_max=1, application="test")
    try:
        yield SigningKeyStore(pool)
    finally:
        pool.terminate()


def ring_of(redirector: RunningRedirector) -> Keyring:
    ring = redirector.service.keys.ring
    assert ring is not None
    return ring


async def report(redirector: RunningRedirector, *click_ids: str) -> httpx2.Response:
    return await redirector.ask("POST", PATH, json=CONVERSION | {"click_ids": click_ids})


def verdict(answer: httpx2.Response) -> tuple[str, str, str]:
    """What a single row was refused for: the problem, the field, the detail."""
    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY, answer.text
    (error,) = answer.json()["errors"]
    return answer.json()["type"].rpartition(":")[2], error["field"], error["detail"]


async def test_an_id_of_which_one_bit_is_another_is_none(redirector: RunningRedirector) -> None:
    """Whichever bit it is: a changed key id is of no key, anything else is forged. The row is refused as a whole."""
    good = await click_id_of(redirector, (await redirector.issue())["code"])
    assert event_ids(await report(redirector, good))
    bits = [*range(8, 240, 7), 239]
    rows: list[dict[str, Any]] = [{**CONVERSION, "click_ids": [good, with_bit_flipped(good, bit)]} for bit in bits]
    told = (await redirector.ask("POST", PATH, json={"rows": rows})).json()["rows"]
    refusal = {"status": "bad_signature", "field": "click_ids/1", "detail": "forged"}
    assert told == [refusal] * len(bits)
    assert verdict(await report(redirector, good, with_bit_flipped(good, 3))) == (
        "bad-signature",
        "click_ids/1",
        "unknown_key",
    )


async def test_a_text_that_has_not_the_shape_of_an_id_is_invalid(redirector: RunningRedirector) -> None:
    """As a template that nobody has filled in."""
    for text in ("", "x", "x" * 39, "x" * 41, "x" * 39 + "=", "x" * 39 + "\n", "ä" * 40, "{click_id}"):
        assert verdict(await report(redirector, text)) == ("invalid-field", "click_ids/0", "is no click id"), text


async def test_ids_under_older_keys_are_valid_until_these_are_retired(
    redirector: RunningRedirector, database_dsn: str
) -> None:
    code = (await redirector.issue())["code"]
    old = await click_id_of(redirector, code)
    async with signing_keys(database_dsn) as keys:
        await keys.rotate()
        await redirector.service.keys.look()
        new = await click_id_of(redirector, code)
        assert len(event_ids(await report(redirector, old, new))) == 1
        await keys.retire(SigningKeyId(0))
        await redirector.service.keys.look()
    assert verdict(await report(redirector, new, old)) == ("bad-signature", "click_ids/1", "retired_key")
    assert len(event_ids(await report(redirector, new))) == 1


async def test_an_id_under_a_key_made_a_moment_ago_is_valid_at_once(
    redirector: RunningRedirector, database_dsn: str
) -> None:
    """This redirector has not heard of the rotation: it asks, and also where it has just asked for nothing."""
    await eventually_async(redirector.signs, what="there is a key")
    assert verdict(await report(redirector, issued_under(7, b"s" * 32)))[2] == "unknown_key"
    async with signing_keys(database_dsn) as keys:
        await keys.rotate()
        ring = await keys.keyring()
    assert ring is not None
    assert len(event_ids(await report(redirector, issued_under(1, ring.secret)))) == 1


async def test_without_postgres_an_unknown_key_is_no_bad_signature(database_dsn: str, journals: Path, key: str) -> None:
    """It may be a new one: 503, and nothing of the request is journaled. What is known to be wrong is still told."""
    async with (
        proxied(database_dsn) as (way, dsn),
        running_redirector(dsn, journals, key, heartbeat_interval=ONE_BEAT, drain_seconds=0.2) as redirector,
    ):
        good = await click_id_of(redirector, (await redirector.issue())["code"])
        await report(redirector, good)
        await way.close()
        end = redirector.service.own.journal.end
        rows = [{**CONVERSION, "click_ids": [one]} for one in (good, issued_under(7, b"s" * 32))]
        for body in (rows[1], {"rows": rows}):
            answer = await redirector.ask("POST", PATH, json=body)
            assert answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE
            assert answer.json()["detail"].startswith("the signing key is away")
            assert answer.headers["retry-after"] == "2"
        assert await redirector.metric('advolink_reports_turned_away_total{why="key_away"}') == 2
        assert redirector.service.own.journal.end == end
        assert verdict(await report(redirector, with_bit_flipped(good, 100)))[2] == "forged"
        assert len(event_ids(await report(redirector, good))) == 1


async def test_where_no_key_was_ever_heard_of_ids_cannot_be_told(redirector: RunningRedirector) -> None:
    """Conversions without any are taken."""
    good = await click_id_of(redirector, (await redirector.issue())["code"])
    ring, redirector.service.keys.ring = ring_of(redirector), None
    assert (await report(redirector, good)).status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert len(event_ids(await report(redirector))) == 1
    redirector.service.keys.ring = ring
    assert len(event_ids(await report(redirector, good))) == 1


class CountedKeys(FollowedKeys):
    """Keys that never change, and how often they were asked for, and when."""

    def __init__(self) -> None:
        self.ring = Keyring(SigningKeyId(0), {SigningKeyId(0): b"k" * 32})
        self.looked_at_s: list[float] = []

    async def look(self) -> None:
        """Take a note."""
        self.looked_at_s.append(asyncio.get_running_loop().time())


async def test_ids_of_keys_that_never_were_cost_one_look_a_second() -> None:
    """However many there are at once: those who ask meanwhile wait for the next look together."""
    keys = CountedKeys()
    check = ClickIdCheck(keys, asyncio.get_running_loop().time)
    for _ in range(2):
        outcomes = await asyncio.gather(
            *(check.named([issued_under(9, b"s" * 32, seq)]) for seq in range(1, 200)), return_exceptions=True
        )
        assert {str(outcome).split()[-1] for outcome in outcomes} == {"unknown_key"}
    assert len(keys.looked_at_s) == 2
    assert keys.looked_at_s[1] - keys.looked_at_s[0] >= LOOKS_APART.total_seconds()


async def test_rows_of_one_request_wait_for_one_look_together(redirector: RunningRedirector) -> None:
    """However many of them name keys that never were."""
    await eventually_async(redirector.signs, what="there is a key")
    rows = [{**CONVERSION, "click_ids": [issued_under(9, b"s" * 32, seq)]} for seq in range(1, 200)]
    async with asyncio.timeout(10):
        told = (await redirector.ask("POST", PATH, json={"rows": rows})).json()["rows"]
    assert [row["detail"] for row in told] == ["unknown_key"] * len(rows)


async def test_those_who_wait_for_a_look_that_fails_are_told_so(database_dsn: str, journals: Path, key: str) -> None:
    """A Postgres that hangs holds nobody up for long, and each of them once."""
    async with (
        proxied(database_dsn) as (way, dsn),
        running_redirector(dsn, journals, key, heartbeat_interval=ONE_BEAT, drain_seconds=0.2) as redirector,
    ):
        await eventually_async(redirector.signs, what="there is a key")
        check = ClickIdCheck(redirector.service.keys)
        way.freeze()
        async with asyncio.timeout(10):
            unknown = issued_under(9, b"s" * 32)
            outcomes = await asyncio.gather(*(check.named([unknown]) for _ in range(50)), return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {KeyAwayError}
