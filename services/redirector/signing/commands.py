"""The commands `advolink keys signing …`: the keys that click ids are signed with, and what an id says."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final, TypeVar

import click
import orjson
from rich.console import Console
from rich.table import Column, Table

from database.commands import chosen_dsn, dsn_option, run_with_database
from database.pool import small_pool
from database.settings import DatabaseSettings
from database.signing_keys import SigningKeyRefusedError, SigningKeyRow, SigningKeyStore
from http_api.running_stack import DEFAULT_DIRECTORY, UP_FILE, NoStackError, find_stores
from link_events.click_ids import ClickIdOutcome, verify_click_id
from link_events.signing import SIGNING_KEY_IDS, SigningKeyId, SigningSecrets
from redirector.commands import data_dir_option
from redirector.kept import KeptFile
from redirector.signing.following import KEPT_NAME, read_keyring

_json_option: Final = click.option("--json", "as_json", is_flag=True, help="For machines.")

T = TypeVar("T")


@click.group("keys")
def keys_group() -> None:
    """Keys of the API, and those that sign."""


@keys_group.group("signing")
def signing_group() -> None:
    """Keys that click ids are signed with. Their secrets are never shown."""


@signing_group.command("list")
@dsn_option
@data_dir_option
@_json_option
def list_keys(postgres_dsn: str | None, data_dir: Path | None, *, as_json: bool) -> None:
    """Every signing key, the newest first: it signs, older ones verify until they are retired."""
    _show(_with_store(postgres_dsn, data_dir, lambda store: store.all_keys()), as_json=as_json)


@signing_group.command("rotate")
@dsn_option
@data_dir_option
@_json_option
def rotate(postgres_dsn: str | None, data_dir: Path | None, *, as_json: bool) -> None:
    """Make a new key. Every redirector signs with it within seconds; ids under older keys stay valid."""
    _show([_with_store(postgres_dsn, data_dir, lambda store: store.rotate())], as_json=as_json)


@signing_group.command("retire")
@click.argument("key_id", type=click.IntRange(0, SIGNING_KEY_IDS - 1))
@dsn_option
@data_dir_option
def retire(key_id: int, postgres_dsn: str | None, data_dir: Path | None) -> None:
    """End the key KEY_ID and erase its secret: no id under it is valid any more. This cannot be undone."""
    _with_store(postgres_dsn, data_dir, lambda store: store.retire(SigningKeyId(key_id)))
    click.echo(f"Signing key {key_id} is retired.")


@signing_group.command("verify", context_settings={"ignore_unknown_options": True})  # an id may begin with a dash
@click.argument("click_id")
@click.option(
    "--journals",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A redirector's journal directory: its copy of the keys is used, and no database.",
)
@dsn_option
@data_dir_option
@_json_option
def verify(
    click_id: str, journals: Path | None, postgres_dsn: str | None, data_dir: Path | None, *, as_json: bool
) -> None:
    """What CLICK_ID is found to be, and which click it names. The exit status is 0 if it is valid."""
    secrets = _kept_secrets(journals) if journals else _with_store(postgres_dsn, data_dir, _secrets_in)
    verified = verify_click_id(click_id, secrets)
    told: dict[str, object] = {"outcome": verified.outcome}
    if verified.click is not None:
        named = verified.click
        told |= {"event_id": named.origin.event_id, "utc_day": named.utc_day, "key_id": named.key_id}
    click.echo(orjson.dumps(told) if as_json else "\n".join(f"{name:10}{value}" for name, value in told.items()))
    if verified.outcome is not ClickIdOutcome.VALID:
        raise click.exceptions.Exit(1)


def _with_store(postgres_dsn: str | None, data_dir: Path | None, job: Callable[[SigningKeyStore], Awaitable[T]]) -> T:
    dsn = _chosen_dsn(postgres_dsn, data_dir)

    async def with_store() -> T:
        async with small_pool(dsn, application="advolink keys signing") as pool:
            return await job(SigningKeyStore(pool))

    try:
        return run_with_database(with_store)
    except SigningKeyRefusedError as error:
        raise click.ClickException(f"{error}.") from error


def _chosen_dsn(postgres_dsn: str | None, data_dir: Path | None) -> str:
    """What the flags say; without them the environment, and then what runs from DEFAULT_DIRECTORY."""
    named = postgres_dsn or (data_dir is None and DatabaseSettings().postgres_dsn)
    nothing_runs = data_dir is None and not (DEFAULT_DIRECTORY / UP_FILE).exists()
    if named or nothing_runs:
        return chosen_dsn(postgres_dsn)
    try:
        return find_stores(data_dir or DEFAULT_DIRECTORY).postgres_dsn
    except NoStackError as error:
        raise click.ClickException(str(error)) from error


async def _secrets_in(store: SigningKeyStore) -> SigningSecrets:
    ring = await store.keyring()
    return ring.secrets if ring else {}


def _kept_secrets(journals: Path) -> SigningSecrets:
    ring = KeptFile(journals, KEPT_NAME).read(read_keyring)
    if ring is None:
        raise click.ClickException(f"No signing keys are kept in {journals}, or they cannot be read.")
    return ring.secrets


def _show(keys: Sequence[SigningKeyRow], *, as_json: bool) -> None:
    if as_json:
        click.echo(orjson.dumps({"rows": [asdict(key) for key in keys]}, option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z))
        return
    table = Table(*(Column(name, no_wrap=True) for name in ("key", "state", "made", "retired")))
    for key in keys:
        ended = f"{key.retired_at:%Y-%m-%d %H:%M:%S}Z" if key.retired_at else ""
        table.add_row(str(key.key_id), key.state, f"{key.made_at:%Y-%m-%d %H:%M:%S}Z", ended)
    Console().print(table)
