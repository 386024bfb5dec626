"""API keys in Postgres: shown once, stored as a hash, good until they are revoked."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from click.testing import CliRunner

from advolink.__main__ import main
from database.keys import KeyStore, LiveKey, Scope, create_key, is_live
from database.pool import DatabaseAwayError, open_pool
from stage.postgres import Server
from stage.sql import fetch


@pytest.fixture
async def keys(database_dsn: str) -> AsyncIterator[KeyStore]:
    """A store without any key."""
    pool = await open_pool(database_dsn, connections_max=2, application="key test")
    yield KeyStore(pool)
    pool.terminate()


async def test_a_key_is_good_for_the_scopes_it_was_made_with(keys: KeyStore) -> None:
    """Its id is in it."""
    token = await keys.create("portal", [Scope.STATS_READ, Scope.LINKS_WRITE])
    assert await keys.verify(token) == LiveKey(token[4:16], frozenset({"stats:read", "links:write"}))


async def test_only_the_hash_of_a_secret_is_stored(keys: KeyStore, database_dsn: str) -> None:
    """In no column of the row."""
    token = await keys.create("portal", [Scope.ADMIN])
    secret = token.split("_", 2)[2]
    ((row,),) = await fetch(database_dsn, "SELECT to_jsonb(api_key)::text FROM api_key")
    assert token[4:16] in row
    assert secret not in row
    assert secret.encode().hex() not in row


async def test_a_key_with_another_secret_is_no_key(keys: KeyStore) -> None:
    """Nor with another's."""
    ours, other = [await keys.create("portal", [Scope.ADMIN]) for _ in range(2)]
    for wrong in (ours[:-1] + ("a" if ours[-1] != "a" else "b"), ours[:17] + other[17:], f"adv_{'0' * 12}{ours[16:]}"):
        assert await keys.verify(wrong) is None


async def test_a_revoked_key_is_no_key(keys: KeyStore) -> None:
    """From then on and for ever; revoking it twice changes nothing, not even when it was."""
    token, kept = [await keys.create(name, [Scope.ADMIN]) for name in ("gone", "kept")]
    assert await keys.revoke(token[4:16])
    (first,) = [row.revoked_at for row in await keys.all_keys() if row.name == "gone"]
    assert await keys.revoke(token[4:16])
    assert [row.revoked_at for row in await keys.all_keys() if row.name == "gone"] == [first]
    assert await keys.verify(token) is None
    assert await keys.verify(kept) is not None
    assert not await keys.revoke("0123456789ab")


async def test_keys_are_listed_with_the_newest_first_and_without_secrets(keys: KeyStore) -> None:
    """Also the ones that were revoked: what they did is recorded under them."""
    tokens = [await keys.create(name, [Scope.STATS_READ]) for name in ("first", "second", "third")]
    await keys.revoke(tokens[0][4:16])
    listed = await keys.all_keys()
    assert [row.name for row in listed] == ["third", "second", "first"]
    assert [row.key_id for row in listed] == [token[4:16] for token in reversed(tokens)]
    assert [row.revoked_at is None for row in listed] == [True, True, False]
    assert all(row.scopes == ["stats:read"] for row in listed)


async def test_no_two_keys_are_alike(keys: KeyStore) -> None:
    """Neither their ids nor their secrets."""
    tokens = [await keys.create("portal", [Scope.ADMIN]) for _ in range(50)]
    assert len({token[4:16] for token in tokens}) == len({token[17:] for token in tokens}) == 50


async def test_commands_make_and_know_keys_without_a_pool(database_dsn: str) -> None:
    """`advolink up` keeps its key as long as the database knows it."""
    token = await create_key(database_dsn, name="up", scopes=[Scope.ADMIN])
    assert await is_live(database_dsn, token)
    assert not await is_live(database_dsn, token[:-1] + "-")
    assert not await is_live(database_dsn, "nonsense")


def test_the_first_key_of_an_installation_is_made_by_a_command(database_dsn: str) -> None:
    """It prints the key and nothing else, so that a script can take it."""
    command = ["keys", "create", "--name", "first", "--postgres-dsn", database_dsn]
    done = CliRunner().invoke(main, [*command, "--scope", "links:write", "--scope", "stats:read"])
    assert done.exit_code == 0
    assert asyncio.run(is_live(database_dsn, done.output.strip()))
    assert asyncio.run(fetch(database_dsn, "SELECT scopes FROM api_key")) == [(["links:write", "stats:read"],)]
    assert CliRunner().invoke(main, [*command, "--scope", "everything"]).exit_code == 2


async def test_keys_cannot_be_told_while_postgres_is_away(frail_server: Server, frail_dsn: str) -> None:
    """Which is not the same as being wrong; what is no key at all is told all the same."""
    token = await create_key(frail_dsn, name="up", scopes=[Scope.ADMIN])
    pool = await open_pool(frail_dsn, connections_max=1, application="key test")
    await asyncio.to_thread(frail_server.stop)
    with pytest.raises(DatabaseAwayError):
        await KeyStore(pool).verify(token)
    with pytest.raises(DatabaseAwayError):
        await is_live(frail_dsn, token)
    assert await KeyStore(pool).verify("nonsense") is None
    pool.terminate()
