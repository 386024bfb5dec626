"""Every redirect carries the id of its click, under the newest key, with Postgres or without it."""

import asyncio
import re
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Final

import httpx2
import pytest

from database.pool import open_pool
from database.signing_keys import SigningKeyStore
from link_events.click_ids import ClickIdOutcome, NamedClick, verify_click_id
from link_events.events import Click
from link_events.signing import Keyring, SigningKeyId
from redirector.following import FOLLOW_INTERVAL
from redirector.kept import KeptFile
from redirector.signing.following import KEPT_NAME, FollowedKeys, read_keyring
from stage.click_ids import split_location
from stage.journals import events_in
from stage.proxy import proxied
from stage.redirectors import DESTINATION, RunningRedirector, running_redirector
from stage.sql import execute
from stage.waiting import eventually_async

ONE_BEAT: Final = timedelta(hours=1)
"""Between heartbeats, so that nothing but clicks is journaled."""


def named(redirector: RunningRedirector, answer: httpx2.Response) -> NamedClick:
    """The click that the id in `answer` names."""
    assert answer.status_code == HTTPStatus.FOUND
    ring = redirector.service.keys.ring
    assert ring is not None
    verified = verify_click_id(split_location(answer.headers["location"])[1], ring.secrets)
    assert verified.outcome is ClickIdOutcome.VALID
    assert verified.click is not None
    return verified.click


async def rotate(dsn: str) -> SigningKeyId:
    """Make a new key; its id."""
    pool = await open_pool(dsn, connections_max=1, application="test")
    try:
        return (await SigningKeyStore(pool).rotate()).key_id
    finally:
        pool.terminate()


async def signing_with(redirector: RunningRedirector, code: str, key_id: SigningKeyId) -> None:
    """Wait until its redirects carry ids under that key."""

    async def carried() -> bool:
        return named(redirector, await redirector.click(code)).key_id == key_id

    await eventually_async(carried, what=f"ids are issued under key {key_id}")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_an_id_names_the_click_that_was_journaled(redirector: RunningRedirector, method: str) -> None:
    """Its event, and the UTC day it occurred on. A HEAD is a click as well."""
    link = await redirector.issue()
    for _ in range(3):
        click = named(redirector, await redirector.click(link["code"], method))
        event = [event for event in events_in(redirector.journal_directory) if isinstance(event.data, Click)][-1]
        assert click.origin == event.origin
        assert click.utc_day == event.captured_at.date()
    assert len({named(redirector, await redirector.click(link["code"])).origin for _ in range(5)}) == 5


async def test_what_is_not_redirected_carries_no_id(redirector: RunningRedirector) -> None:
    """A link that has ended, and a code that is none."""
    code = (await redirector.issue())["code"]
    await redirector.change(code, disabled=True)
    for answer in (await redirector.click(code), await redirector.click("nobodys1")):
        assert "location" not in answer.headers
        assert "advolink_click_id" not in answer.text


async def test_a_rotation_reaches_every_redirector_within_seconds(
    redirector: RunningRedirector, database_dsn: str, tmp_path: Path, key: str
) -> None:
    """And what was issued before stays valid on each of them."""
    async with running_redirector(database_dsn, tmp_path / "other", key, heartbeat_interval=ONE_BEAT) as other:
        code = (await redirector.issue())["code"]
        await eventually_async(other.signs, what="the other has the key")
        before = [await one.click(code) for one in (redirector, other)]
        assert {named(redirector, answer).key_id for answer in before} == {0}
        new = await rotate(database_dsn)
        async with asyncio.timeout(FOLLOW_INTERVAL.total_seconds() + 3):
            for one in (redirector, other):
                await signing_with(one, code, new)
        for one, answer in ((other, before[0]), (redirector, before[1])):
            assert named(one, answer).key_id == 0


async def leads_to(redirector: RunningRedirector, code: str, pattern: str) -> None:
    """Wait until the link leads to what matches `pattern`, within the time that a change of the programme may take."""

    async def led() -> bool:
        return re.fullmatch(pattern, (await redirector.click(code)).headers["location"]) is not None

    seconds_max = FOLLOW_INTERVAL.total_seconds() + 3
    await eventually_async(led, seconds_max=seconds_max, what=f"the link leads to {pattern}")


async def test_the_programme_says_whether_and_under_which_name(
    redirector: RunningRedirector, database_dsn: str
) -> None:
    """Followed within seconds, on every redirector; a link of which it is said otherwise follows the link."""
    site = re.escape(DESTINATION)
    plain = (await redirector.issue())["code"]
    always, never = [(await redirector.issue(click_id=carried))["code"] for carried in (True, False)]
    await execute(database_dsn, "UPDATE programme SET click_id_name = 'c.i~d'")
    await leads_to(redirector, plain, rf"{site}\?c\.i~d=[\w-]{{40}}")
    await leads_to(redirector, always, rf"{site}\?c\.i~d=[\w-]{{40}}")
    await leads_to(redirector, never, site)
    await execute(database_dsn, "UPDATE programme SET click_ids = false")
    await leads_to(redirector, plain, site)
    await leads_to(redirector, always, rf"{site}\?c\.i~d=[\w-]{{40}}")
    await leads_to(redirector, never, site)
    assert await redirector.metric("advolink_click_ids_missing_total") == 0, "nothing is missing that nobody wants"


async def test_a_links_own_switch_is_followed_by_the_other_redirectors(
    redirector: RunningRedirector, database_dsn: str, tmp_path: Path, key: str
) -> None:
    async with running_redirector(database_dsn, tmp_path / "other", key, heartbeat_interval=ONE_BEAT) as other:
        site = re.escape(DESTINATION)
        code = (await redirector.issue())["code"]
        await eventually_async(other.signs, what="the other has the key")
        for switch, pattern in ((False, site), (True, rf"{site}\?\S+"), (False, site), (None, rf"{site}\?\S+")):
            await redirector.change(code, click_id=switch)
            for one in (redirector, other):
                await leads_to(one, code, pattern)


async def test_redirectors_that_start_at_once_on_an_empty_database_sign_with_one_key(
    database_dsn: str, tmp_path: Path, key: str
) -> None:
    async with (
        running_redirector(database_dsn, tmp_path / "one", key) as one,
        running_redirector(database_dsn, tmp_path / "two", key) as two,
    ):
        for redirector in (one, two):
            await eventually_async(redirector.signs, what="there is a key")
        assert one.service.keys.ring == two.service.keys.ring


async def test_a_restart_without_postgres_signs_with_the_keys_it_had(
    database_dsn: str, journals: Path, key: str
) -> None:
    """From its own disk, where only the owner reads them; what a rotation was seen to leave verifies too."""
    async with running_redirector(database_dsn, journals, key) as redirector:
        await eventually_async(redirector.signs, what="there is a key")
        await rotate(database_dsn)
        ring = redirector.service.keys

        async def kept() -> bool:
            found = KeptFile(journals, KEPT_NAME).read(read_keyring)
            return found is not None and found.current == 1 and found == ring.ring

        await eventually_async(kept, what="the new key is on the disk")
    async with proxied(database_dsn) as (way, dsn):
        await way.close()
        async with running_redirector(dsn, journals, key, drain_seconds=0.1) as redirector:
            assert await redirector.signs()
            assert redirector.service.keys.ring == ring.ring
    assert ((journals / "kept" / KEPT_NAME).stat().st_mode & 0o777) == 0o600


async def test_without_any_key_a_redirect_works_and_is_counted(database_dsn: str, tmp_path: Path, key: str) -> None:
    """Until Postgres gives one."""
    async with (
        running_redirector(database_dsn, tmp_path / "one", key) as one,
        running_redirector(database_dsn, tmp_path / "two", key) as two,
    ):
        code = (await one.issue())["code"]
        await eventually_async(two.signs, what="there is a key")
        two.service.keys.ring = None  # as where none was ever heard of
        answer = await two.click(code)
        assert answer.headers["location"] == DESTINATION
        assert await two.metric("advolink_click_ids_missing_total") == 1
        await two.service.keys.look()
        assert two.led_to(await two.click(code)) == DESTINATION
        assert await two.metric("advolink_click_ids_missing_total") == 1


async def test_no_secret_is_in_logs_or_answers(
    redirector: RunningRedirector, database_dsn: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    code = (await redirector.issue())["code"]
    await signing_with(redirector, code, await rotate(database_dsn))
    ring = redirector.service.keys.ring
    assert ring is not None
    told = [caplog.text, repr(ring), repr(redirector.service.keys)]
    told += [(await redirector.click(code)).text, (await redirector.management.get("/metrics")).text]
    for secret in ring.secrets.values():
        assert secret is not None
        assert not [text for text in told if secret.hex() in text or repr(secret) in text or str(secret) in text]


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        {"current": 0, "secrets": {}},
        {"current": 0, "secrets": {"0": None}},
        {"current": 1, "secrets": {"0": "00" * 32}},
        {"current": 0, "secrets": {"0": "00" * 31}},
        {"current": 0, "secrets": {"0": "00" * 32, "1": "00"}},
        {"current": 0, "secrets": {"0": "zz" * 32}},
        {"current": 0, "secrets": {"0": 7}},
        {"current": 0, "secrets": {"0": "00" * 32, "256": None}},
        {"current": 0, "secrets": {"0": "00" * 32, "x": None}},
    ],
)
def test_a_file_that_holds_no_keyring_counts_as_absent(value: object, journals: Path) -> None:
    """Whoever wrote it."""
    KeptFile(journals, KEPT_NAME).write(value)
    assert FollowedKeys(None, KeptFile(journals, KEPT_NAME)).ring is None  # type: ignore[arg-type]  # never asked


async def test_a_disk_that_takes_no_keys_is_no_reason_not_to_sign(
    database_dsn: str, journals: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is tried again with every look, and said."""
    await asyncio.to_thread(journals.write_text, "in the way of the directory")
    pool = await open_pool(database_dsn, connections_max=1, application="test")
    followed = FollowedKeys(SigningKeyStore(pool), KeptFile(journals, KEPT_NAME))
    await followed.look()
    assert followed.ring is not None
    assert "the signing keys cannot be kept for a start without Postgres" in caplog.text
    await asyncio.to_thread(journals.unlink)
    await followed.look()
    assert KeptFile(journals, KEPT_NAME).read(read_keyring) == followed.ring
    pool.terminate()


async def test_keys_are_kept_and_read_as_they_are(database_dsn: str, journals: Path) -> None:
    """Those that sign, those that verify, those that are retired."""
    pool = await open_pool(database_dsn, connections_max=2, application="test")
    store = SigningKeyStore(pool)
    followed = FollowedKeys(store, KeptFile(journals, KEPT_NAME))
    await followed.look()
    await store.rotate()
    await store.rotate()
    await store.retire(SigningKeyId(0))
    await followed.look()
    again = FollowedKeys(store, KeptFile(journals, KEPT_NAME)).ring
    assert isinstance(again, Keyring)
    assert again == followed.ring == await store.keyring()
    assert [secret is None for secret in again.secrets.values()] == [True, False, False]
    await execute(database_dsn, "DELETE FROM signing_key WHERE key_id = 2")  # an older copy was restored
    await followed.look()
    assert followed.ring == await store.keyring()
    pool.terminate()
