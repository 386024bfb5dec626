"""An aggregator that freezes in the middle of a batch holds its partition only so long, wherever it was."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from aggregator.applying.click_rows import CLICK_COLUMNS, copied
from aggregator.applying.store import SESSIONS, ApplyingStore, LostPartitionError
from aggregator.leases.store import LeaseStore
from database.pool import Connection, open_pool
from http_api.serving import cancel_all
from link_events.streams import Offset, Partition, Stream
from stage.pipe import Pipe
from stage.waiting import eventually_async

PLACE = (Stream.CLICKS, Partition(0))


async def _frozen_between_statements(connection: Connection) -> None:
    await connection.execute("SELECT 1")
    await asyncio.Event().wait()


async def _frozen_inside_a_copy(connection: Connection) -> None:
    async def rows() -> AsyncIterator[bytes]:
        async for piece in copied([]):
            yield piece
            await asyncio.Event().wait()

    await connection.copy_to_table("click", source=rows(), columns=CLICK_COLUMNS, format="binary")


@pytest.mark.parametrize("freeze", [_frozen_between_statements, _frozen_inside_a_copy])
async def test_another_gets_the_partition(pipe: Pipe, freeze: object) -> None:
    """As soon as the lease has run out (here there is none): the frozen one's sessions are ended, and its batch."""
    pool = await open_pool(pipe.dsn, connections_max=2, application=f"{SESSIONS}first")
    first = ApplyingStore(pool, "first")
    claim = await first.claim(*PLACE)
    frozen = asyncio.create_task(_frozen_batch(first, freeze))
    await eventually_async(lambda: _is_in_a_batch(pipe))
    async with asyncio.timeout(5):
        taken = await pipe.store("second").claim(*PLACE)
    assert (taken.next_offset, taken.owner_epoch) == (claim.next_offset, claim.owner_epoch + 1)
    with pytest.raises(LostPartitionError):
        await first.reload(*PLACE)
    await cancel_all([frozen])
    pool.terminate()


async def test_one_that_is_alive_is_left_alone(pipe: Pipe) -> None:
    """Its batch goes on, and nobody takes its partition."""
    pool = await open_pool(pipe.dsn, connections_max=2, application=f"{SESSIONS}first")
    first = ApplyingStore(pool, "first")
    await LeaseStore(pipe.pool, "first", timedelta(minutes=1)).renew()
    claim = await first.claim(*PLACE)
    async with first.batch(claim, Offset(claim.next_offset + 1)), asyncio.timeout(5):
        with pytest.raises(LostPartitionError):
            await pipe.store("second").claim(*PLACE)
    assert (await first.reload(*PLACE)).next_offset == claim.next_offset + 1
    pool.terminate()


async def _frozen_batch(store: ApplyingStore, freeze: object) -> None:
    claim = await store.reload(*PLACE)
    async with store.batch(claim, Offset(claim.next_offset + 1)) as writer:
        await freeze(writer._connection)  # type: ignore[operator] # noqa: SLF001 - the middle of a batch


async def _is_in_a_batch(pipe: Pipe) -> bool:
    """Whether somebody holds the offset row."""
    query = "SELECT FROM partition_offset WHERE partition = 0 FOR UPDATE SKIP LOCKED"
    async with pipe.pool.acquire() as connection:
        return not await connection.fetch(query)
