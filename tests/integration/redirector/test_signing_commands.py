"""`advolink keys signing`: what there is, a new one, the end of one, and what an id says; never a secret."""

import asyncio
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner, Result

from advolink.__main__ import main
from database.pool import open_pool
from database.signing_keys import SigningKeyStore
from link_events.click_ids import ClickIdIssuer
from link_events.identity import JournalId, Seq
from link_events.signing import Keyring, SigningKeyId
from link_events.streams import Partition
from redirector.kept import KeptFile
from redirector.signing.following import KEPT_NAME, FollowedKeys
from stage.journals import JOURNAL
from stage.sql import execute

DAY: Final = 20_783
"""2026-11-26."""


@pytest.fixture
def ring(database_dsn: str, journals: Path) -> Keyring:
    """The first key, which a redirector made and keeps in its journal directory."""
    return asyncio.run(looked_at(database_dsn, journals))


async def looked_at(dsn: str, journals: Path) -> Keyring:
    pool = await open_pool(dsn, connections_max=1, application="test")
    followed = FollowedKeys(SigningKeyStore(pool), KeptFile(journals, KEPT_NAME))
    await followed.look()
    pool.terminate()
    assert followed.ring is not None
    return followed.ring


def told(*words: str) -> Result:
    return CliRunner().invoke(main, ["keys", "signing", *words])


def rows(*words: str) -> list[dict[str, Any]]:
    """What a command tells machines."""
    done = told(*words, "--json")
    assert done.exit_code == 0, done.output
    listed: list[dict[str, Any]] = json.loads(done.output)["rows"]
    return listed


def issued(ring: Keyring, key_id: int | None = None, journal: JournalId = JOURNAL) -> str:
    """A click id under one of the keys."""
    chosen = ring.current if key_id is None else SigningKeyId(key_id)
    secret = ring.secrets[chosen]
    assert secret is not None
    return ClickIdIssuer(chosen, secret, journal, 12).issue(Partition(7), Seq(42), DAY)


def test_keys_are_listed_the_newest_first(ring: Keyring, database_dsn: str) -> None:
    dsn = ("--postgres-dsn", database_dsn)
    before = datetime.now(UTC)
    (made,) = rows("rotate", *dsn)
    assert (made["key_id"], made["generation"], made["state"], made["retired_at"]) == (1, 1, "signs", None)
    assert abs((datetime.fromisoformat(made["made_at"]) - before).total_seconds()) < 60
    assert told("retire", "0", *dsn).output == "Signing key 0 is retired.\n"
    assert [(row["key_id"], row["state"]) for row in rows("list", *dsn)] == [(1, "signs"), (0, "retired")]
    table = told("list", *dsn).output
    assert re.findall(r"^│ (\d+) +│ (\w+)", table, re.MULTILINE) == [("1", "signs"), ("0", "retired")]


def test_no_command_shows_a_secret(ring: Keyring, database_dsn: str, journals: Path) -> None:
    dsn = ("--postgres-dsn", database_dsn)
    said = [told("list", *dsn), told("list", "--json", *dsn), told("verify", issued(ring), *dsn)]
    said += [told("verify", issued(ring), "--journals", str(journals)), told("rotate", *dsn)]
    for done in said:
        assert done.exit_code == 0
        assert ring.secret.hex() not in done.output
        assert "secret" not in done.output


def test_a_valid_id_names_its_click(ring: Keyring, database_dsn: str) -> None:
    """For people and for machines; the exit status says that it is valid."""
    done = told("verify", issued(ring), "--postgres-dsn", database_dsn)
    assert done.exit_code == 0
    assert dict(line.split() for line in done.output.splitlines()) == {
        "outcome": "valid",
        "event_id": "00c0ffee00c0ffee-c7-42",
        "utc_day": "2026-11-26",
        "key_id": "0",
    }
    machine = json.loads(told("verify", issued(ring), "--json", "--postgres-dsn", database_dsn).output)
    assert machine == {
        "outcome": "valid",
        "event_id": "00c0ffee00c0ffee-c7-42",
        "utc_day": "2026-11-26",
        "key_id": 0,
    }


def test_an_id_that_is_not_valid_is_called_what_it_is(ring: Keyring, database_dsn: str) -> None:
    dsn = ("--postgres-dsn", database_dsn)
    ours = issued(ring)
    told("rotate", *dsn)
    assert told("verify", ours, *dsn).exit_code == 0, "an older key verifies"
    told("retire", "0", *dsn)
    foreign = ClickIdIssuer(SigningKeyId(1), bytes(32), JOURNAL, 12).issue(Partition(7), Seq(42), DAY)
    for text, outcome in (
        (ours, "retired_key"),
        (foreign, "forged"),
        (f"f{ours[1:]}", "unknown_key"),
        (ours[:-1], "malformed"),
    ):
        done = told("verify", text, *dsn)
        assert (done.exit_code, done.output.split()) == (1, ["outcome", outcome])


def test_an_id_is_verified_without_a_database(ring: Keyring, journals: Path) -> None:
    """By the keys that a redirector keeps on its disk."""
    done = told("verify", issued(ring), "--journals", str(journals))
    assert done.exit_code == 0
    assert "00c0ffee00c0ffee-c7-42" in done.output


def test_an_id_may_begin_with_a_dash(ring: Keyring, database_dsn: str) -> None:
    """Those of a key whose id is 248 or more do."""
    asyncio.run(execute(database_dsn, "UPDATE signing_key SET key_id = 250, generation = 250"))
    moved = Keyring(SigningKeyId(250), {SigningKeyId(250): ring.secret})
    for journal in (JOURNAL, JournalId(b"\xff" * 8)):
        click_id = issued(moved, journal=journal)
        assert click_id.startswith("-")
        assert told("verify", click_id, "--postgres-dsn", database_dsn).exit_code == 0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["retire", "0"], "key 0 is the one that signs; rotate first."),
        (["retire", "5"], "there is no signing key 5."),
    ],
)
def test_what_is_refused_is_a_sentence(ring: Keyring, database_dsn: str, words: list[str], sentence: str) -> None:
    done = told(*words, "--postgres-dsn", database_dsn)
    assert (done.exit_code, done.output) == (1, f"Error: {sentence}\n")


def test_a_directory_without_kept_keys_is_named(journals: Path) -> None:
    journals.mkdir()
    done = told("verify", "A" * 40, "--journals", str(journals))
    assert done.exit_code == 1
    assert done.output == f"Error: No signing keys are kept in {journals}, or they cannot be read.\n"


def test_the_commands_for_keys_of_the_api_are_still_there() -> None:
    """Both kinds stand under `advolink keys`."""
    assert CliRunner().invoke(main, ["keys", "create", "--help"]).exit_code == 0
    listed = CliRunner().invoke(main, ["keys", "--help"]).output
    assert "create" in listed
    assert "signing" in listed
