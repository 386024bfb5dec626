"""Signing keys in Postgres: one first key however many want it, rotation, retirement, and ids that go round."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from database.pool import Pool, open_pool
from database.signing_keys import SigningKeyRefusedError, SigningKeyState, SigningKeyStore
from link_events.signing import SIGNING_KEY_IDS, SigningKeyId
from stage.sql import execute, fetch


@pytest.fixture
async def pool(database_dsn: str) -> AsyncIterator[Pool]:
    opened = await open_pool(database_dsn, connections_max=8, application="signing key test")
    yield opened
    opened.terminate()


@pytest.fixture
def keys(pool: Pool) -> SigningKeyStore:
    """A store without any key."""
    return SigningKeyStore(pool)


async def test_many_who_come_first_at_once_have_one_key(keys: SigningKeyStore) -> None:
    """All of them the same."""
    assert await keys.keyring() is None
    rings = await asyncio.gather(*(keys.first_keyring() for _ in range(8)))
    assert len(await keys.all_keys()) == 1
    assert rings == [await keys.keyring()] * 8
    assert len(rings[0].secret) == 32


async def test_whoever_waits_for_another_to_make_the_first_has_that_one(pool: Pool, keys: SigningKeyStore) -> None:
    """The other's transaction is still open when we look."""
    async with pool.acquire() as other:
        transaction = other.transaction()
        await transaction.start()
        await other.execute("INSERT INTO signing_key (key_id, generation, secret) VALUES (0, 0, $1)", bytes(32))
        waiting = asyncio.create_task(keys.first_keyring())
        done, _ = await asyncio.wait({waiting}, timeout=0.2)
        assert not done
        await transaction.commit()
    assert (await waiting).secret == bytes(32)


async def test_a_new_key_signs_and_the_old_ones_verify(keys: SigningKeyStore) -> None:
    first = await keys.first_keyring()
    row = await keys.rotate()
    ring = await keys.keyring()
    assert ring is not None
    assert (row.key_id, row.state, ring.current) == (1, SigningKeyState.SIGNS, 1)
    assert ring.secrets[SigningKeyId(0)] == first.secret != ring.secret
    assert [(key.key_id, key.state) for key in await keys.all_keys()] == [(1, "signs"), (0, "verifies")]


async def test_rotations_at_once_are_rotations_in_turn(keys: SigningKeyStore) -> None:
    await keys.first_keyring()
    rows = await asyncio.gather(*(keys.rotate() for _ in range(6)))
    assert sorted(row.key_id for row in rows) == [1, 2, 3, 4, 5, 6]
    ring = await keys.keyring()
    assert ring is not None
    assert len(set(ring.secrets.values())) == 7


async def test_a_retired_key_is_erased_and_stays_known(keys: SigningKeyStore, database_dsn: str) -> None:
    """Retiring it twice changes nothing, not even when it was."""
    await keys.first_keyring()
    await keys.rotate()
    await keys.retire(SigningKeyId(0))
    (_, retired) = await keys.all_keys()
    await keys.retire(SigningKeyId(0))
    assert (await keys.all_keys())[1] == retired
    assert retired.state is SigningKeyState.RETIRED
    assert retired.retired_at is not None
    ring = await keys.keyring()
    assert ring is not None
    assert ring.secrets[SigningKeyId(0)] is None
    assert await fetch(database_dsn, "SELECT secret FROM signing_key WHERE key_id = 0") == [(None,)]


@pytest.mark.parametrize(
    ("key_id", "why"),
    [(1, "key 1 is the one that signs; rotate first"), (7, "there is no signing key 7")],
)
async def test_what_cannot_be_retired_is_named(keys: SigningKeyStore, key_id: int, why: str) -> None:
    await keys.first_keyring()
    await keys.rotate()
    with pytest.raises(SigningKeyRefusedError, match=why):
        await keys.retire(SigningKeyId(key_id))


async def test_ids_go_round_once_the_oldest_key_is_retired(keys: SigningKeyStore, database_dsn: str) -> None:
    """The 257th key takes over the id of the first, and never that of a key that still verifies."""
    await execute(
        database_dsn,
        "INSERT INTO signing_key (key_id, generation, secret)"
        " SELECT n, n, sha256(n::text::bytea) FROM generate_series(0, 255) AS n",
    )
    with pytest.raises(SigningKeyRefusedError, match="retire the oldest key, 0, first"):
        await keys.rotate()
    await keys.retire(SigningKeyId(1))
    with pytest.raises(SigningKeyRefusedError, match="retire the oldest key, 0, first"):
        await keys.rotate()
    await keys.retire(SigningKeyId(0))
    assert (await keys.rotate()).key_id == 0
    assert (await keys.rotate()).key_id == 1
    ring = await keys.keyring()
    assert ring is not None
    assert ring.current == 1
    assert len(await keys.all_keys()) == SIGNING_KEY_IDS
    with pytest.raises(SigningKeyRefusedError, match="retire the oldest key, 2, first"):
        await keys.rotate()
