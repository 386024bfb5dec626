"""Redirectors share a salt a day, made ahead; two days later nothing is left of it, anywhere."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import pytest

from database.pool import DatabaseAwayError, Pool, open_pool
from link_events.periods import local_day
from redirector.kept import DIRECTORY_NAME, KeptFile
from redirector.visitors.addresses import Networks
from redirector.visitors.client import Client
from redirector.visitors.clients import Clients
from redirector.visitors.keeping import SaltKeeper, kept_salts
from redirector.visitors.store import SaltStore
from stage.events import BROWSER
from stage.postgres import Server
from stage.redirectors import RunningRedirector
from stage.sql import session
from stage.waiting import eventually_async

AWAY: Final = "postgresql://127.0.0.1:1/nowhere"
DAY: Final = timedelta(days=1)
OLD_SALT: Final = b"an old salt of thirty-two bytes."


class Keeping:
    """What a redirector has to do with salts: its own memory and disk, and a clock that may be wrong."""

    def __init__(self, pool: Pool, journals: Path) -> None:
        self.ahead = timedelta(0)
        self.zone = ZoneInfo("UTC")
        kept = KeptFile(journals, "salts")
        self.salts = kept_salts(kept)
        self.clients = Clients(
            self.salts,
            lambda: self.zone,
            Networks([]),
            Networks([]),
            unresolved=lambda: None,
            forwarded_by_strangers=lambda: None,
        )
        self.keeper = SaltKeeper(
            SaltStore(pool), kept, self.salts, self.clients, zone=lambda: self.zone, now=lambda: self.now
        )

    @property
    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    @property
    def today(self) -> date:
        return local_day(self.now, self.zone)

    def tell(self) -> Client:
        return self.clients.identify("203.0.113.9", None, BROWSER, "de", self.now)


@pytest.fixture
async def pool(database_dsn: str) -> AsyncIterator[Pool]:
    opened = await open_pool(database_dsn, connections_max=8, application="test")
    yield opened
    opened.terminate()


@pytest.fixture
async def no_pool() -> AsyncIterator[Pool]:
    opened = await open_pool(AWAY, connections_max=1, application="test")
    yield opened
    opened.terminate()


async def stored(pool: Pool) -> Mapping[date, bytes]:
    return (await SaltStore(pool).read())[1]


async def put(pool: Pool, salts: Mapping[date, bytes]) -> None:
    await SaltStore(pool).offer(salts)


# ------------------------------------------------------------ shared, and made ahead


async def test_a_redirector_has_salts_two_days_ahead(redirector: RunningRedirector) -> None:
    """Within seconds of its first start, and says so in its metrics; visitors are then everybody's."""

    async def is_ahead() -> bool:
        return await redirector.metric("advolink_visitor_salt_days_ahead") == 2

    await eventually_async(is_ahead, what="the salts are there")
    assert await redirector.metric("advolink_visitor_salt_local") == 0
    link = await redirector.issue()
    await redirector.click(link["code"])
    (click,) = redirector.new_clicks()
    assert (click.visitor is not None, click.visitor_local) == (True, False)


async def test_redirectors_that_begin_at_once_agree(pool: Pool, tmp_path: Path) -> None:
    """Whoever comes first makes a day's salt, and all others take it over."""
    several = [Keeping(pool, tmp_path / str(number)) for number in range(8)]
    await asyncio.gather(*(one.keeper.look() for one in several))
    today = several[0].today
    assert (await stored(pool)).keys() == {today, today + DAY, today + 2 * DAY}
    assert len({one.tell() for one in several}) == 1
    shared = await stored(pool)
    assert all(one.salts.shared == shared for one in several)
    later = Keeping(pool, tmp_path / "later")
    await later.keeper.look()
    assert later.tell() == several[0].tell()


async def test_workers_of_one_redirector_keep_one_file(pool: Pool, no_pool: Pool, tmp_path: Path) -> None:
    """Whichever of them writes last, the next start without Postgres finds what they shared."""
    workers = [Keeping(pool, tmp_path) for _ in range(4)]
    await asyncio.gather(*(one.keeper.look() for one in workers))
    assert kept_salts(KeptFile(tmp_path, "salts")).shared == await stored(pool)
    assert Keeping(no_pool, tmp_path).tell() == workers[0].tell()
    assert [path.name for path in (tmp_path / DIRECTORY_NAME).iterdir()] == ["salts"]


async def test_a_salt_that_is_there_stays(pool: Pool, tmp_path: Path) -> None:
    """Round after round, and whoever comes."""
    one = Keeping(pool, tmp_path)
    await one.keeper.look()
    before = await stored(pool)
    for _ in range(3):
        await one.keeper.look()
        await Keeping(pool, tmp_path / "another").keeper.look()
    assert await stored(pool) == before


async def test_a_start_without_postgres_goes_on_with_the_shared_salts(
    pool: Pool, no_pool: Pool, tmp_path: Path
) -> None:
    """From its disk, today and for two days more; after that it is local."""
    before = Keeping(pool, tmp_path)
    await before.keeper.look()
    after = Keeping(no_pool, tmp_path)
    for days in range(4):
        after.ahead = days * DAY
        with pytest.raises(DatabaseAwayError):
            await after.keeper.look()
        assert after.tell().visitor_local is (days > 2)
        assert (after.keeper.days_ahead, after.keeper.today_is_local) == (max(0, 2 - days), days > 2)
        before.ahead = after.ahead
        if days <= 2:
            assert after.tell() == before.tell()


async def test_a_local_salt_becomes_the_shared_one_where_there_is_none(
    pool: Pool, no_pool: Pool, tmp_path: Path
) -> None:
    """Clicks were keyed with it: a single redirector takes nobody for two. A second takes over what is there."""
    one, other = Keeping(pool, tmp_path / "one"), Keeping(pool, tmp_path / "other")
    local, other_local = one.tell(), other.tell()
    assert local.visitor_local
    assert other_local.visitor_local
    await one.keeper.look()
    await other.keeper.look()
    assert (one.tell().visitor, one.tell().visitor_local) == (local.visitor, False)
    assert other.tell() == one.tell() != other_local


async def test_a_clock_that_is_wrong_makes_no_salt_for_others(pool: Pool, tmp_path: Path) -> None:
    """Days begin and end by Postgres's: whose clock is wrong is local, and changes nothing for the others."""
    one, wrong = Keeping(pool, tmp_path / "one"), Keeping(pool, tmp_path / "wrong")
    await one.keeper.look()
    before, client = await stored(pool), one.tell()
    for days in (10, -10):
        wrong.ahead = days * DAY
        await wrong.keeper.look()
        assert wrong.tell().visitor_local
        assert await stored(pool) == before
    wrong.ahead = timedelta(0)
    await wrong.keeper.look()
    assert wrong.tell() == client == one.tell()


async def test_a_change_of_zone_finds_the_salt_of_its_day(pool: Pool, tmp_path: Path) -> None:
    """From the last zone on earth to the first, where it is a day later, or two."""
    one = Keeping(pool, tmp_path)
    one.zone = ZoneInfo("Pacific/Pago_Pago")
    await one.keeper.look()
    one.zone = ZoneInfo("Pacific/Kiritimati")
    one.clients.renew()
    assert not one.tell().visitor_local
    await one.keeper.look()
    assert one.keeper.days_ahead >= 2


# ------------------------------------------------------------ let go of


def holding(directory: Path, secret: bytes) -> list[Path]:
    """The files below `directory` that hold `secret`, as bytes or in hexadecimal."""
    spelt = (secret, secret.hex().encode())
    return [path for path in directory.rglob("*") if path.is_file() and any(one in path.read_bytes() for one in spelt)]


async def test_of_a_salt_that_is_two_days_over_nothing_is_left(
    frail_server: Server, frail_dsn: str, tmp_path: Path
) -> None:
    """No row, no file of Postgres's, its write-ahead log among them, no file of ours, nothing in memory."""
    pool = await open_pool(frail_dsn, connections_max=1, application="test")
    today = datetime.now(UTC).date()
    over, in_time = today - 3 * DAY, today - 2 * DAY
    await put(pool, {over: OLD_SALT, in_time: OLD_SALT[::-1]})
    await asyncio.to_thread(KeptFile(tmp_path, "salts").write, {over.isoformat(): OLD_SALT.hex()})
    one = Keeping(pool, tmp_path)
    data = frail_server.cluster.home.data
    places = [data / "base", data / "pg_wal", tmp_path / DIRECTORY_NAME]

    async def found(secret: bytes) -> list[int]:
        """In how many files; Postgres writes all of them when it stops."""
        await asyncio.to_thread(frail_server.stop)
        numbers = [len(holding(place, secret)) for place in places]
        await asyncio.to_thread(frail_server.start)
        return numbers

    assert await found(OLD_SALT) == [1, 0, 1]
    await one.keeper.look()
    kept = await stored(pool)
    assert kept.keys() == {in_time, *(one.today + number * DAY for number in range(3))}
    assert one.salts.shared == kept
    assert await found(OLD_SALT) == [0, 0, 0]
    assert await found(OLD_SALT[::-1]) == [1, 0, 1]
    pool.terminate()


async def test_without_postgres_salts_end_by_our_own_clock(pool: Pool, no_pool: Pool, tmp_path: Path) -> None:
    """The copies in memory and on the disk go in time, whoever cannot be asked."""
    await Keeping(pool, tmp_path).keeper.look()
    one = Keeping(no_pool, tmp_path)
    salt = one.salts.shared[one.today]
    assert holding(tmp_path, salt)
    one.tell()
    one.ahead = 3 * DAY
    with pytest.raises(DatabaseAwayError):
        await one.keeper.look()
    assert holding(tmp_path, salt) == []
    assert salt not in one.salts.shared.values()


async def test_a_backup_that_reads_the_table_is_waited_for(pool: Pool, database_dsn: str, tmp_path: Path) -> None:
    """In the next round; meanwhile nobody waits behind it, and nobody uses what is over."""
    one = Keeping(pool, tmp_path)
    over = one.today - 3 * DAY
    await put(pool, {over: OLD_SALT})
    async with session(database_dsn) as backup, backup.transaction():
        await backup.fetch("SELECT FROM visitor_salt")
        await one.keeper.look()
        assert over in await stored(pool)
        assert over not in one.salts.shared
        assert not one.keeper.today_is_local
    await one.keeper.look()
    assert over not in await stored(pool)


async def test_on_a_full_disk_rather_no_salts_are_kept_than_old_ones(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What cannot be replaced is removed, and written anew when there is room."""
    over = datetime.now(UTC).date() - 3 * DAY
    await asyncio.to_thread(KeptFile(tmp_path, "salts").write, {over.isoformat(): OLD_SALT.hex()})
    one = Keeping(pool, tmp_path)

    def no_room(_file: KeptFile, _value: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(KeptFile, "write", no_room)
        await one.keeper.look()
    assert "salts cannot be kept for a start without Postgres" in caplog.text
    assert holding(tmp_path, OLD_SALT) == []
    await one.keeper.look()
    assert kept_salts(KeptFile(tmp_path, "salts")).shared == one.salts.shared


async def test_a_damaged_file_of_salts_counts_as_absent(pool: Pool, tmp_path: Path) -> None:
    """Also one whose salts are no salts."""
    KeptFile(tmp_path, "salts").write({"2026-11-26": "abcd"})
    assert kept_salts(KeptFile(tmp_path, "salts")).shared == {}
    one = Keeping(pool, tmp_path)
    await one.keeper.look()
    assert kept_salts(KeptFile(tmp_path, "salts")).shared == one.salts.shared != {}


# ------------------------------------------------------------ a Postgres that crashes


async def test_a_crash_of_postgres_loses_no_salt_that_a_redirector_knows(
    frail_server: Server, frail_dsn: str, tmp_path: Path
) -> None:
    """It empties the table, for that is in no write-ahead log; redirectors fill it again with what they had."""
    pool = await open_pool(frail_dsn, connections_max=2, application="test")
    one, other = Keeping(pool, tmp_path / "one"), Keeping(pool, tmp_path / "other")
    yesterday = one.today - DAY
    await put(pool, {yesterday: OLD_SALT})
    for keeping in (one, other):
        await keeping.keeper.look()
    before, client = await stored(pool), one.tell()
    await asyncio.to_thread(frail_server.kill)
    await asyncio.to_thread(frail_server.start)

    async def is_back() -> bool:
        try:
            return await stored(pool) == {}
        except DatabaseAwayError:
            return False

    await eventually_async(is_back, what="Postgres is back, without salts")
    await other.keeper.look()
    await one.keeper.look()
    assert await stored(pool) == before
    assert one.tell() == other.tell() == client
    pool.terminate()
