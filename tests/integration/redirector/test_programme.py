"""A redirector knows the programme: from Postgres within seconds, and after a restart without it from its own disk."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Final

import pytest

from database.pool import Pool, connected, open_pool
from http_api.serving import cancel_all
from redirector.kept import KeptFile
from redirector.programme.following import FollowedProgramme
from redirector.programme.store import Programme, ProgrammeStore
from stage.redirectors import RunningRedirector, running_redirector
from stage.waiting import eventually_async

AWAY: Final = "postgresql://127.0.0.1:1/nowhere"
BERLIN: Final = "Europe/Berlin"
SHOP: Final = "https://shop.example.com"


@pytest.fixture
def journals_are_a_file(journals: Path) -> Path:
    journals.write_text("in the way of the directory")
    return journals


@pytest.fixture
async def pool(database_dsn: str) -> AsyncIterator[Pool]:
    opened = await open_pool(database_dsn, connections_max=2, application="test")
    yield opened
    opened.terminate()


async def set_zone(pool: Pool, name: str) -> None:
    async with connected(pool) as connection:
        await connection.execute("UPDATE programme SET timezone = $1", name)


def followed(pool: Pool, journals: Path) -> FollowedProgramme:
    return FollowedProgramme(ProgrammeStore(pool), KeptFile(journals, "programme"))


async def test_until_it_is_heard_of_it_is_the_one_that_nobody_has_set(pool: Pool, journals: Path) -> None:
    programme = followed(pool, journals)
    assert (programme.current, programme.zone.key) == (Programme(), "UTC")


async def test_a_change_is_followed(pool: Pool, journals: Path) -> None:
    """Without a restart."""
    programme = followed(pool, journals)
    task = asyncio.create_task(programme.follow(timedelta(milliseconds=10)))

    async def told() -> bool:
        return programme.current == Programme(BERLIN) and programme.zone.key == BERLIN

    await set_zone(pool, BERLIN)
    await eventually_async(told, what="the new zone is known")
    await cancel_all([task])


async def test_a_start_without_postgres_knows_the_programme(
    database_dsn: str, pool: Pool, key: str, journals: Path
) -> None:
    """As it was last heard of."""

    async def kept() -> bool:
        return followed(pool, journals).zone.key == BERLIN

    await set_zone(pool, BERLIN)
    async with running_redirector(database_dsn, journals, key):
        await eventually_async(kept, what="the zone is on the disk")
    async with running_redirector(AWAY, journals, key) as one:
        assert one.service.programme.zone.key == BERLIN


async def test_what_browsers_may_report_is_followed_and_kept(pool: Pool, journals: Path) -> None:
    """Also across a start without Postgres, where it is read from a file that knows no tuples."""
    programme = followed(pool, journals)
    async with connected(pool) as connection:
        await connection.execute("UPDATE programme SET browser_origins = $1, browser_money = true", [SHOP])
    await programme.look()
    assert programme.current == Programme(browser_origins=(SHOP,), browser_money=True)
    assert followed(pool, journals).current == programme.current


async def test_the_first_redirect_of_a_redirector_without_a_past_is_as_any_other(
    redirector: RunningRedirector, pool: Pool, key: str, database_dsn: str, tmp_path: Path
) -> None:
    """It heard of programme, keys and salts first, and waits for none of them where Postgres is away."""
    code = (await redirector.issue())["code"]
    async with connected(pool) as connection:
        await connection.execute("UPDATE programme SET click_id_name = 'theirs', timezone = $1", BERLIN)
    async with running_redirector(database_dsn, tmp_path / "new", key) as new:
        answer = await new.click(code)
        [click] = new.new_clicks()
        assert "?theirs=" in answer.headers["location"]
        assert click.visitor
        assert not click.visitor_local
        assert new.service.programme.zone.key == BERLIN
    async with running_redirector(AWAY, tmp_path / "alone", key) as alone:
        assert (await alone.click(code)).status_code == HTTPStatus.SERVICE_UNAVAILABLE


async def test_a_zone_that_this_version_does_not_know_changes_nothing(
    pool: Pool, journals: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is said once, and the days stay those of the last zone."""
    programme = followed(pool, journals)
    await set_zone(pool, BERLIN)
    await programme.look()
    await set_zone(pool, "Europe/Atlantis")
    for _ in range(2):
        await programme.look()
    assert programme.zone.key == BERLIN
    assert [record.getMessage() for record in caplog.records] == [
        "this version's time-zone database has no Europe/Atlantis; going on with Europe/Berlin"
    ]


async def test_a_disk_that_takes_nothing_is_no_reason_not_to_follow(
    pool: Pool, journals_are_a_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is tried again with every look."""
    programme = followed(pool, journals_are_a_file)
    await set_zone(pool, BERLIN)
    await programme.look()
    assert programme.zone.key == BERLIN
    assert "the programme cannot be kept for a start without Postgres" in caplog.text
    await asyncio.to_thread(journals_are_a_file.unlink)
    await programme.look()
    assert followed(pool, journals_are_a_file).zone.key == BERLIN
