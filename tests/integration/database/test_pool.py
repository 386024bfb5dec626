"""Whatever means that Postgres is away has one name; what is our own mistake keeps its own."""

import asyncio
import traceback
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from database.pool import DatabaseAwayError, Pool, UnreadableDsnError, connected, connected_once, open_pool
from stage.postgres import Server
from stage.sql import execute, fetch_value, session, waiting_for_locks
from stage.waiting import elapse, eventually, eventually_async

KILL = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pool test'"
ASLEEP = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"


@pytest.fixture
async def pool(module_dsn: str) -> AsyncIterator[Pool]:
    """Two connections that wait for an answer for a moment."""
    pool = await open_pool(
        module_dsn, connections_max=2, command_timeout=timedelta(seconds=0.5), application="pool test"
    )
    yield pool
    pool.terminate()


@pytest.fixture
async def frail_pool(frail_module_dsn: str) -> AsyncIterator[Pool]:
    """The same, to a server that goes down."""
    pool = await open_pool(
        frail_module_dsn, connections_max=2, command_timeout=timedelta(seconds=5), application="pool test"
    )
    yield pool
    pool.terminate()


def _ended_meanwhile(dsn: str, pid: int) -> None:
    """End a session and wait until its process is gone; blocking, so that its client reads nothing meanwhile."""
    ThreadPoolExecutor(1).submit(asyncio.run, execute(dsn, f"SELECT pg_terminate_backend({pid})")).result()
    eventually(lambda: not Path(f"/proc/{pid}").exists(), what=f"backend {pid} is gone")


async def _ask(pool: Pool, sql: str = "SELECT 1", *values: Any) -> Any:
    async with connected(pool) as connection:
        return await connection.fetchval(sql, *values)


@pytest.mark.parametrize(
    ("sql", "values", "error"),
    [
        ("SELECT $1::int", ("one",), asyncpg.DataError),
        ("SELECT $1::int", (2**40,), asyncpg.DataError),
        ("SELECT $1::int", (1, 2), asyncpg.InterfaceError),
        ("SELECT $1::text", ("\0",), asyncpg.CharacterNotInRepertoireError),
        ("SELEKT", (), asyncpg.PostgresSyntaxError),
        ("SELECT * FROM no_table", (), asyncpg.UndefinedTableError),
        ("SELECT 1 / 0", (), asyncpg.DivisionByZeroError),
        ("INSERT INTO programme VALUES (true)", (), asyncpg.UniqueViolationError),
    ],
)
async def test_a_wrong_query_is_no_outage(
    pool: Pool, sql: str, values: tuple[Any, ...], error: type[Exception]
) -> None:
    """Waiting would not mend it: it is passed on as it is, and the connection can still be used."""
    with pytest.raises(error):
        await _ask(pool, sql, *values)
    assert await _ask(pool) == 1


async def test_using_a_connection_twice_at_once_is_no_outage(module_dsn: str) -> None:
    """It is a bug of ours."""
    pool = await open_pool(module_dsn, connections_max=1, application="pool test")
    async with session(module_dsn) as test, connected(pool) as connection:
        await test.execute("SELECT pg_advisory_lock(1)")
        busy = asyncio.ensure_future(connection.fetchval("SELECT pg_advisory_lock(1)"))
        await eventually_async(lambda: waiting_for_locks(module_dsn))
        with pytest.raises(asyncpg.InterfaceError):
            await connection.fetchval("SELECT 1")
        await test.execute("SELECT pg_advisory_unlock(1)")
        await busy
    pool.terminate()


@pytest.mark.parametrize("code", ["53100", "53200", "53300", "57014", "57P01", "57P03", "08006"])
async def test_a_server_in_trouble_is_an_outage(pool: Pool, code: str) -> None:
    """A full disk, no memory, too many connections, a cancelled query, a shutdown: it will be back."""
    with pytest.raises(DatabaseAwayError):
        await _ask(pool, f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{code}'; END $$")


async def test_an_answer_that_does_not_come_in_time_is_an_outage(pool: Pool) -> None:
    """Its connection is not used again for another's answer."""
    with pytest.raises(DatabaseAwayError):
        await _ask(pool, "SELECT 2 FROM pg_sleep(30)")
    assert [await _ask(pool) for _ in range(3)] == [1, 1, 1]


async def test_a_connection_that_is_killed_in_a_transaction_is_an_outage(pool: Pool, module_dsn: str) -> None:
    """The next one is new."""

    async def killed_half_way() -> None:
        async with connected(pool) as connection, connection.transaction():
            await connection.execute("UPDATE programme SET timezone = 'Asia/Tokyo'")
            await execute(module_dsn, KILL)
            await connection.execute("SELECT 1")

    with pytest.raises(DatabaseAwayError):
        await killed_half_way()
    assert await _ask(pool, "SELECT timezone FROM programme") == "UTC"


async def test_a_copy_on_a_connection_that_has_just_been_ended_is_an_outage(pool: Pool, module_dsn: str) -> None:
    """Also in the moment in which the driver has read that it was ended, and not yet that it is closed.

    It then stumbles over its own state, and again when the transaction is rolled back.
    """

    async def rows() -> AsyncIterator[bytes]:
        yield b""

    async def ended_before_a_copy() -> None:
        async with connected(pool) as connection, connection.transaction():
            _ended_meanwhile(module_dsn, await connection.fetchval("SELECT pg_backend_pid()"))
            await elapse(0)
            await elapse(0)  # what the server said last was read, and not yet that it hung up
            await connection.copy_to_table("click", source=rows(), format="binary")

    with pytest.raises(DatabaseAwayError):
        await ended_before_a_copy()
    assert await _ask(pool) == 1


async def test_a_pool_whose_connections_are_all_in_use_is_an_outage(pool: Pool) -> None:
    """Nobody waits without a bound."""
    async with connected(pool), connected(pool):
        with pytest.raises(DatabaseAwayError):
            await _ask(pool)
    assert await _ask(pool) == 1


async def test_a_pool_that_was_closed_is_an_outage(pool: Pool) -> None:
    """As where a request is answered while the service stops."""
    pool.terminate()
    with pytest.raises(DatabaseAwayError):
        await _ask(pool)


@pytest.mark.parametrize("how", ["stop", "kill"])
async def test_a_server_that_goes_down_is_an_outage_until_it_is_back(
    frail_server: Server, frail_module_dsn: str, frail_pool: Pool, how: str
) -> None:
    """While it goes, while it is gone, and not any more once it is back: the pool outlives it."""
    running = asyncio.create_task(_ask(frail_pool, "SELECT pg_sleep(30)"))
    await eventually_async(lambda: fetch_value(frail_module_dsn, ASLEEP))
    await asyncio.to_thread(getattr(frail_server, how))
    with pytest.raises(DatabaseAwayError):
        await running
    for _ in range(3):
        with pytest.raises(DatabaseAwayError):
            await _ask(frail_pool)
    await asyncio.to_thread(frail_server.start)
    assert [await _ask(frail_pool) for _ in range(3)] == [1, 1, 1]


async def test_connections_that_were_idle_while_the_server_restarted_are_replaced(
    frail_server: Server, frail_pool: Pool
) -> None:
    """Whoever asks first after a restart is told at most that it was away."""
    async with connected(frail_pool), connected(frail_pool):
        pass
    await asyncio.to_thread(frail_server.stop)
    await asyncio.to_thread(frail_server.start)
    outcomes = [await asyncio.gather(_ask(frail_pool), return_exceptions=True) for _ in range(4)]
    assert {type(outcome) for (outcome,) in outcomes} <= {int, DatabaseAwayError}
    assert await _ask(frail_pool) == 1


async def test_no_session_idles_in_a_transaction_for_ever(module_dsn: str, pool: Pool) -> None:
    """Whoever freezes in one lets go of what it holds: services and commands alike."""
    async with connected(pool) as of_a_service, connected_once(module_dsn) as of_a_command:
        for connection in (of_a_service, of_a_command):
            assert await connection.fetchval("SHOW idle_in_transaction_session_timeout") == "90s"


async def test_a_pool_is_made_without_a_server(frail_server: Server, frail_module_dsn: str) -> None:
    """A service starts while Postgres is away."""
    await asyncio.to_thread(frail_server.stop)
    pool = await open_pool(frail_module_dsn, connections_max=1, application="pool test")
    with pytest.raises(DatabaseAwayError):
        await _ask(pool)
    await asyncio.to_thread(frail_server.start)
    assert await _ask(pool) == 1
    pool.terminate()


@pytest.mark.parametrize(
    "dsn",
    ["postgresql://nobody.invalid/x", "postgresql://127.0.0.1:1/x", "{server}/no_such_database", "{stranger}/postgres"],
)
async def test_a_server_that_does_not_take_us_is_an_outage(postgres_server: Server, dsn: str) -> None:
    """No such host, nobody there, a database that is yet to be made, a password that is being changed."""
    server = postgres_server.dsn("").partition("/?")[0]
    password = postgres_server.cluster.password
    target = dsn.format(server=server, stranger=server.replace(password, "wrong"))
    with pytest.raises(DatabaseAwayError):
        async with connected_once(f"{target}?sslmode=disable"):
            pass


async def test_what_is_no_dsn_is_told_without_repeating_it() -> None:
    """It may hold a password."""
    with pytest.raises(UnreadableDsnError) as refused:
        async with connected_once("postgresql://ada:hunter2/3@here/x"):
            pass
    assert "hunter2" not in str(refused.value)


async def test_a_pool_repeats_nothing_of_what_is_no_dsn_either() -> None:
    """Nor does the trace of it, which a service logs: asyncpg would name the piece that it stumbled on."""
    pool = await open_pool("postgresql://ada:hunter2/3@here/x", connections_max=1, application="test")
    with pytest.raises(UnreadableDsnError) as refused:
        async with connected(pool):
            pass
    pool.terminate()
    assert "hunter2" not in "".join(traceback.format_exception(refused.value))
