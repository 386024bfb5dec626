"""A customer is a keyed hash, the same on every redirector, for ever; the key is Postgres's, or from the own disk."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import pytest

from database.customer_keys import CustomerKeyStore
from database.pool import open_pool
from link_events.customers import customer_hash
from link_events.events import Conversion
from link_events.identity import CustomerHash
from redirector.customers.following import KEPT_NAME, FollowedCustomerKey
from redirector.errors import KeyAwayError
from redirector.kept import KeptFile
from stage.conversions import CONVERSION, event_ids, facts_in
from stage.proxy import proxied
from stage.redirectors import RunningRedirector, running_redirector
from stage.sql import execute, fetch
from stage.waiting import eventually_async

ONE_BEAT: Final = timedelta(hours=1)
CUSTOMER: Final = "ada@example.com"


async def secret_in(dsn: str) -> bytes | None:
    """The key in Postgres."""
    rows = await fetch(dsn, "SELECT secret FROM customer_key")
    return bytes(rows[0][0]) if rows else None


async def knows_customers(redirector: RunningRedirector) -> bool:
    """Whether /readyz says that it has the key."""
    told: bool = (await redirector.management.get("/readyz")).json()["known"]["customer_key"]
    return told


async def hash_from(redirector: RunningRedirector) -> CustomerHash | None:
    """What it journals of CUSTOMER."""
    (event_id,) = event_ids(await redirector.ask("POST", "/v1/conversions", json=CONVERSION))
    conversion = facts_in(redirector)[event_id].data
    assert isinstance(conversion, Conversion)
    return conversion.customer


@asynccontextmanager
async def followed(dsn: str, journals: Path) -> AsyncIterator[FollowedCustomerKey]:
    """The key as one redirector follows it."""
    pool = await open_pool(dsn, connections_max=1, application="test")
    try:
        yield FollowedCustomerKey(CustomerKeyStore(pool), KeptFile(journals, KEPT_NAME))
    finally:
        pool.terminate()


async def test_redirectors_that_start_at_once_hash_alike(database_dsn: str, tmp_path: Path, key: str) -> None:
    """On an empty database too: one of them makes the key."""
    async with AsyncExitStack() as held:
        running = [running_redirector(database_dsn, tmp_path / name, key) for name in ("one", "two", "three")]
        redirectors = [await held.enter_async_context(one) for one in running]
        for one in redirectors:
            await eventually_async(lambda one=one: knows_customers(one), what="there is a key")  # type: ignore[misc]
        hashes = {await hash_from(one) for one in redirectors}
        secret = await secret_in(database_dsn)
        assert secret is not None
        assert hashes == {customer_hash(CUSTOMER, secret)}


async def test_a_restart_without_postgres_hashes_with_the_key_it_had(
    database_dsn: str, journals: Path, key: str
) -> None:
    """From its own disk, where only the owner reads it."""
    async with running_redirector(database_dsn, journals, key) as redirector:
        await eventually_async(lambda: knows_customers(redirector), what="there is a key")
        expected = redirector.service.customer_key.hashed(CUSTOMER)
    async with proxied(database_dsn) as (way, dsn):
        await way.close()
        async with running_redirector(dsn, journals, key, drain_seconds=0.1) as redirector:
            assert await knows_customers(redirector)
            assert redirector.service.customer_key.hashed(CUSTOMER) == expected
    assert ((journals / "kept" / KEPT_NAME).stat().st_mode & 0o777) == 0o600


async def test_without_the_key_nobody_who_names_a_customer_is_answered(
    database_dsn: str, journals: Path, key: str
) -> None:
    """503: neither the id nor a hash that no other redirector makes is kept. Who names clicks alone is taken."""
    async with running_redirector(database_dsn, journals, key, heartbeat_interval=ONE_BEAT) as redirector:
        code = (await redirector.issue())["code"]
        location = (await redirector.click(code)).headers["location"]
        clicks = {"click_ids": [location.rpartition("=")[2]]}
        redirector.service.customer_key._secret = None  # noqa: SLF001 - as where none was ever heard of
        end = redirector.service.own.journal.end
        by_click: dict[str, Any] = {**CONVERSION, "customer_id": None, **clicks}
        for body in (CONVERSION, {"rows": [by_click, CONVERSION]}):
            answer = await redirector.ask("POST", "/v1/conversions", json=body)
            assert answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE
            assert answer.json()["detail"].startswith("the customer key is away")
        assert redirector.service.own.journal.end == end
        assert not await knows_customers(redirector)
        assert await redirector.ready()
        assert len(event_ids(await redirector.ask("POST", "/v1/conversions", json=by_click))) == 1


async def test_an_older_copy_of_the_database_is_given_the_key_back(
    database_dsn: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One from before there was any: the customers stay who they were."""
    async with followed(database_dsn, tmp_path) as one:
        await one.look()
        expected = one.hashed(CUSTOMER)
        await execute(database_dsn, "DELETE FROM customer_key")
        await one.look()
        assert one.hashed(CUSTOMER) == expected
    async with followed(database_dsn, tmp_path / "new") as other:
        await other.look()
        assert other.hashed(CUSTOMER) == expected
    assert "another customer key" not in caplog.text


async def test_another_key_in_postgres_is_taken_over_and_said(
    database_dsn: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """All redirectors have to hash alike. No secret is in the log."""
    async with followed(database_dsn, tmp_path) as one:
        await one.look()
        secrets = [await secret_in(database_dsn), b"s" * 32]
        await execute(database_dsn, "UPDATE customer_key SET secret = decode(repeat('73', 32), 'hex')")
        await one.look()
        assert one.hashed(CUSTOMER) == customer_hash(CUSTOMER, b"s" * 32)
    assert "another customer key" in caplog.text
    assert not leaked(caplog.text, [secret for secret in secrets if secret])
    async with followed(database_dsn, tmp_path) as again:
        assert again.hashed(CUSTOMER) == customer_hash(CUSTOMER, b"s" * 32)


def leaked(text: str, secrets: Sequence[bytes]) -> list[bytes]:
    """The secrets that stand in `text`."""
    return [secret for secret in secrets if secret.hex() in text or repr(secret) in text]


@pytest.mark.parametrize(
    "value", [None, [], {}, {"secret": None}, {"secret": "00" * 31}, {"secret": "zz" * 32}, {"secret": 7}]
)
async def test_a_file_that_holds_no_key_counts_as_absent(database_dsn: str, tmp_path: Path, value: object) -> None:
    """Whoever wrote it."""
    KeptFile(tmp_path, KEPT_NAME).write(value)
    async with followed(database_dsn, tmp_path) as one:
        assert not one.known
        with pytest.raises(KeyAwayError, match="the customer key"):
            one.hashed(CUSTOMER)
